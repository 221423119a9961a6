"""Rates and budgets with a clock of the test; the ledger of one process, whose decisions Redis's script shares."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import pytest

from sightline_app.limits import headers
from sightline_app.limits.ledgers import ProcessLedger
from sightline_app.limits.rules import Charge, Decision, Limits

HOLD_S = 180


@dataclass
class Clock:
    """A clock that only the test moves."""

    now: datetime.datetime = datetime.datetime(2026, 2, 27, 12, 0, tzinfo=datetime.UTC)

    def __call__(self) -> int:
        """Microseconds since 1970."""
        return int(self.now.timestamp() * 1_000_000)

    def advance(self, **delta: float) -> None:
        """Move on."""
        self.now += datetime.timedelta(**delta)


class Book:
    """A ledger, its clock, and calls with running ids."""

    def __init__(self, **limits: int) -> None:
        self.clock = Clock()
        self.ledger = ProcessLedger(HOLD_S, self.clock)
        self.limits = Limits(**limits)
        self._count = 0

    def charge(self, tokens: int = 1, owner: str = "key a", user: str = "u") -> Charge:
        """A new call."""
        self._count += 1
        return Charge(str(self._count), owner, ("t", user), self.limits, tokens)

    async def reserve(self, tokens: int = 1, owner: str = "key a", user: str = "u") -> Decision:
        """Reserve for a new call."""
        return await self.ledger.reserve(self.charge(tokens, owner, user))


def used(decision: Decision) -> dict[str, int]:
    """What is used of each limit."""
    return {standing.name: standing.used for standing in decision.standings}


async def test_minute_of_requests_may_come_at_once_and_then_one_by_one() -> None:
    """Six a minute: six at once, then one each ten seconds, and the wait that is told is exact."""
    book = Book(requests_per_minute=6)
    assert [(await book.reserve()).refused_by for _ in range(7)] == [""] * 6 + ["requests_per_minute"]
    refused = await book.reserve()
    assert (refused.wait_ms, refused.never) == (10_000, False)
    book.clock.advance(milliseconds=9_999)
    assert (await book.reserve()).refused_by
    book.clock.advance(milliseconds=1)
    assert not (await book.reserve()).refused_by
    assert (await book.reserve()).refused_by


async def test_refused_request_takes_nothing() -> None:
    """Neither rate nor budget is charged where any limit refuses: refusals do not add up to a longer wait."""
    book = Book(requests_per_minute=2, tokens_per_day=100)
    for _ in range(5):
        assert (await book.reserve(101)).refused_by == "tokens_per_day"
    admitted = await book.reserve(100)
    assert used(admitted) == {"requests_per_minute": 1, "tokens_per_day": 100}


async def test_tokens_a_minute_are_corrected_by_the_real_usage() -> None:
    """What was reserved too much is free at once; what was used beyond is paid by waiting."""
    book = Book(tokens_per_minute=600)
    first = book.charge(500)
    await book.ledger.reserve(first)
    assert (await book.reserve(200)).refused_by == "tokens_per_minute"
    await book.ledger.settle(first, 100)
    assert not (await book.reserve(200)).refused_by
    overrun = book.charge(100)
    await book.ledger.reserve(overrun)
    await book.ledger.settle(overrun, 900)
    refused = await book.reserve(1)
    assert refused.wait_ms == 60_100


async def test_call_larger_than_a_limit_is_never_admitted() -> None:
    """No retry can help, and the answer says so, whichever other limit is reached as well."""
    book = Book(tokens_per_minute=100, tokens_per_day=50)
    refused = await book.reserve(101)
    assert (refused.never, refused.refused_by) == (True, "tokens_per_day")
    assert "retry-after" not in headers.fields(refused)


async def test_budget_counts_what_is_reserved_and_then_what_was_used() -> None:
    """Two calls of 60 do not fit into 100 until the first one turns out to be small."""
    book = Book(tokens_per_day=100)
    first = book.charge(60)
    assert used(await book.ledger.reserve(first)) == {"tokens_per_day": 60}
    assert (await book.reserve(60)).refused_by == "tokens_per_day"
    assert used(await book.ledger.settle(first, 40)) == {"tokens_per_day": 40}
    assert not (await book.reserve(60)).refused_by


async def test_settling_twice_charges_once() -> None:
    """A charge that was sent again counts once, also after its reservation expired."""
    book = Book(tokens_per_day=100, tokens_per_minute=600)
    call = book.charge(10)
    await book.ledger.reserve(call)
    await book.ledger.settle(call, 7)
    book.clock.advance(seconds=HOLD_S + 1)
    assert used(await book.ledger.settle(call, 7))["tokens_per_day"] == 7


async def test_reservation_of_a_killed_process_expires() -> None:
    """It blocks nobody for longer than its time; a charge that comes after all counts all the same."""
    book = Book(tokens_per_day=100)
    lost = book.charge(100)
    await book.ledger.reserve(lost)
    book.clock.advance(seconds=HOLD_S - 1)
    assert (await book.reserve(1)).refused_by == "tokens_per_day"
    book.clock.advance(seconds=1)
    assert not (await book.reserve(1)).refused_by
    assert used(await book.ledger.settle(lost, 30))["tokens_per_day"] == 31


async def test_day_and_month_roll_over_by_utc() -> None:
    """At midnight the day begins anew and the month goes on; on the first of March the month does, too."""
    book = Book(tokens_per_day=100, tokens_per_month=250)

    async def spend(tokens: int) -> Decision:
        call = book.charge(tokens)
        decision = await book.ledger.reserve(call)
        return decision if decision.refused_by else await book.ledger.settle(call, tokens)

    assert used(await spend(100)) == {"tokens_per_day": 100, "tokens_per_month": 100}
    refused = await spend(1)
    assert (refused.refused_by, refused.wait_ms) == ("tokens_per_day", 12 * 3600 * 1000)
    book.clock.advance(hours=12)  # 28 February, 0:00
    assert used(await spend(100)) == {"tokens_per_day": 100, "tokens_per_month": 200}
    book.clock.advance(hours=23, minutes=59)
    assert (await spend(1)).refused_by == "tokens_per_day"
    book.clock.advance(minutes=1)  # 1 March, 0:00
    assert used(await spend(60)) == {"tokens_per_day": 60, "tokens_per_month": 60}


async def test_longest_wait_decides_when_to_retry() -> None:
    """A day's budget that is used up as well as the minute's rate: a retry in a second would be in vain."""
    book = Book(requests_per_minute=1, tokens_per_day=10)
    await book.reserve(10)
    refused = await book.reserve(10)
    assert (refused.refused_by, refused.wait_ms) == ("tokens_per_day", 12 * 3600 * 1000)


async def test_answer_over_midnight_counts_for_the_day_of_its_question() -> None:
    """Yesterday's call takes nothing of today's budget, neither reserved nor charged, and all of the month's."""
    book = Book(tokens_per_day=100, tokens_per_month=1000)
    book.clock.advance(hours=11, minutes=59)
    call = book.charge(100)
    await book.ledger.reserve(call)
    book.clock.advance(minutes=2)
    assert used(await book.reserve(100)) == {"tokens_per_day": 100, "tokens_per_month": 200}
    assert used(await book.ledger.settle(call, 80)) == {"tokens_per_day": 100, "tokens_per_month": 180}


async def test_clock_that_goes_back_gives_no_second_day() -> None:
    """After a failover to a server whose clock is behind, what was spent stays spent."""
    book = Book(tokens_per_day=100)
    call = book.charge(100)
    await book.ledger.reserve(call)
    await book.ledger.settle(call, 100)
    book.clock.advance(days=-1)
    assert (await book.reserve(1)).refused_by == "tokens_per_day"


async def test_user_budget_is_shared_by_keys_and_not_by_users() -> None:
    """One user cannot spend twice with two keys, another user of the key still can, and one without a name is one."""
    book = Book(user_tokens_per_day=100)
    assert not (await book.reserve(100, owner="key a", user="u")).refused_by
    assert (await book.reserve(1, owner="key b", user="u")).refused_by == "user_tokens_per_day"
    assert not (await book.reserve(100, owner="key a", user="v")).refused_by
    assert not (await book.reserve(100, user="")).refused_by
    assert (await book.reserve(1, user="")).refused_by


async def test_owners_whose_names_join_alike_do_not_share() -> None:
    """Ids are joined in no way that another pair of ids could match."""
    book = Book(user_tokens_per_day=1)
    for pair in (("a/b", "c"), ("a", "b/c"), ('a","b', "c")):
        call = Charge(str(pair), "key", pair, book.limits, 1)
        assert not (await book.ledger.reserve(call)).refused_by


@pytest.mark.parametrize("limit", [1, 7, 59, 60, 61, 999, 100_000])
async def test_rate_admits_its_number_at_once_whatever_the_number(limit: int) -> None:
    """Rounding to microseconds never costs a request, nor gives one."""
    book = Book(requests_per_minute=limit)
    admitted = 0
    while admitted < 2 * limit and not (await book.reserve()).refused_by:
        admitted += 1
        if admitted == 2000:
            return
    assert admitted == limit


async def test_headers_tell_every_limit() -> None:
    """Policies and what is left of them, as the IETF draft spells them."""
    book = Book(requests_per_minute=60, tokens_per_month=5000)
    found = headers.fields(await book.reserve(1000))
    assert found == {
        "ratelimit-policy": '"requests_per_minute";q=60;w=60, "tokens_per_month";q=5000;qu="tokens";w=2592000',
        "ratelimit": '"requests_per_minute";r=59;t=1, "tokens_per_month";r=4000;t=129600',
    }
    refused = headers.fields(await book.reserve(4500))
    assert refused["retry-after"] == "129600"


def test_response_without_limits_has_no_fields() -> None:
    """An open app says nothing of limits."""
    assert headers.fields(Decision("", 0, False, ())) == {}

"""What the limiter does while its ledger is away or its caller is cancelled; the ledger is a fake."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from sightline import semconv
from sightline.testing import Spans, captured
from sightline_app.errors import LimitReached, LimitsUnavailable, StateAway
from sightline_app.limits import attributes
from sightline_app.limits import limiter as limiter_module
from sightline_app.limits.access import Caller
from sightline_app.limits.ledgers import ProcessLedger
from sightline_app.limits.limiter import Limiter
from sightline_app.limits.rules import Charge, Decision, Limits

WHO = Caller("t", "u", "member", Limits(tokens_per_day=1000), "k1")


@dataclass
class Ledger:
    """A real ledger of one process that can be away, or slow."""

    kind: str = "process"
    is_away: bool = False
    is_slow: bool = False
    inner: ProcessLedger = field(default_factory=lambda: ProcessLedger(180))

    async def _pass(self) -> None:
        if self.is_slow:
            await asyncio.sleep(60)
        if self.is_away:
            raise StateAway("Redis is away")

    async def reserve(self, charge: Charge) -> Decision:
        """Reserve, if it is there."""
        await self._pass()
        return await self.inner.reserve(charge)

    async def settle(self, charge: Charge, used: int) -> Decision:
        """Settle, if it is there."""
        await self._pass()
        return await self.inner.settle(charge, used)

    async def spent(self) -> int:
        """What the owner's budget holds."""
        probe = Charge("probe", WHO.owner, ("t", "u"), WHO.limits, 0)
        return (await self.inner.settle(probe, 0)).standings[0].used


@pytest.fixture(name="spans")
def _spans() -> Iterator[Spans]:
    with captured() as spans:
        yield spans


async def test_charges_wait_for_the_ledger_and_count_once() -> None:
    """What was used while it was away is charged after its return, and not again by a second look."""
    ledger = Ledger(is_away=True)
    limiter = Limiter(ledger, admits_when_away=True)
    for used in (5, 6):
        await (await limiter.admit(WHO, 100)).settle(used)
    await limiter.charge_owed()
    assert limiter.owed == 2
    ledger.is_away = False
    await limiter.charge_owed()
    await limiter.charge_owed()
    assert (limiter.owed, await ledger.spent()) == (0, 11)


async def test_charge_of_a_cancelled_request_is_not_lost() -> None:
    """A request that is cancelled while it settles leaves its charge behind."""
    ledger = Ledger()
    limiter = Limiter(ledger, admits_when_away=True)
    admission = await limiter.admit(WHO, 100)
    ledger.is_slow = True
    settling = asyncio.create_task(admission.settle(7))
    await asyncio.sleep(0)
    settling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await settling
    ledger.is_slow = False
    await limiter.charge_owed()
    assert await ledger.spent() == 7


async def test_charge_older_than_the_memory_of_the_ledger_is_dropped() -> None:
    """Nobody knows whether it arrived before, so it must not arrive now."""
    now_s = [0.0]
    ledger = Ledger(is_away=True)
    limiter = Limiter(ledger, admits_when_away=True, clock=lambda: now_s[0])
    await (await limiter.admit(WHO, 100)).settle(5)
    now_s[0] = 5 * 3600.0
    ledger.is_away = False
    await limiter.charge_owed()
    assert (limiter.owed, await ledger.spent()) == (0, 0)


async def test_owed_charges_are_bounded(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A long outage does not fill the memory; the log says what is forgotten."""
    monkeypatch.setattr(limiter_module, "_MAX_OWED", 3)
    limiter = Limiter(Ledger(is_away=True), admits_when_away=True)
    for _ in range(4):
        await (await limiter.admit(WHO, 1)).settle(1)
    assert limiter.owed == 3
    assert "the oldest is forgotten" in caplog.text


async def test_settling_twice_charges_the_first_usage() -> None:
    """An answer has one end, whoever tells it twice."""
    ledger = Ledger()
    admission = await Limiter(ledger, admits_when_away=True).admit(WHO, 100)
    await admission.settle(7)
    await admission.settle(9)
    assert await ledger.spent() == 7


async def test_decision_is_a_guard_span_that_is_no_error(spans: Spans) -> None:
    """Allowed, refused and unchecked stand on the span with their reason; a refusal is no failure of the stage."""
    ledger = Ledger()
    limiter = Limiter(ledger, admits_when_away=False)
    await limiter.admit(WHO, 900)
    with pytest.raises(LimitReached):
        await limiter.admit(WHO, 200)
    ledger.is_away = True
    with pytest.raises(LimitsUnavailable):
        await limiter.admit(WHO, 1)
    told = [
        (span.attributes or {}).get(key)
        for span in spans
        for key in (attributes.LIMIT_DECISION, semconv.GUARDRAIL_FLAGGED, semconv.GUARDRAIL_REASON)
    ]
    assert told == ["allowed", False, None, "refused", True, "tokens_per_day", "refused", True, "state_away"]
    assert {span.status.status_code.name for span in spans} == {"UNSET"}
    assert (list(spans)[1].attributes or {})[semconv.BUDGET_USED] == (900,)


async def test_caller_without_limits_costs_no_step(spans: Spans) -> None:
    """No ledger is asked and no span is made."""
    limiter = Limiter(Ledger(is_away=True), admits_when_away=False)
    admission = await limiter.admit(Caller("t", "u", "member", Limits()), 10**9)
    await admission.settle(5)
    assert (admission.headers, len(spans), limiter.owed) == ({}, 0, 0)


async def test_request_without_tokens_counts_against_the_rate_alone(spans: Spans) -> None:
    """A used-up budget does not refuse it, it leaves no span, and a ledger that is away decides as for calls."""
    ledger = Ledger()
    who = replace(WHO, limits=Limits(requests_per_minute=1, tokens_per_day=1))
    limiter = Limiter(ledger, admits_when_away=False)
    assert await limiter.count(WHO) == {}
    assert list(await limiter.count(who)) == ["ratelimit-policy", "ratelimit"]
    with pytest.raises(LimitReached, match="requests_per_minute=1"):
        await limiter.count(who)
    ledger.is_away = True
    with pytest.raises(LimitsUnavailable):
        await limiter.count(who)
    assert await Limiter(ledger, admits_when_away=True).count(who) == {}
    assert list(spans) == []

"""Rates and budgets in a real Redis: the script's decisions, contention, and a server that is killed."""

from __future__ import annotations

import asyncio
import itertools
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis_place import RedisPlace

from sightline_app.errors import LimitReached, LimitsUnavailable
from sightline_app.limits.access import Caller
from sightline_app.limits.ledgers import ProcessLedger, RedisLedger
from sightline_app.limits.limiter import Limiter
from sightline_app.limits.rules import Charge, Limits
from sightline_app.state.redis_link import RedisLink

_IDS = itertools.count()
LIMITS = Limits(tokens_per_day=1000)


def charge(tokens: int, limits: Limits = LIMITS, owner: str = "key a") -> Charge:
    """A new call."""
    return Charge(f"c{next(_IDS)}", owner, ("t", "u"), limits, tokens)


_STEP = st.tuples(
    st.sampled_from(["reserve", "settle", "again"]),
    st.integers(0, 5),  # which of the calls
    st.sampled_from([1, 20, 100, 300]),  # tokens
    st.sampled_from([0, 1, 1_000_000, 17_000_000, 61_000_000, 7 * 3_600_000_000, 90_000_000_000, 31 * 86_400_000_000]),
)
_LIMITS = st.builds(
    Limits,
    requests_per_minute=st.sampled_from([0, 2, 7]),
    tokens_per_minute=st.sampled_from([0, 250, 777]),
    tokens_per_day=st.sampled_from([0, 200, 500]),
    tokens_per_month=st.sampled_from([0, 600]),
    user_tokens_per_day=st.sampled_from([0, 150]),
    user_tokens_per_month=st.sampled_from([0, 350]),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(limits=_LIMITS, start_day=st.integers(0, 40_000), steps=st.lists(_STEP, min_size=3, max_size=25))
def test_redis_and_process_decide_alike(
    redis_place: RedisPlace, limits: Limits, start_day: int, steps: list[tuple[str, int, int, int]]
) -> None:
    """Any sequence of reservations, charges and repetitions, over minutes, days and months, gives the same answers."""
    now_us = [start_day * 86_400_000_000 + 86_000_000_000]

    async def compare() -> None:
        link = RedisLink(redis_place.url, redis_place.settings())
        try:
            ledgers = (RedisLedger(link, 180, lambda: now_us[0]), ProcessLedger(180, lambda: now_us[0]))
            owner = f"o{next(_IDS)}"
            calls: dict[int, Charge] = {}
            for step, which, tokens, later_us in steps:
                now_us[0] += later_us
                if step == "reserve" or which not in calls:
                    calls[which] = Charge(f"c{next(_IDS)}", owner, (owner, "u"), limits, tokens)
                if step == "settle":
                    answers = [await ledger.settle(calls[which], tokens) for ledger in ledgers]
                else:
                    answers = [await ledger.reserve(calls[which]) for ledger in ledgers]
                assert answers[0] == answers[1], (step, which, tokens)
        finally:
            await link.close()

    asyncio.run(compare())


async def test_budget_is_never_exceeded_under_contention(redis_place: RedisPlace) -> None:
    """200 calls at once over two links: as many pass as the budget pays for, and it is never exceeded on the way."""
    links = [RedisLink(redis_place.url, redis_place.settings()) for _ in range(2)]
    ledgers = [RedisLedger(link, 180) for link in links]
    most = 0

    async def call(number: int) -> bool:
        nonlocal most
        ledger, mine = ledgers[number % 2], charge(30)
        decision = await ledger.reserve(mine)
        most = max(most, decision.standings[0].used)
        if decision.refused_by:
            return False
        await asyncio.sleep(0)
        most = max(most, (await ledger.settle(mine, 25)).standings[0].used)
        return True

    try:
        admitted = sum(await asyncio.gather(*(call(number) for number in range(200))))
        last = charge(1000)
        spent = (await ledgers[0].reserve(last)).standings[0].used
    finally:
        for link in links:
            await link.close()
    assert most <= 1000
    assert spent == 25 * admitted
    assert 1000 // 30 <= admitted <= 1000 // 25


async def test_rate_is_never_exceeded_under_contention(link: RedisLink) -> None:
    """Of 60 requests at once exactly 20 pass, by the server's own clock."""
    ledger = RedisLedger(link, 180)
    limits = Limits(requests_per_minute=20)
    started_s = time.monotonic()
    decisions = await asyncio.gather(*(ledger.reserve(charge(1, limits)) for _ in range(60)))
    passed = sum(not decision.refused_by for decision in decisions)
    assert 20 <= passed <= 20 + (time.monotonic() - started_s) // 3


async def test_reservations_of_a_killed_process_expire_by_the_clock_of_redis(link: RedisLink) -> None:
    """Nobody settles: after the reservation's time its tokens are free."""
    ledger = RedisLedger(link, 1.0)
    assert not (await ledger.reserve(charge(1000))).refused_by
    assert (await ledger.reserve(charge(1))).refused_by
    await asyncio.sleep(1.05)
    assert not (await ledger.reserve(charge(1000))).refused_by


async def test_everything_in_redis_expires(redis_place: RedisPlace, link: RedisLink) -> None:
    """No key stays for ever, and none shows an id."""
    ledger = RedisLedger(link, 180)
    every = Limits(10, 1000, 1000, 1000, 1000, 1000)
    mine = charge(10, every, owner="key secret-owner")
    await ledger.reserve(mine)
    await ledger.settle(mine, 5)
    await ledger.reserve(charge(10, every))
    with redis_place.client() as client:
        keys = client.keys("*")
        assert keys
        assert not [key for key in keys if "secret-owner" in key]
        assert all(0 < client.ttl(key) <= 40 * 86_400 for key in keys)


def caller(**limits: int) -> Caller:
    """Somebody with limits."""
    return Caller("t", "u", "member", Limits(**limits), "k1")


async def test_no_charge_is_lost_or_doubled_when_redis_is_killed_under_load(redis_place: RedisPlace) -> None:
    """Two kill -9 under calls that fail open: afterwards the budget holds exactly what all calls used."""
    link = RedisLink(redis_place.url, redis_place.settings())
    limiter = Limiter(RedisLedger(link, 180), admits_when_away=True)
    who = caller(tokens_per_day=1_000_000)
    calls = 0
    stop = asyncio.Event()

    async def worker() -> None:
        nonlocal calls
        while not stop.is_set():
            admission = await limiter.admit(who, 50)
            await asyncio.sleep(0.005)
            await admission.settle(7)
            calls += 1

    try:
        workers = [asyncio.create_task(worker()) for _ in range(8)]
        charging = asyncio.create_task(limiter.keep_charging(0.05))
        owed = 0
        for _ in range(2):
            await asyncio.sleep(0.25)
            await asyncio.to_thread(redis_place.kill)
            await asyncio.sleep(0.15)
            owed = max(owed, limiter.owed)
            await asyncio.to_thread(redis_place.start)
        await asyncio.sleep(0.25)
        stop.set()
        await asyncio.gather(*workers)
        charging.cancel()
        await asyncio.sleep(0.1)
        await limiter.charge_owed()
        assert limiter.owed == 0
        last = Charge("last", who.owner, ("t", "u"), who.limits, 0)
        decision = await limiter.ledger.settle(last, 0)
        with redis_place.client() as client:
            held = sum(int(hold.split("|")[1]) for key in client.keys("*held*") for hold in client.zrange(key, 0, -1))
    finally:
        await link.close()
    assert owed > 0
    assert decision.standings[0].used - held == 7 * calls


async def test_closed_limits_admit_nobody_without_redis_and_everybody_after_its_return(redis_place: RedisPlace) -> None:
    """A clear error while it is away; no restart afterwards. Callers without limits are not concerned."""
    link = RedisLink(redis_place.url, redis_place.settings())
    limiter = Limiter(RedisLedger(link, 180), admits_when_away=False)
    try:
        redis_place.kill()
        with pytest.raises(LimitsUnavailable, match="SIGHTLINE_APP_LIMITS_WHEN_AWAY"):
            await limiter.admit(caller(tokens_per_day=10), 1)
        await limiter.admit(caller(), 1)
        redis_place.start()
        await asyncio.sleep(0.1)
        await limiter.admit(caller(tokens_per_day=10), 1)
    finally:
        await link.close()


async def test_refusal_says_which_limit_and_when(link: RedisLink) -> None:
    """429 with seconds and what is left; 413 where no waiting helps."""
    limiter = Limiter(RedisLedger(link, 180), admits_when_away=True)
    await limiter.admit(caller(tokens_per_day=100), 90)
    with pytest.raises(LimitReached, match="tokens_per_day=100 is reached") as refused:
        await limiter.admit(caller(tokens_per_day=100), 20)
    assert (refused.value.status, refused.value.kind) == (429, "tokens_per_day")
    assert 0 < int(refused.value.headers["retry-after"]) <= 86_400
    assert refused.value.headers["ratelimit"].startswith('"tokens_per_day";r=10;t=')
    with pytest.raises(LimitReached, match="never") as impossible:
        await limiter.admit(caller(tokens_per_day=100), 101)
    assert impossible.value.status == 413

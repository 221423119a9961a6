"""Cached answers in a real Redis and in a process: the same suite; then what only Redis does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from redis_place import RedisPlace

from sightline_app.errors import StateAway
from sightline_app.retriever import Hit
from sightline_app.settings import CacheSettings
from sightline_app.state.answer_store import AnswerStore, CachedAnswer, ProcessAnswers, RedisAnswers
from sightline_app.state.redis_link import RedisLink

HIT = Hit("1", "join()", "Join.", ["os.path.join"], "os", "2026-01-01", 0.5)
Make = Callable[..., AnswerStore]


def anything(kept: CachedAnswer) -> bool:
    """Accept every answer."""
    del kept
    return True


@pytest.fixture(name="make", params=["redis", "process"])
async def _make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    """Make stores; those in Redis share one server."""
    made: list[AnswerStore] = []

    def make(**settings: float) -> AnswerStore:
        bounds = CacheSettings(**settings)  # type: ignore[arg-type]  # numbers of either kind
        if request.param == "process":
            made.append(ProcessAnswers(bounds))
        else:
            place: RedisPlace = request.getfixturevalue("redis_place")
            made.append(RedisAnswers(RedisLink(place.url, place.settings()), bounds))
        return made[-1]

    yield make
    for store in made:
        await store.close()


def at(degrees: float) -> NDArray[np.float32]:
    """A unit vector of two dimensions."""
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], dtype=np.float32)


def answer(question: str, text: str, trace_id: str = "") -> CachedAnswer:
    """An answer."""
    return CachedAnswer(question, text, [HIT], 40, 10, 1.5, "note", trace_id)


async def text(store: AnswerStore, vector: NDArray[np.float32], tenant: str = "acme", scope: str = "s") -> str | None:
    """The text that is found."""
    found = (await store.nearest(tenant, scope, vector, "", anything)).answer
    return found.text if found else None


async def test_near_question_gets_the_answer_with_its_passages(make: Make) -> None:
    """Similarity is the cosine; below the threshold there is no answer, but what the nearest one had."""
    store = make(threshold=0.97)
    await store.keep("acme", "s", at(0), answer("q", "a \u20ac", "t1"))
    near = await store.nearest("acme", "s", at(10), "t2", anything)
    assert near.answer is not None
    assert near.similarity == pytest.approx(np.cos(np.radians(10)), abs=1e-6)
    assert (near.answer.text, near.answer.hits, near.answer.note) == ("a \u20ac", [HIT], "note")
    assert (near.answer.input_tokens, near.answer.output_tokens, near.answer.trace_id) == (40, 10, "t1")
    assert near.answer.age_s >= 0
    far = await store.nearest("acme", "s", at(20), "t3", anything)
    assert far.answer is None
    assert far.similarity == pytest.approx(np.cos(np.radians(20)), abs=1e-6)


async def test_answer_that_is_not_accepted_is_passed_over(make: Make) -> None:
    """The next one that is near enough is tried; the look-up says that one was refused."""
    store = make(threshold=0.9)
    for degrees in (0, 10):
        await store.keep("acme", "s", at(degrees), answer(f"q{degrees}", f"a{degrees}"))
    second = await store.nearest("acme", "s", at(0), "", lambda kept: kept.question == "q10")
    assert second.answer is not None
    assert second.answer.text == "a10"
    none = await store.nearest("acme", "s", at(0), "", lambda kept: kept.question == "q")
    assert (none.answer, none.refused) == (None, True)


@pytest.mark.parametrize("tenant", ["globex", "acme2", "", "acme}:{x", "acme:s"])
async def test_neither_tenant_nor_scope_is_ever_crossed(make: Make, tenant: str) -> None:
    """The same vector of another tenant, whatever its name, or of another scope finds nothing."""
    store = make()
    await store.keep("acme", "s", at(0), answer("q", "a"))
    assert await text(store, at(0), tenant=tenant) is None
    assert await text(store, at(0), scope="s2") is None
    assert not await store.forget(tenant, "t1")
    assert await text(store, at(0)) == "a"


async def test_same_question_is_kept_once(make: Make) -> None:
    """Two requests that fill at once leave one answer; case and blanks make no other question."""
    store = make(max_entries=2)
    await asyncio.gather(
        *(store.keep("acme", "s", at(0), answer(question, "a")) for question in ("Q  one?", "q one?", "q ONE?"))
    )
    await store.keep("acme", "s", at(90), answer("other", "b"))
    assert [await text(store, at(0)), await text(store, at(90))] == ["a", "b"]


async def test_oldest_answers_make_room(make: Make) -> None:
    """Of a tenant, no more than the bound are kept, over all scopes; another tenant's stay."""
    store = make(max_entries=2)
    await store.keep("globex", "s", at(0), answer("q", "g"))
    for degrees in (0, 30, 60):
        await store.keep("acme", f"s{degrees}", at(degrees), answer(f"q{degrees}", f"a{degrees}"))
    assert [await text(store, at(d), scope=f"s{d}") for d in (0, 30, 60)] == [None, "a30", "a60"]
    assert await text(store, at(0), tenant="globex") == "g"


async def test_judged_answer_is_forgotten_by_the_trace_that_made_or_got_it(make: Make) -> None:
    """Both the first reader's trace and that of a reader who got it again lead to it."""
    store = make()
    for trace in ("maker", "reader"):
        await store.keep("acme", "s", at(0), answer("q", "a", "maker"))
        assert (await store.nearest("acme", "s", at(1), "reader", anything)).answer is not None
        assert await store.forget("acme", trace)
        assert not await store.forget("acme", trace)
        assert await text(store, at(0)) is None
    assert not await store.forget("acme", "")


async def test_answer_expires(make: Make) -> None:
    """After its time it is not given any more."""
    store = make(ttl_s=0.2)
    await store.keep("acme", "s", at(0), answer("q", "a"))
    for _ in range(3000):
        if await text(store, at(0)) is None:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not expire")


async def test_two_processes_share_what_either_keeps(redis_place: RedisPlace) -> None:
    """A store that has its copy of the vectors learns what another one keeps, and what another one forgets."""
    one, two = (RedisAnswers(RedisLink(redis_place.url, redis_place.settings()), CacheSettings()) for _ in range(2))
    try:
        await one.keep("acme", "s", at(0), answer("q", "a", "t1"))
        assert await text(two, at(0)) == "a"
        await two.keep("acme", "s", at(90), answer("p", "b", "t2"))
        assert await text(one, at(90)) == "b"
        assert await two.forget("acme", "t1")
        assert await text(one, at(0)) is None
        await one.keep("acme", "s", at(0), answer("q", "again"))
        assert await text(two, at(0)) == "again"
    finally:
        await one.close()
        await two.close()


async def test_redis_that_lost_everything_is_a_miss(redis_place: RedisPlace, link: RedisLink) -> None:
    """The copy in the process never gives an answer that Redis does not have; new ones are found again."""
    store = RedisAnswers(link, CacheSettings())
    await store.keep("acme", "s", at(0), answer("q", "a"))
    assert await text(store, at(0)) == "a"
    with redis_place.client() as client:
        client.flushall()
    assert await text(store, at(0)) is None
    await store.keep("acme", "s", at(0), answer("q", "b"))
    assert await text(store, at(0)) == "b"


async def test_what_others_wrote_is_no_answer(redis_place: RedisPlace, link: RedisLink) -> None:
    """Broken vectors and broken answers are passed over."""
    store = RedisAnswers(link, CacheSettings())
    await store.keep("acme", "s", at(0), answer("q", "a"))
    await store.keep("acme", "s", at(90), answer("p", "b"))
    with redis_place.client() as client:
        answers, vectors = client.keys("*:answers"), client.keys("*:vectors")
        client.hset(answers[0], next(k for k in client.hkeys(answers[0]) if '"a"' in client.hget(answers[0], k)), "{")
        client.zadd(client.keys("*:order")[0], {"s:foreign": 9e15, "s:long": 9e15})
        client.hset(vectors[0], mapping={"s:foreign": "no base64!", "s:long": "AACAPwAAgD8AAIA/"})
    assert await text(store, at(0)) is None
    assert await text(store, at(90)) == "b"


async def test_full_redis_keeps_no_answer_and_still_serves(redis_place: RedisPlace, link: RedisLink) -> None:
    """Near its bound of memory an answer is not kept, so conversations have room; what is there is still given."""
    store = RedisAnswers(link, CacheSettings())
    assert await store.keep("acme", "s", at(0), answer("q", "a"))
    with redis_place.client() as client:
        before = client.config_get("maxmemory")["maxmemory"]
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 100_000)
        try:
            assert not await store.keep("acme", "s", at(90), answer("p", "b"))
            assert await text(store, at(0)) == "a"
            assert await text(store, at(90)) is None
        finally:
            client.config_set("maxmemory", before)


async def test_redis_that_was_killed_and_returns(redis_place: RedisPlace, link: RedisLink) -> None:
    """Away is an error of its own; after its return the answers are there, since they were written to its file."""
    store = RedisAnswers(link, CacheSettings())
    await store.keep("acme", "s", at(0), answer("q", "a"))
    redis_place.kill()
    with pytest.raises(StateAway):
        await store.nearest("acme", "s", at(0), "", anything)
    redis_place.start()
    found = None
    for _ in range(3000):
        with contextlib.suppress(StateAway):
            found = await text(store, at(0))
            break
        await asyncio.sleep(0.01)
    assert found == "a"


async def test_nothing_of_a_tenant_stays_forever(redis_place: RedisPlace, link: RedisLink) -> None:
    """Every key has an end, and none shows the tenant's name."""
    store = RedisAnswers(link, CacheSettings(ttl_s=60))
    await store.keep("acme", "s", at(0), answer("q", "a", "t1"))
    await store.nearest("acme", "s", at(0), "t2", anything)
    with redis_place.client() as client:
        keys = client.keys("*")
        assert len(keys) == 5
        assert all(0 < client.pttl(key) <= 60_000 for key in keys)
        assert not [key for key in keys if "acme" in key]

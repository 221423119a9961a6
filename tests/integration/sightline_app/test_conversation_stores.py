"""Conversations in a real Redis and in a process: the same suite; then what only Redis does."""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis_place import RedisPlace

from sightline_app.conversation.session_key import SessionKey
from sightline_app.conversation.sessions import Memory, OpenTurn, Sessions
from sightline_app.conversation.stores import ConversationStore, ProcessConversations, RedisConversations
from sightline_app.conversation.turns import Conversation, Folding, Turn
from sightline_app.settings import StateSettings
from sightline_app.state.redis_link import RedisLink

KEY = "sightline:conversation:{test}"
_KEYS = itertools.count()


@pytest.fixture(params=["redis", "process"])
def store(request: pytest.FixtureRequest) -> ConversationStore:
    """An empty store."""
    if request.param == "process":
        return ProcessConversations(60)
    return RedisConversations(request.getfixturevalue("link"), 60)


async def test_numbers_rise_and_turns_come_back(store: ConversationStore) -> None:
    """A number is given with the turns that were finished before."""
    first = await store.begin(KEY)
    await store.finish(KEY, first.number, Turn("q1", "a1"))
    second = await store.begin(KEY)
    assert (first.number, second.number) == (1, 2)
    assert second.conversation.turns == {1: Turn("q1", "a1")}
    assert set(second.conversation.waiting) == {2}


async def test_fifty_concurrent_turns_are_all_kept(store: ConversationStore) -> None:
    """Requests of one session at the same time get numbers of their own, and none loses its turn."""

    async def one(name: int) -> None:
        seen = await store.begin(KEY)
        await asyncio.sleep(0)
        await store.finish(KEY, seen.number, Turn(f"q{name}", f"a{name}"))

    await asyncio.gather(*(one(name) for name in range(50)))
    found = (await store.begin(KEY)).conversation
    assert sorted(found.turns) == list(range(1, 51))
    assert {turn.question for turn in found.turns.values()} == {f"q{name}" for name in range(50)}


async def test_finishing_twice_changes_nothing(store: ConversationStore) -> None:
    """A command that was sent again after a broken connection must not count twice."""
    await store.begin(KEY)
    await store.finish(KEY, 1, Turn("q", "a"))
    again = await store.finish(KEY, 1, Turn("q", "a"))
    assert (again.number, again.conversation.turns) == (1, {1: Turn("q", "a")})


async def test_number_that_was_given_twice_loses_no_turn(store: ConversationStore) -> None:
    """A server that lost its last second after a power failure counts from an older number; both turns are kept."""
    await store.finish(KEY, 1, Turn("q", "a"))
    other = await store.finish(KEY, 1, Turn("q", "other"))
    assert (other.number, other.conversation.turns) == (2, {1: Turn("q", "a"), 2: Turn("q", "other")})


async def test_moved_turn_that_is_finished_twice_is_kept_once(link: RedisLink) -> None:
    """A second run finds the number that the first one took."""
    store = RedisConversations(link, 60)
    await store.finish(KEY, 1, Turn("q", "a"))
    for _ in range(2):
        seen = await store.finish(KEY, 1, Turn("q", "other"))
    assert (seen.number, sorted(seen.conversation.turns)) == (2, [1, 2])


async def test_folding_replaces_turns_by_their_summary(store: ConversationStore) -> None:
    """The oldest go, the summary comes, the numbers go on."""
    for number in (1, 2, 3):
        await store.begin(KEY)
        await store.finish(KEY, number, Turn(f"q{number}", "a"))
    assert await store.fold(KEY, Folding(0, 2, "11", "sum\nmary"))
    seen = await store.begin(KEY)
    assert (seen.number, seen.conversation.folded, seen.conversation.summary) == (4, 2, "sum\nmary")
    assert list(seen.conversation.turns) == [3]


@pytest.mark.parametrize("due", [Folding(0, 2, "10", "s"), Folding(1, 2, "1", "s"), Folding(0, 3, "110", "s")])
async def test_folding_of_a_conversation_that_changed_is_refused(store: ConversationStore, due: Folding) -> None:
    """A turn that was finished meanwhile, or another folding, leaves everything as it is: no turn is lost."""
    for number in (1, 2, 3):
        await store.begin(KEY)
        await store.finish(KEY, number, Turn(f"q{number}", "a"))
    assert not await store.fold(KEY, due)
    assert sorted((await store.begin(KEY)).conversation.turns) == [1, 2, 3]


async def test_turn_that_ends_after_it_was_folded_becomes_the_newest(store: ConversationStore) -> None:
    """An answer that took longer than anybody believed is kept all the same."""
    for _ in range(3):
        await store.begin(KEY)
    await store.finish(KEY, 2, Turn("q2", "a2"))
    assert await store.fold(KEY, Folding(0, 2, "01", "s"))
    late = await store.finish(KEY, 1, Turn("q1", "late"))
    assert late.number == 4
    assert late.conversation.turns == {4: Turn("q1", "late")}


async def test_withdrawn_number_stays_unused(store: ConversationStore) -> None:
    """A question that was refused leaves a gap and waits for nothing."""
    await store.begin(KEY)
    await store.withdraw(KEY, 1)
    seen = await store.begin(KEY)
    assert (seen.number, set(seen.conversation.waiting), dict(seen.conversation.turns)) == (2, {2}, {})


async def test_forgotten_conversation_begins_anew(store: ConversationStore) -> None:
    """Nothing of it is left, not even its numbers."""
    await store.finish(KEY, 1, Turn("q", "a"))
    await store.forget(KEY)
    assert (await store.begin(KEY)).number == 1


async def test_conversation_expires_and_each_step_renews_it(redis_place: RedisPlace, link: RedisLink) -> None:
    """Redis itself forgets a session, as a whole; what is used stays."""
    store = RedisConversations(link, 60)
    with redis_place.client() as client:
        for step in (store.begin(KEY), store.finish(KEY, 1, Turn("q", "a"))):
            client.pexpire(KEY, 5000)
            await step
            assert 50_000 < client.pttl(KEY) <= 60_000
        await RedisConversations(link, 0.1).begin(KEY)
        await asyncio.sleep(0.2)
        assert client.keys("*") == []


async def test_folding_keeps_a_long_conversation_small(link: RedisLink) -> None:
    """After 30 turns through the service, few are kept word for word and the history still tells of the last ones."""
    bounds = StateSettings(session_turns=4, summary_tokens=200)
    sessions = Sessions(RedisConversations(link, 60), bounds, 10)
    key = SessionKey("acme", "s")
    for number in range(30):
        turn = sessions.open(key, [])
        await turn.begin()
        await turn.finish(Turn(f"question {number}", f"answer {number}."))
        assert turn.is_kept
    seen = await sessions.store.begin(key.name)
    assert seen.number == 31
    assert len(seen.conversation.turns) <= 4
    messages = sessions.history(seen)
    assert messages[-1]["content"] == "answer 29."
    assert "question 25" in messages[0]["content"]


async def _turn(sessions: Sessions, sent: list[dict[str, str]]) -> OpenTurn:
    turn = sessions.open(SessionKey("t", "s"), sent)
    await turn.begin()
    return turn


async def test_turn_uses_the_history_of_its_request_while_redis_is_dead(redis_place: RedisPlace) -> None:
    """After kill -9 a question is answered with the history that it brought, and says so; the next one is kept again.

    Nothing is started again but Redis, and what was acknowledged before the kill is still there.
    """
    link = RedisLink(redis_place.url, redis_place.settings())
    sessions = Sessions(RedisConversations(link, 60), redis_place.settings(), 10)
    sent = [{"role": "user", "content": "sent"}, {"role": "assistant", "content": "along"}]
    try:
        before = await _turn(sessions, sent)
        assert before.history == sent
        await before.finish(Turn("kept", "answer"))
        assert before.is_kept

        redis_place.kill()
        during = await _turn(sessions, sent)
        await during.finish(Turn("lost", "answer"))
        assert (during.memory, during.history, during.is_kept) == (Memory.AWAY, sent, False)

        began_dead = await _turn(sessions, sent)
        redis_place.start()
        await asyncio.sleep(0.1)
        await began_dead.finish(Turn("late", "answer"))
        assert began_dead.is_kept
        after = await _turn(sessions, sent)
        assert [message["content"] for message in after.history] == ["kept", "answer", "late", "answer"]
        assert after.memory is Memory.REDIS
    finally:
        await link.close()


async def test_first_command_after_a_restart_is_not_lost(redis_place: RedisPlace, link: RedisLink) -> None:
    """Connections of before are dead; each is replaced and its command sent again."""
    store = RedisConversations(link, 60)
    await asyncio.gather(*(store.begin(KEY) for _ in range(5)))
    redis_place.kill()
    redis_place.start()
    seen = await store.finish(KEY, 1, Turn("q", "a"))
    assert seen.conversation.turns == {1: Turn("q", "a")}


async def test_no_acknowledged_turn_is_lost_when_redis_is_killed_under_load(redis_place: RedisPlace) -> None:
    """Writers go on through two kill -9; each turn whose keeping was acknowledged is there once, under its number."""
    link = RedisLink(redis_place.url, redis_place.settings())
    settings = replace(redis_place.settings(), session_turns=1000, session_max_bytes=10_000_000)
    sessions = Sessions(RedisConversations(link, 60), settings, 10)
    acknowledged: dict[int, str] = {}
    stop = asyncio.Event()
    refused = 0

    async def writer(name: int) -> None:
        nonlocal refused
        count = 0
        while not stop.is_set():
            turn = await _turn(sessions, [])
            text = f"{name}-{count}"
            await turn.finish(Turn(text, "a"))
            if turn.is_kept:
                assert turn.number is not None
                assert turn.number not in acknowledged
                acknowledged[turn.number] = text
            else:
                refused += 1
                await asyncio.sleep(0.02)
            count += 1

    try:
        writers = [asyncio.create_task(writer(name)) for name in range(8)]
        for _ in range(2):
            await asyncio.sleep(0.25)
            await asyncio.to_thread(redis_place.kill)
            await asyncio.sleep(0.15)
            await asyncio.to_thread(redis_place.start)
        await asyncio.sleep(0.25)
        stop.set()
        await asyncio.gather(*writers)
        found = (await sessions.store.begin(SessionKey("t", "s").name)).conversation.turns
    finally:
        await link.close()
    assert len(acknowledged) > 20
    assert refused > 0
    assert {number: found[number].question for number in acknowledged} == acknowledged


async def test_redis_that_hangs_costs_a_bounded_wait_once(redis_place: RedisPlace) -> None:
    """A stopped server answers nobody: the first request waits for the timeout, the next ones do not wait at all."""
    settings = redis_place.settings(timeout_s=0.3, connect_timeout_s=0.3, retry_s=30.0)
    link = RedisLink(redis_place.url, settings)
    sessions = Sessions(RedisConversations(link, 60), settings, 10)
    try:
        await _turn(sessions, [])
        with redis_place.paused():
            started = time.monotonic()
            turns = [await _turn(sessions, []) for _ in range(20)]
            for turn in turns:
                await turn.finish(Turn("q", "a"))
        assert time.monotonic() - started < 2
        assert not any(turn.is_kept for turn in turns)
    finally:
        await link.close()


async def test_cancelled_steps_never_mix_up_answers(redis_place: RedisPlace) -> None:
    """Clients leave in the middle of a step: a connection with an answer on its way must not serve another session."""
    link = RedisLink(redis_place.url, redis_place.settings(timeout_s=2.0))
    store = RedisConversations(link, 60)
    try:
        await asyncio.gather(*(store.begin(f"before{number}") for number in range(30)))
        with redis_place.paused():
            leaving = [asyncio.create_task(store.begin(f"left{number}")) for number in range(30)]
            await asyncio.sleep(0.1)
            for task in leaving:
                task.cancel()
            await asyncio.gather(*leaving, return_exceptions=True)
        await asyncio.sleep(0.1)  # asyncio.wait_for may miss a cancellation (Python 3.11): then that step timed out
        seen = await asyncio.gather(*(store.finish(f"k{n}", 1, Turn(f"q{n}", "a")) for n in range(60)))
        assert [each.conversation.turns[1].question for each in seen] == [f"q{n}" for n in range(60)]
    finally:
        await link.close()


_STEPS = st.lists(st.tuples(st.sampled_from(["begin", "finish", "withdraw", "fold", "late fold"]), st.integers(1, 8)))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=_STEPS)
def test_redis_and_process_keep_the_same_conversation(redis_place: RedisPlace, steps: list[tuple[str, int]]) -> None:
    """Any order of beginnings, ends, withdrawals and foldings, also of an older view, leaves the same turns."""

    async def compare() -> None:
        link = RedisLink(redis_place.url, redis_place.settings())
        stores = (RedisConversations(link, 60), ProcessConversations(60))
        key, views = f"k{next(_KEYS)}", [Conversation()]
        try:
            for place, (step, number) in enumerate(steps):
                if step in {"begin", "finish"}:
                    turn = Turn(f"q{place}", "a")
                    seen = [
                        await (store.begin(key) if step == "begin" else store.finish(key, number, turn))
                        for store in stores
                    ]
                    plain = [
                        replace(each.conversation, waiting=dict.fromkeys(each.conversation.waiting, 0)) for each in seen
                    ]
                    assert (seen[0].number, plain[0]) == (seen[1].number, plain[1])
                    views.append(plain[0])
                elif step == "withdraw":
                    for store in stores:
                        await store.withdraw(key, number)
                else:
                    view = views[-1] if step == "fold" else views[len(views) // 2]
                    up_to = min(view.folded + number, view.last)
                    present = "".join(str(int(n in view.turns)) for n in range(view.folded + 1, up_to + 1))
                    due = Folding(view.folded, up_to, present, f"s{place}")
                    folded = [await store.fold(key, due) for store in stores]
                    assert folded[0] == folded[1]
        finally:
            await link.close()

    asyncio.run(compare())

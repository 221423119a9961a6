"""`sightline-app load`: moments of arrivals, who asks, the open loop, the report, the command line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from sightline_app.__main__ import main
from sightline_app.errors import CorpusError
from sightline_app.load import arrivals, platform, report, sender
from sightline_app.load.client import Answer
from sightline_app.load.conversations import Conversations
from sightline_app.load.platform import Held, Store, StoreAway
from sightline_app.load.sender import Outcome, Plan, Run, Sent
from sightline_app.quality import Known

FOLLOW = Known("f", "and then?", frozenset())
QUESTIONS = [Known("a", "how?", frozenset(), follow_up=FOLLOW), Known("b", "why?", frozenset())]


def test_poisson_has_the_rate_and_is_fixed_by_its_seed() -> None:
    """2,000 arrivals at 5 a second take about 400 s; another seed gives others."""
    first, again, other = ([next(it) for _ in range(2000)] for it in map(arrivals.poisson, [5.0] * 3, [1, 1, 2]))
    assert first == again
    assert first != other
    assert first[-1] == pytest.approx(400, rel=0.1)
    assert first == sorted(first)


def test_trace_is_read_as_it_was_written(tmp_path: Path) -> None:
    """The first moment counts as zero; what a record says of a request is passed over."""
    file = tmp_path / "trace.tsv"
    arrivals.write_trace(file, [(3.5, "ok", 0.0, 0.25, 1.0), (4.0, "503", 0.0, None, 0.1)])
    assert file.read_text().splitlines()[1:] == [
        "3.500000\tok\t0.000000\t0.250000\t1.000000",
        "4.000000\t503\t0.000000\t\t0.100000",
    ]
    assert arrivals.read_trace(file) == [0.0, 0.5]


@pytest.mark.parametrize("separator", [",", " ", "\t"])
def test_trace_of_others_is_read(tmp_path: Path, separator: str) -> None:
    """Comments and empty lines are passed over."""
    file = tmp_path / "trace.csv"
    file.write_text(f"# of a gateway\n\n10{separator}GET /\n10{separator}x\n12.5\n")
    assert arrivals.read_trace(file) == [0.0, 0.0, 2.5]


@pytest.mark.parametrize("text", ["", "# nothing\n", "1\n0.5\n", "soon\nlater\n", "nan\n"])
def test_trace_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    """The message names the file, and the line where there is one."""
    file = tmp_path / "trace"
    file.write_text(text)
    with pytest.raises(CorpusError, match="trace"):
        arrivals.read_trace(file)


def test_run_is_bounded_in_number_and_time() -> None:
    """Whichever bound comes first; a trace may be played faster."""
    moments = [0.0, 2.0, 4.0, 6.0]
    assert list(arrivals.within(moments, speed=2.0, most=10, for_s=2.0)) == [0.0, 1.0, 2.0]
    assert list(arrivals.within(moments, speed=1.0, most=1, for_s=60.0)) == [0.0]


def test_turns_go_to_sessions_whose_answer_is_there() -> None:
    """A session whose answer is on its way gets no turn; one that has all its turns is left alone."""
    conversations = Conversations(QUESTIONS, ["acme"], users_per_tenant=2, max_turns=2, seed=1)
    first, known = conversations.next()
    second, _ = conversations.next()
    assert first.session != second.session
    conversations.answered(first)
    third, following = conversations.next()
    assert third is first
    assert following is FOLLOW or known.follow_up is None
    conversations.answered(third)
    assert conversations.next()[0] is not first


def test_seed_fixes_who_asks() -> None:
    """Tenants and first questions are the same whatever the answers did."""

    def draw(*, answers: bool) -> list[tuple[str, str]]:
        conversations = Conversations([QUESTIONS[1]], ["acme", "globex"], 3, 3, seed=4)
        found = []
        for _ in range(20):
            conversation, known = conversations.next()
            found.append((conversation.tenant, known.id))
            if answers:
                conversations.answered(conversation)
        return found

    assert draw(answers=True) == draw(answers=False)


Ask = Callable[..., Any]


async def run(
    monkeypatch: pytest.MonkeyPatch, ask: Ask, due: list[float], stop: asyncio.Event | None = None, **plan: Any
) -> Run:
    """Send with an app that is a function."""
    monkeypatch.setattr(sender, "ask", ask)
    return await sender.send(QUESTIONS, Plan("http://app", ("acme",), **plan), due, stop or asyncio.Event())


async def test_slow_answers_delay_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """All requests are open before the first one is answered: the loop is open."""
    open_at_once = 0
    all_there = asyncio.Event()

    async def ask(*_: Any) -> Answer:
        nonlocal open_at_once
        open_at_once += 1
        if open_at_once == 5:
            all_there.set()
        await all_there.wait()
        return Answer(ttft_s=0.1, total_s=0.2, status=200, trace_id="t")

    found = await run(monkeypatch, ask, [0.0] * 5)
    assert [each.outcome for each in found.sent] == [Outcome.OK] * 5
    assert not found.stopped


async def test_wait_for_room_counts_from_when_it_was_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one request at a time, the second is sent late, and the report says what its user would have waited."""

    async def ask(*_: Any) -> Answer:
        await asyncio.sleep(0.05)
        return Answer(ttft_s=0.04, total_s=0.05, status=200)

    found = await run(monkeypatch, ask, [0.0, 0.0], max_open=1)
    late = found.sent[1]
    assert late.behind_s >= 0.045
    assert late.waited_s == pytest.approx(late.behind_s + 0.04)
    assert late.took_s == pytest.approx(late.behind_s + 0.05)


async def test_outcomes_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A used-up limit, a server that is away, an error in a stream, no connection."""
    answers = iter(
        [
            Answer(status=429, error="429: limit"),
            Answer(status=503, error="503: away"),
            Answer(status=200, error="model_unavailable: gone"),
            Answer(error="ConnectError"),
        ]
    )

    async def ask(*_: Any) -> Answer:
        return next(answers)

    found = await run(monkeypatch, ask, [0.0] * 4)
    assert [str(each.outcome) for each in found.sent] == ["429", "503", "error", "error"]


async def test_stopped_run_keeps_what_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    """No further request is sent; an answer that does not come is unfinished."""
    monkeypatch.setattr(sender, "_LAST_ANSWERS_S", 0.01)
    stop = asyncio.Event()

    async def ask(*_: Any) -> Answer:
        stop.set()
        await asyncio.Event().wait()
        raise AssertionError

    found = await run(monkeypatch, ask, [0.0, 3600.0], stop)
    assert [each.outcome for each in found.sent] == [Outcome.UNFINISHED]
    assert found.stopped
    assert "1 request in" in report.table(found, None)


async def test_fault_of_the_program_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """It must not look like an answer that is missing."""

    async def ask(*_: Any) -> Answer:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        await run(monkeypatch, ask, [0.0])


def sample() -> tuple[Run, dict[str, Held]]:
    """Two answers, of which the store holds one with its first token, and a refusal."""
    sent = [
        Sent(0.0, 0.2, Outcome.OK, 0.3, 1.0, "a" * 32),
        Sent(1.0, 0.0, Outcome.OK, 0.1, 0.5, "b" * 32),
        Sent(2.0, 0.0, Outcome.LIMITED, error="429: limit"),
    ]
    return Run(sent, took_s=3.0), {"a" * 32: Held(298.0, 999.0), "b" * 32: Held(None, 499.0)}


def test_report_counts_from_when_requests_were_due() -> None:
    """The numbers of the client, and those of the same answers on the platform."""
    run, held = sample()
    told = report.as_json(run, held)
    assert (told["sent"], told["ok"], told["429"], told["503"], told["behind_schedule"]) == (3, 2, 1, 0, 1)
    assert told["ttft_ms"] == {"p50": 100.0, "p95": 500.0, "p99": 500.0, "max": 500.0}
    assert told["total_ms"]["max"] == 1200.0
    assert told["ttft_since_sent_ms"]["max"] == 300.0
    assert told["platform"]["held"] == 2
    assert told["platform"]["compared"] == 1
    assert told["platform"]["difference_ms"]["max"] == 2.0
    assert told["errors"] == {"429: limit": 1}
    assert json.loads(json.dumps(told)) == told


def test_table_holds_each_line_of_the_report() -> None:
    """For people; without a store there is no comparison."""
    run, held = sample()
    table = report.table(run, held)
    for line in ("3 requests in 3.0 s", "429 (limit reached)", "behind schedule: 1 sent", "TTFT, platform"):
        assert line in table
    assert "platform" not in report.table(run, None)
    assert "0 requests" in report.table(Run(), None)


async def test_store_is_asked_until_it_has_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only ids of traces reach the statement; the user and the password are sent."""
    run, _ = sample()
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        rows = [{"trace_id": "a" * 32, "ttft_ms": 1.0, "total_ms": 2.0}]
        if len(asked) == 3:
            rows.append({"trace_id": "b" * 32, "ttft_ms": None, "total_ms": 2.0})
        return httpx.Response(200, text="".join(json.dumps(row) + "\n" for row in rows))

    mock = httpx.MockTransport(answer)
    client = httpx.AsyncClient
    monkeypatch.setattr(platform.httpx, "AsyncClient", lambda **options: client(transport=mock, **options))
    monkeypatch.setattr(platform, "_LOOK_S", 0.0)
    store = Store("http://store", "reader", "secret")
    ids = ["a" * 32, "b" * 32, "'; DROP TABLE requests"]
    found = await store.held(ids, run.began, 3.0, "http://app/stats?flush=1")
    assert found == {"a" * 32: Held(1.0, 2.0), "b" * 32: Held(None, 2.0)}
    assert asked[0].url == "http://app/stats?flush=1"
    assert asked[1].headers["x-clickhouse-user"] == "reader"
    assert asked[1].url == "http://store?database=otel"
    assert "DROP" not in asked[1].content.decode()
    assert "secret" not in repr(store)


async def test_store_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own words are in the message."""
    mock = httpx.MockTransport(lambda _: httpx.Response(403, text="no such\nuser"))
    client = httpx.AsyncClient
    monkeypatch.setattr(platform.httpx, "AsyncClient", lambda **options: client(transport=mock, **options))
    run, _ = sample()
    with pytest.raises(StoreAway, match="http://store answered 403: no such user"):
        await Store("http://store").held(["a" * 32], run.began, 1.0, "http://app")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--rate", "0"], 2),
        (["--rate", "nan"], 2),
        (["--requests", "0"], 2),
        (["--rate", "1", "--trace", "x"], 2),
        (["--tenants", ","], 2),
        (["--trace", "missing.tsv"], 1),
    ],
)
def test_wrong_arguments_are_refused(arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is sent."""
    try:
        found = main(["load", *arguments])
    except SystemExit as exc:
        found = int(str(exc.code))
    assert found == code
    assert capsys.readouterr().err


def test_app_that_is_away_is_reported(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Every request is an error, the report says which one, and the record holds the moments."""
    record = tmp_path / "run.tsv"
    command = [
        "load",
        "--url",
        "http://127.0.0.1:9",
        "--rate",
        "100",
        "--requests",
        "2",
        "--record",
        str(record),
        "--json",
    ]
    assert main(command) == 1
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["sent"], told["error"]) == (2, 2)
    assert len(arrivals.read_trace(record)) == 2

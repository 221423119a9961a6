"""How much a watch may judge, and what it remembers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from sightline_evals.__main__ import main
from sightline_evals.datasets import Sample
from sightline_evals.drift.results import Sender
from sightline_evals.emit import Emitter
from sightline_evals.errors import BudgetReached, ScoresNotSent
from sightline_evals.judges.budget import Budget, Price
from sightline_evals.runs.watching import Allowance, Judged
from sightline_evals.scoring.scores import SampleScore, Score
from sightline_store.questions.drift import Windows


def test_an_hours_traces_are_spread_over_the_hour() -> None:
    """No more than a tenth is saved up, so that a burst after a quiet night is not judged whole."""
    allowance = Allowance(120, now=0.0)
    assert allowance.left(0.0) == 1
    allowance.take(1)
    assert allowance.left(29.0) == 0
    assert allowance.left(30.0) == 1
    assert allowance.left(36_000.0) == 12
    judged = 0
    for second in range(36_000, 39_600):
        left = allowance.left(float(second))
        allowance.take(left)
        judged += left
    assert 120 <= judged <= 132


def test_what_was_judged_is_remembered_and_forgotten(tmp_path: Path) -> None:
    """Across restarts, with a torn line at the end, for as long as it could be drawn again."""
    path = tmp_path / "judged.jsonl"
    judged = Judged(path, keep_s=3600)
    judged.add({"a", "b"})
    judged.close()
    with path.open("a") as file:
        file.write('["c", 17')
    again = Judged(path, keep_s=3600)
    assert "a" in again
    assert "b" in again
    assert "c" not in again
    again.close()
    forgetful = Judged(path, keep_s=-1)
    assert "a" not in forgetful
    forgetful.close()


@pytest.fixture(name="collector_that_refuses_once")
def _collector_that_refuses_once() -> Iterator[dict[str, str]]:
    """Environment of a sender to a collector that answers its first request with 400 and all others with 200."""
    statuses = [400]

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(statuses.pop() if statuses else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_address[1]}"}
    server.shutdown()
    thread.join()
    server.server_close()


def test_scores_that_were_refused_are_not_waited_for_again(collector_that_refuses_once: dict[str, str]) -> None:
    """Else no later score would count as accepted."""
    emitter = Emitter("r", collector_that_refuses_once)
    scored = SampleScore(Sample("1", "Q?", "A.", ("A.",)), Score("groundedness", 1.0, "grounded", "", "", "j", "1"))
    try:
        emitter.send(scored)
        with pytest.raises(ScoresNotSent, match="0 of 1 scores"):
            emitter.flush()
        assert emitter.forget_lost() == 1
        emitter.send(scored)
        emitter.flush()
        assert (emitter.accepted, emitter.forget_lost()) == (1, 0)
    finally:
        emitter.close()


def test_results_of_drift_that_were_refused_are_not_waited_for_again(
    collector_that_refuses_once: dict[str, str],
) -> None:
    """Else each later round of `drift --every` would fail, and ask its canaries again."""
    sender = Sender(collector_that_refuses_once)
    start, middle, end = (datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3))
    window = Windows(reference_from=start, reference_to=middle, current_from=middle, current_to=end)
    try:
        sender.pin("accepted", window, "first")
        with pytest.raises(ScoresNotSent, match="0 of 1 scores"):
            sender.flush()
        sender.forget_lost()
        sender.pin("accepted", window, "second")
        sender.flush()
    finally:
        sender.close()


def test_a_budget_begins_anew_each_hour() -> None:
    """What was spent in all stays known."""
    budget = Budget(Price(1.0, 1.0), tokens=1000)
    with budget.call("x" * 400):
        budget.spent(100, 20)
    with budget.call("x" * 400):
        budget.spent(800, 20)
    with pytest.raises(BudgetReached, match="does not last"), budget.call("x" * 400):
        pass
    budget.renew()
    with budget.call("x" * 400):
        budget.spent(100, 20)
    assert (budget.calls, budget.input_tokens, budget.reached) == (3, 1000, "")
    assert budget.cost_usd == pytest.approx(1060e-6)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--per-hour", "0"], "--per-hour is 0"),
        (["--metrics", "context_recall"], "needs reference answers"),
        (["--metrics", "truth"], "no metric 'truth'"),
        (["--window", "long"], "no duration"),
        (["--judge", "remote"], "SIGHTLINE_JUDGE_MODEL"),
    ],
)
def test_wrong_flags_exit_2(flags: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is watched."""
    assert main(["watch", *flags], {}) == 2
    assert message in capsys.readouterr().err

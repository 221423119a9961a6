"""What the page of alerts shows, and that the evaluator needs nothing of Streamlit."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

from alert_journal import MemoryJournal, later, phase

from sightline_dashboards.alerts import board
from sightline_dashboards.alerts.machine import State, Status
from sightline_dashboards.alerts.phases import Delivery, Phase, Silence, Told
from sightline_dashboards.alerts.rules import STORE_AWAY, Rule

FOLDER = Path(board.__file__).parent
RULE = Rule.model_validate(
    {"name": "a", "metric": "ttft_p95_ms", "window": "10m", "above": 2500, "filters": {"tenant": "acme"}}
)


def standing(rule: str, status: Status, minutes: float = 10) -> Phase:
    """A rule as its latest evaluation found it."""
    state = State(status=status, episode=1, since=later(0), peak=3120.0)
    return Phase(rule=rule, state=state, seen_at=later(minutes), value=3120.0, definition=RULE.definition())


def test_what_fires_is_first_and_what_the_file_has_lost_is_not_shown() -> None:
    """Then pending, resolved and ok ones."""
    states = {
        each.rule: each
        for each in (
            standing("d", Status.OK), standing("a", Status.RESOLVED), standing("c", Status.FIRING),
            standing("b", Status.PENDING), standing("gone", Status.RESOLVED, minutes=1),
        )
    }  # fmt: skip
    shown = board.lines(states, [], later(11))
    assert [line.phase.rule for line in shown] == ["c", "b", "a", "d"]
    assert shown[0].condition == "ttft_p95_ms > 2.50 s, tenant acme"
    assert shown[0].value == "3.12 s"


def test_the_longest_silence_that_holds_is_shown() -> None:
    """One for every rule counts too; one that has not begun does not."""
    silences = [
        Silence(id="1", rule="a", begins=later(0), ends=later(30)),
        Silence(id="2", rule="*", begins=later(0), ends=later(60)),
        Silence(id="3", rule="a", begins=later(50), ends=later(90)),
    ]
    (line,) = board.lines({"a": standing("a", Status.OK)}, silences, later(10))
    assert line.silence == silences[1]


def test_a_rule_that_cannot_be_read_is_shown_without_its_condition() -> None:
    """An earlier version wrote it, or it is the store that is away."""
    old = replace(standing("a", Status.FIRING), definition='{"name": "a", "shape": "round"}')
    gone = replace(
        standing("b", Status.FIRING), definition='{"name": "b", "metric": "no_more", "window": "5m", "above": 1}'
    )
    away = replace(standing(STORE_AWAY, Status.OK), definition="")
    lines = board.lines({"a": old, "b": gone, STORE_AWAY: away}, [], later(10))
    shown = [(line.condition, line.value) for line in lines]
    assert shown == [("unknown", ""), ("unknown", ""), ("the store does not answer", "")]


def test_an_episode_says_when_it_ended_and_who_was_told() -> None:
    """Only those that fired in the window."""
    journal = MemoryJournal()
    journal.write([
        phase(Status.FIRING, 0), phase(Status.RESOLVED, 20), phase(Status.FIRING, 30, episode=2, channels=("ops", "x")),
        phase(Status.FIRING, 40, rule=STORE_AWAY, channels=()), phase(Status.FIRING, -90, rule="early", channels=()),
    ])  # fmt: skip
    journal.record([
        Delivery(phase=("a", 1, "firing"), channel="ops", told=Told.SENT),
        Delivery(phase=("a", 2, "firing"), channel="ops", told=Told.WAITING, attempts=3),
    ])  # fmt: skip
    kept = journal.kept(later(60))
    away, second, first = board.episodes(kept, later(-60), later(60))
    assert (first.told, first.resolved and first.resolved.state.since) == ("ops", later(20))
    assert (second.told, second.resolved) == ("ops: waiting, x: not yet", None)
    assert away.told == ""
    assert [each.attempts for each in board.undelivered(kept)] == [3]


def test_the_evaluator_imports_nothing_of_streamlit() -> None:
    """Nor a module of the pages that does: it is a process of its own, beside them."""
    allowed = {"alerts", "formats", "settings"}
    for file in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not any(name.startswith(("streamlit", "altair", "pandas")) for name in names), file
            of_ours = [name.split(".")[1:2] or [alias.name for alias in node.names] for name in names
                       if isinstance(node, ast.ImportFrom) and name.startswith("sightline_dashboards")]  # fmt: skip
            assert all(part in allowed for parts in of_ours for part in parts), file

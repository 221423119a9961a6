"""A store that is away is told once, survives a restart, and becomes history when the store is back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from alert_journal import URL, Channel, later

from sightline_dashboards.alerts import rules_file
from sightline_dashboards.alerts.journal import FileJournal
from sightline_dashboards.alerts.machine import Status
from sightline_dashboards.alerts.store_watch import StoreWatch

RULES = """\
version: 1
channels: {ops: {kind: log}}
default_channels: [ops]
store_away: {for: 2m}
rules: []
"""


def watch(folder: Path, ops: Channel) -> StoreWatch:
    """A watch as a newly started evaluator has it."""
    journal = FileJournal(folder, "http://127.0.0.1:1 otel")
    return StoreWatch(rules_file.parse(RULES, "a.yaml"), journal, {"ops": ops}, URL)


def test_an_outage_is_told_once_and_its_end_too(tmp_path: Path) -> None:
    """Whatever the number of rules, and with a new process for every look."""
    ops = Channel()
    for seconds in range(0, 1200, 15):
        problem = "Connection refused" if 60 <= seconds < 600 else ""
        watch(tmp_path, ops).look(later(seconds / 60), problem)
    assert ops.statuses == ["store-away firing", "store-away resolved"]
    fired, resolved = ops.taken
    assert fired.since == later(3)
    assert "Connection refused" in fired.sentence
    assert resolved.since == later(11)
    assert resolved.lasted_s == 480


def test_a_short_outage_is_told_to_nobody(tmp_path: Path) -> None:
    """A restart of the store, for example."""
    ops = Channel()
    for seconds in range(0, 600, 5):
        watch(tmp_path, ops).look(later(seconds / 60), "restarting" if 60 <= seconds < 170 else "")
    assert ops.taken == []


def test_a_channel_that_is_away_too_gets_it_later(tmp_path: Path) -> None:
    """The message waits in the file."""
    ops = Channel(away=True)
    for seconds in range(0, 300, 5):
        watch(tmp_path, ops).look(later(seconds / 60), "away")
    assert (ops.taken, ops.attempts > 1) == ([], True)
    ops.away = False
    for seconds in range(300, 600, 5):
        watch(tmp_path, ops).look(later(seconds / 60), "away")
    assert ops.statuses == ["store-away firing"]


def test_an_episode_becomes_history(tmp_path: Path) -> None:
    """Its number is the second in which it began, so two evaluators' episodes do not collide."""
    ops = Channel()
    for seconds in range(0, 900, 15):
        watch(tmp_path, ops).look(later(seconds / 60), "away" if 60 <= seconds < 600 else "")
    fired, resolved = watch(tmp_path, ops).history(later(20))
    assert (fired.state.status, resolved.state.status) == (Status.FIRING, Status.RESOLVED)
    assert fired.state.episode == resolved.state.episode == round(later(3).timestamp())
    assert resolved.seen_at == later(20)


def test_without_an_outage_the_state_is_ok(tmp_path: Path) -> None:
    """And shown as evaluated now."""
    ops = Channel()
    assert watch(tmp_path, ops).history(later(0)) == []
    watch(tmp_path, ops).look(later(0), "")
    (phase,) = watch(tmp_path, ops).history(later(5))
    assert (phase.state.status, phase.state.episode, phase.seen_at) == (Status.OK, 0, later(5))


def test_a_damaged_file_is_begun_anew(tmp_path: Path) -> None:
    """An evaluator that did not start would tell nobody anything."""
    ops = Channel()
    watch(tmp_path, ops).look(later(0), "")
    (file,) = tmp_path.iterdir()
    assert file.name == "http-127-0-0-1-1-otel.json"
    file.write_text(json.dumps({"phases": []})[:5])
    watch(tmp_path, ops).look(later(1), "away")
    assert [phase.state.status for phase in FileJournal(tmp_path, "http://127.0.0.1:1 otel").phases()] == ["pending"]
    for text in ("[]", "{}", "null", '{"phases": [{}], "deliveries": []}', '{"phases": 1, "deliveries": []}'):
        file.write_text(text)
        watch(tmp_path, ops).look(later(2), "")
        assert [phase.state.status for phase in FileJournal(tmp_path, "http://127.0.0.1:1 otel").phases()] == ["ok"]


def test_a_folder_that_cannot_be_written_does_not_end_the_evaluator(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once, people are told once, and the file is there again when it can be."""
    ops, folder = Channel(), tmp_path / "state"
    folder.write_text("no folder")
    working = watch(folder, ops)
    for seconds in range(0, 600, 15):
        working.look(later(seconds / 60), "away" if seconds >= 60 else "")
    assert ops.statuses == ["store-away firing"]
    assert caplog.text.count("cannot be written") == 1
    folder.unlink()
    for seconds in range(600, 900, 15):
        working.look(later(seconds / 60), "")
    assert ops.statuses == ["store-away firing", "store-away resolved"]
    assert [phase.state.status for phase in watch(folder, ops).history(later(20))] == ["firing", "resolved"]

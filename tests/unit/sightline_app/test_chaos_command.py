"""`sightline-app chaos`: its arguments, the journal, and what the command does when it is ended."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sightline_app.__main__ import main
from sightline_app.chaos import command, fault_harms
from sightline_app.chaos.arguments import add_parser
from sightline_app.chaos.content_harms import InjectedDocument
from sightline_app.chaos.faults import MOST_S, Faults
from sightline_app.chaos.harm import Context, Harm
from sightline_app.chaos.journal import ChaosRefused, Entry, Journal
from sightline_app.chaos.processes import Process
from sightline_app.chaos.registry import HARMS
from sightline_app.settings import AppSettings


def test_harms_are_listed_for_people_and_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    """Each with a line about it."""
    assert main(["chaos", "list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(HARMS)
    assert main(["chaos", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {name: each.about for name, each in HARMS.items()}


def test_unknown_harm_is_told_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """As an argument that cannot work."""
    assert main(["chaos", "everything"]) == 2
    assert "'everything'" in (told := capsys.readouterr().err)
    assert "slow-search" in told


def test_longest_fault_is_an_hour() -> None:
    """The command line and the app agree."""
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    assert parser.parse_args(["chaos", "burst", "--for", str(MOST_S)]).for_s == MOST_S
    with pytest.raises(SystemExit):
        parser.parse_args(["chaos", "burst", "--for", str(MOST_S + 1)])


def entry(name: str = "slow-search", pid: int = 0) -> Entry:
    """An entry of the journal."""
    return Entry(name, "run", "2026-01-02T03:04:05+00:00", pid or os.getpid(), {"x": 1})


def test_journal_holds_one_entry(tmp_path: Path) -> None:
    """A second harm is refused, with the way out, until the first is undone."""
    journal = Journal(tmp_path / "chaos")
    assert journal.read() is None
    journal.begin(entry())
    assert journal.read() == entry()
    with pytest.raises(ChaosRefused, match=r"slow-search of 2026-01-02T03:04:05\+00:00 is being done .*chaos undo"):
        journal.begin(entry("burst"))
    journal.end(entry("burst"))
    assert journal.read() == entry()
    journal.end(entry())
    journal.end(entry())
    journal.begin(entry("burst", pid=2**22 + 1))
    with pytest.raises(ChaosRefused, match="was left behind"):
        journal.begin(entry())
    assert [each.name for each in (tmp_path / "chaos").iterdir()] == ["journal.json"]


def test_journal_that_is_damaged_is_named(tmp_path: Path) -> None:
    """It is not taken for none: something may be left to undo."""
    (tmp_path / "journal.json").write_text("{")
    with pytest.raises(ChaosRefused, match=r"journal\.json cannot be read"):
        Journal(tmp_path).read()


class Recorded(Harm):
    """A harm that keeps what happened to it."""

    name = "slow-search"
    about = "nothing"

    def __init__(self) -> None:
        self.done: list[str] = []
        self.fails = ""

    def prepare(self, context: Context) -> dict[str, Any]:
        """Note it."""
        return self._note("prepare") or {"x": 1}

    def begin(self, context: Context, undo: dict[str, Any]) -> str:
        """Note it."""
        assert Journal(context.folder).read() is not None, "the journal comes first"
        self._note("begin")
        return "it is slow"

    def hold(self, context: Context, stop: threading.Event) -> None:
        """Note it."""
        self._note("hold")

    def undo(self, context: Context, undo: dict[str, Any]) -> None:
        """Note it."""
        assert undo == {"x": 1}
        self._note("undo")

    def _note(self, what: str) -> None:
        self.done.append(what)
        if self.fails == what:
            raise ChaosRefused(f"{what} failed")


@pytest.fixture(name="recorded")
def _recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Recorded]:
    """A harm in place of a real one; no collector."""
    found = Recorded()
    monkeypatch.setattr(command, "HARMS", {found.name: found})
    monkeypatch.setenv("SIGHTLINE_APP_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    yield found
    assert not (tmp_path / "chaos" / "journal.json").exists() or found.fails == "undo"


def test_harm_is_done_and_undone(recorded: Recorded) -> None:
    """In this order, and nothing is left."""
    assert main(["chaos", "slow-search"]) == 0
    assert recorded.done == ["prepare", "begin", "hold", "undo"]


@pytest.mark.parametrize(
    ("fails", "done"),
    [("prepare", ["prepare"]), ("begin", ["prepare", "begin", "undo"]), ("hold", ["prepare", "begin", "hold", "undo"])],
)
def test_harm_that_fails_is_undone(recorded: Recorded, fails: str, done: list[str]) -> None:
    """What may have been begun is undone, and the command fails."""
    recorded.fails = fails
    assert main(["chaos", "slow-search"]) == 1
    assert recorded.done == done


def test_harm_that_is_not_undone_stays_in_the_journal(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    """The last line says so; `chaos undo` tries again, and says when there is nothing to do."""
    recorded.fails = "undo"
    assert main(["chaos", "slow-search"]) == 1
    assert "slow-search IS NOT UNDONE" in capsys.readouterr().err
    recorded.fails = ""
    recorded.done.clear()
    assert main(["chaos", "undo"]) == 0
    assert recorded.done == ["undo"]
    assert main(["chaos", "undo"]) == 0
    assert "nothing is to be undone" in capsys.readouterr().out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_harm_that_is_stopped_is_undone(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """Long before its time is over."""

    def hold(context: Context, stop: threading.Event) -> None:
        os.kill(os.getpid(), number)
        assert stop.wait(30)

    monkeypatch.setattr(recorded, "hold", hold)
    assert main(["chaos", "slow-search", "--for", "3600"]) == 0
    assert recorded.done == ["prepare", "begin", "undo"]


def test_marks_say_when(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    """One event at the begin, one at the end, of one run, with a sentence."""
    marks: list[tuple[Any, ...]] = []
    monkeypatch.setattr(command.sightline, "score", lambda name, value, **told: marks.append((name, value, told)))
    main(["chaos", "slow-search"])
    assert [(name, value, told["label"]) for name, value, told in marks] == [
        ("mark.chaos", 1.0, "slow-search"),
        ("mark.chaos", 0.0, "slow-search"),
    ]
    assert json.loads(marks[0][2]["explanation"]) == {"sentence": "it is slow", "phase": "begin"}
    assert marks[0][2]["run_id"] == marks[1][2]["run_id"]
    assert "trace_id" not in marks[0][2]


def test_app_without_a_key_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is asked of it."""
    monkeypatch.setenv("SIGHTLINE_APP_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert main(["chaos", "slow-search", "--url", "http://127.0.0.1:9"]) == 1
    assert "SIGHTLINE_APP_CHAOS_KEY" in capsys.readouterr().err


class Place(Context):
    """A context whose app answers as a function says."""

    respond: Any

    def app(self, *, as_tenant: bool = False) -> httpx.Client:
        """Return a client of it."""
        return httpx.Client(base_url="http://app", transport=httpx.MockTransport(self.respond))


def place(monkeypatch: pytest.MonkeyPatch, respond: Any) -> Place:
    """Return one."""
    monkeypatch.setattr(Place, "respond", staticmethod(respond), raising=False)
    return Place(AppSettings(), Any, "http://app", Path())


def gone(request: httpx.Request) -> httpx.Response:
    """Nobody listens."""
    raise httpx.ConnectError("refused", request=request)


def silent(request: httpx.Request) -> httpx.Response:
    """Somebody listens, and says nothing."""
    raise httpx.ReadTimeout("", request=request)


UPLOADED = {"id": "d", "tenant": "acme"}


def test_faults_of_an_app_that_is_gone_or_new_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """They were in that process only; one that is there and says nothing may have them still."""
    place(monkeypatch, gone).end_faults()
    place(monkeypatch, lambda _: httpx.Response(404)).end_faults()
    with pytest.raises(ChaosRefused, match="did not answer: ReadTimeout"):
        place(monkeypatch, silent).end_faults()


@pytest.mark.parametrize("respond", [gone, silent, lambda _: httpx.Response(503)])
def test_document_stays_to_be_deleted_while_the_app_is_away(monkeypatch: pytest.MonkeyPatch, respond: Any) -> None:
    """It is in the store; a second deletion does no harm."""
    with pytest.raises(ChaosRefused):
        InjectedDocument().undo(place(monkeypatch, respond), UPLOADED)
    InjectedDocument().undo(place(monkeypatch, lambda _: httpx.Response(404)), UPLOADED)


def test_port_without_a_listener_is_nobodys() -> None:
    """A connection of ours is no listener."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert Process.listening(free.getsockname()[1], ("python",)) is None


def test_every_fault_of_the_command_can_be_read_by_the_app() -> None:
    """Both sides are one program, but two processes."""
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    options: Any = parser.parse_args(["chaos", "slow-search"])
    for each in fault_harms.FAULTS:
        assert Faults.read(dict(each.faults(options))) != Faults()

"""What was given up: kept, listed, shown, replayed and dropped; and which messages of Kafka are no document."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from sightline_app.__main__ import main
from sightline_app.errors import CorpusError
from sightline_app.ingestion import dead_letters_command, kafka_source
from sightline_app.ingestion.dead_letters import DeadLetters, Message
from sightline_app.ingestion.document import State, new_document
from sightline_app.ingestion.folder import UploadFolder
from sightline_app.ingestion.kafka_message import Unreadable, document_of
from sightline_app.settings import AppSettings, IngestionSettings


@dataclass
class Record:
    """A message."""

    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()
    topic: str = "documents"
    partition: int = 3
    offset: int = 17
    timestamp: int = 1_769_851_800_000
    key: bytes | None = field(default=b"k")


GOOD = {"tenant": "acme", "name": "a.md", "text": "# Title\nWörds."}
POISON = Message("documents", 3, 17, b"k", b"\xff\x00", [("traceparent", b"x")], "it is no JSON", 1.0)


def test_message_of_json_is_a_document_as_old_as_the_message() -> None:
    """Tenant, name and text; where it stands in Kafka is kept."""
    document, content = document_of(Record(json.dumps(GOOD).encode()), 1000)
    assert (document.tenant, document.name, document.media_type) == ("acme", "a.md", "text/markdown")
    assert content.decode() == GOOD["text"]
    assert (document.source, document.created) == ("kafka:documents/3/17", "2026-01-31T09:30:00.000Z")
    assert document.id == new_document("acme", "b.md", None, content).id


def test_message_with_a_content_type_is_the_document_itself() -> None:
    """Tenant and name are headers."""
    headers = [("Content-Type", b"text/html; charset=utf-8"), ("tenant", b"acme"), ("name", b"a")]
    document, content = document_of(Record(b"<p>Words.", headers), 1000)
    assert (document.media_type, document.tenant, content) == ("text/html", "acme", b"<p>Words.")


@pytest.mark.parametrize(
    ("value", "headers", "said"),
    [
        (None, [], "no value"),
        (b"\xff", [], "no JSON"),
        (b"[]", [], "no JSON object"),
        (b"[" * 100_000, [], "no JSON"),
        (json.dumps({**GOOD, "tenant": None}).encode(), [], "names no 'tenant'"),
        (json.dumps({**GOOD, "tenant": 7}).encode(), [], "tenant id must be a text"),
        (json.dumps({**GOOD, "text": 7}).encode(), [], "must be texts"),
        (json.dumps({**GOOD, "text": " "}).encode(), [], "is empty"),
        (json.dumps({**GOOD, "text": "x" * 1001}).encode(), [], "SIGHTLINE_APP_UPLOAD_MAX_BYTES=1000"),
        (json.dumps({**GOOD, "name": "a.exe"}).encode(), [], "text/markdown"),
        (json.dumps({**GOOD, "text": "\ud800"}).encode(), [], ""),
        (b"x", [("content-type", b"image/png"), ("tenant", b"a"), ("name", b"a")], "image/png is not read"),
        (b"x", [("content-type", b"text/plain"), ("name", b"a")], "names no 'tenant'"),
        (b"x", [("content-type", b"text/plain"), ("tenant", b"a"), ("name", None)], "'name'"),
        (b"x", [("content-type", b"application/pdf"), ("tenant", b"a"), ("name", b"a")], "is no PDF"),
    ],
)
def test_message_that_is_no_document_says_why(
    value: bytes | None, headers: list[tuple[str, bytes | None]], said: str
) -> None:
    """Whatever it holds, the consumer goes on."""
    if not said:
        document_of(Record(value, headers), 1000)  # half of a surrogate pair is read as Windows-1252, as of a file
        return
    with pytest.raises(Unreadable) as refused:
        document_of(Record(value, headers), 1000)
    assert said in str(refused.value)


def test_message_is_one_letter_however_often_it_is_read(tmp_path: Path) -> None:
    """Its bytes, key and headers come back as they were."""
    letters = DeadLetters(tmp_path)
    letters.keep(POISON)
    letters.keep(POISON)
    (letter,) = letters.all()
    assert (letter.id, letter.source, letter.name) == ("documents-3-17", "kafka:documents/3/17", "k")
    assert letter.what == POISON
    assert letters.original(letter) == b"\xff\x00"


def test_damaged_letter_hides_no_other_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The log names it."""
    letters = DeadLetters(tmp_path)
    letters.keep(POISON)
    (tmp_path / "dead_letters" / "documents-3-16.json").write_text('{"topic": 1}')
    assert [each.id for each in letters.all()] == ["documents-3-17"]
    assert "documents-3-16.json is left out" in caplog.text


class Desk:
    """The command on a data folder with a failed document and a message."""

    def __init__(self, folder: Path) -> None:
        self.uploads, self.letters = UploadFolder(folder), DeadLetters(folder)
        content = b"# Only a title"
        document = new_document("acme", "a.md", None, content)
        self.uploads.accept(document, content, 10)
        self.uploads.unmark_pending(document)
        self.failed = replace(document, state=State.FAILED, error="a.md holds no text", attempts=2, passages=1)
        self.uploads.update(self.failed)
        self.letters.keep(POISON)
        servers = IngestionSettings(kafka_servers="127.0.0.1:1")
        self._settings = AppSettings(data_dir=folder, ingestion=servers)

    def run(self, action: str, *, wanted: list[str] | None = None, chosen_all: bool = False) -> int:
        """Run the command."""
        options = argparse.Namespace(action=action, ids=wanted or [], id=(wanted or [""])[0], all=chosen_all, json=True)
        return dead_letters_command.run(self._settings, options)


@pytest.fixture(name="desk")
def _desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_list_and_show_tell_all_of_both_kinds(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """Where it comes from, whose it is, why, and what it holds; nothing that a terminal would obey."""
    assert desk.run("list") == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (first["id"], first["source"], first["attempts"]) == (desk.failed.id, "upload", 2)
    assert (second["source"], second["error"]) == ("kafka:documents/3/17", "it is no JSON")
    desk.run("show", wanted=[desk.failed.id])
    assert "# Only a title" in capsys.readouterr().out
    desk.letters.keep(replace(POISON, value=b"\x1b[2Jx"))
    desk.run("show", wanted=["documents-3-17"])
    shown = capsys.readouterr().out
    assert "traceparent" in shown
    assert "\x1b" not in shown


def test_replay_tries_a_document_as_if_it_was_new(desk: Desk) -> None:
    """It waits for a worker, with all its attempts before it."""
    assert desk.run("replay", wanted=[desk.failed.id]) == 0
    (waiting,) = desk.uploads.pending()
    assert (waiting.state, waiting.attempts, waiting.error, waiting.passages) == (State.QUEUED, 0, "", 0)
    assert [each.id for each in desk.letters.all()] == ["documents-3-17"]


def test_replay_sends_a_message_to_its_topic_and_forgets_the_letter(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only once the brokers have it."""
    sent: list[Message] = []
    monkeypatch.setattr(kafka_source, "send_again", lambda settings, message: sent.append(message))
    assert desk.run("replay", chosen_all=True) == 0
    assert sent == [POISON]
    assert desk.letters.all() == []


def test_drop_deletes_a_document_and_forgets_a_message(desk: Desk) -> None:
    """A worker removes what is left of the document."""
    assert desk.run("drop", chosen_all=True) == 0
    assert desk.letters.all() == []
    assert [each.state for each in desk.uploads.pending()] == [State.DELETING]


def test_id_that_is_none_is_an_error(desk: Desk) -> None:
    """The message says how to see them all; ids or --all are needed."""
    with pytest.raises(CorpusError, match="dead-letters list"):
        desk.run("show", wanted=["../manifest"])
    for ids, chosen_all in (([], False), (["x"], True)):
        with pytest.raises(ValueError, match="needs ids or --all"):
            desk.run("drop", wanted=ids, chosen_all=chosen_all)


def test_command_without_letters_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a new user runs it."""
    monkeypatch.setenv("SIGHTLINE_APP_DATA_DIR", str(tmp_path))
    assert main(["dead-letters", "list"]) == 0
    assert capsys.readouterr().out == "there are no dead letters\n"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["worker"], "SIGHTLINE_APP_BROKER_URL"),
        (["consume"], "SIGHTLINE_APP_KAFKA_SERVERS"),
        (["reembed", "--batch", "0"], "--batch"),
    ],
)
def test_command_without_its_setting_names_it(
    command: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And ends with the code of a wrong setting."""
    for name in ("SIGHTLINE_APP_BROKER_URL", "SIGHTLINE_APP_KAFKA_SERVERS"):
        monkeypatch.delenv(name, raising=False)
    assert main(command) == 2
    assert said in capsys.readouterr().err

"""`sightline-evals drift` on a real store and collector: verdicts, results that come back, pins, canaries."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from role_process import StartRole, free_port

from sightline_evals.__main__ import main
from sightline_store.client import Client
from sightline_store.questions import drift

# The library leaves its kept connection to the collector to the garbage collector, which tells of it.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

APP = Path(__file__).parents[2] / "support" / "canary_app.py"
HOUR = timedelta(hours=1)


def _searches(client: Client, middle: datetime, mean: float, seed: int, n: int = 400, **others: Any) -> None:
    """Searches around a moment, their scores around a mean."""
    rng = random.Random(seed)
    rows = [
        {
            "Timestamp": (middle + timedelta(minutes=rng.uniform(-20, 20))).strftime("%Y-%m-%d %H:%M:%S.%f"),
            "TraceId": f"{seed:016x}{i:016x}",
            "SpanId": "b",
            "Collection": "Docs",
            "Embedding": "m",
            "EmbeddingVersion": "1",
            "IndexVersion": "v1",
            "TopScore": rng.gauss(mean, 0.1),
            "DocumentIds": [f"d{rng.randrange(50)}" for _ in range(5)],
            **others,
        }
        for i in range(n)
    ]
    payload = "\n".join(json.dumps(row) for row in rows).encode()
    client.insert_raw("retrievals", payload, "JSONEachRow", {"date_time_input_format": "best_effort"})


def _until(found: Callable[[], Any], timeout_s: float = 30.0) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (value := found()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return value


def test_drift_is_told_by_exit_code_sentence_and_results(
    collected: tuple[dict[str, str], Client], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Quiet windows pass; a fall of the scores alarms with a new index as the nearest change; both come back."""
    env, client = collected
    now = datetime.now(UTC)
    for hours, mean in ((6.5, 0.6), (5.5, 0.6), (3.5, 0.6), (2.5, 0.6), (0.5, 0.5)):
        _searches(client, now - hours * HOUR, mean, int(hours * 10), IndexVersion="v2" if hours < 1 else "v1")
    flags = ["drift", "--window", "1h", "--reference-windows", "2", "--json"]

    quiet = (now - 2 * HOUR).isoformat()
    assert main([*flags, str(tmp_path / "quiet.json"), "--until", quiet], env) == 0
    assert json.loads((tmp_path / "quiet.json").read_text())["outcome"] == "no drift"
    assert "No drift in" in capsys.readouterr().out

    loud = ["drift", "--window", "1h", "--reference", f"{(now - 7 * HOUR).isoformat()}..{(now - 2 * HOUR).isoformat()}"]
    assert main([*loud, "--json", "-"], env) == 1
    shown = capsys.readouterr()
    told = json.loads(shown.out)
    assert re.search(r"the best score of searches fell from 0\.\d+ to 0\.\d+ \(-\d", told["sentence"])
    assert "Nearest change: index v2 of Docs (before v1)" in told["sentence"]
    assert "The same documents are found" in told["sentence"]
    assert "retrieval.top_score" in shown.err
    assert told["measurements"][0]["state"] == "drift"

    def results() -> dict[str, Any]:
        rows = drift.results(client, now - HOUR, now + HOUR)
        mine = {row["signal"]: row for row in rows if row["run_id"] == told["run"]}
        return mine if len(mine) == len({one["signal"] for one in told["measurements"]}) + 1 else {}

    found = _until(results)
    assert found["verdict"]["sentence"] == told["sentence"]
    assert (found["verdict"]["state"], found["verdict"]["effect"]) == ("drift", 1.0)
    top = found["retrieval.top_score"]
    assert top["state"] == "drift"
    assert top["low"] < top["effect"] < top["high"] < 0
    assert top["reference_n"] == 1600
    assert top["to_ms"] - top["from_ms"] == 3_600_000


def test_pins_mismatches_and_too_little_data(
    collected: tuple[dict[str, str], Client], capsys: pytest.CaptureFixture[str]
) -> None:
    """A pinned window is a reference; another embedding is told at once; nothing stored is 4 with --strict only."""
    env, client = collected
    now = datetime.now(UTC)
    assert main(["drift", "--window", "1h", "--no-send"], env) == 0
    assert main(["drift", "--window", "1h", "--no-send", "--strict"], env) == 4
    assert "Too little data: 0 searches" in capsys.readouterr().out

    _searches(client, now - 4.5 * HOUR, 0.6, 1)
    _searches(client, now - 0.5 * HOUR, 0.6, 2)
    pin = ["drift", "--window", "1h", "--until", (now - 4 * HOUR).isoformat(), "--pin", "it's good"]
    assert main(pin, env) == 0
    assert "400 searches) as it's good" in capsys.readouterr().out
    assert _until(lambda: drift.pin(client, "it's good"))
    pinned = ["drift", "--window", "1h", "--reference", "pin:it's good", "--no-send"]
    assert main(pinned, env) == 0

    _searches(client, now - 0.5 * HOUR, 0.6, 3, n=2, EmbeddingVersion="2")
    capsys.readouterr()
    assert main(pinned, env) == 1
    assert "Docs has a new embedding: m 2, before m 1 (2 searches)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--window", "soon"], "no duration"),
        (["--reference", "pin:absent"], "nothing is pinned"),
        (["--min-n", "3"], "--min-n is 3"),
        (["--ask", "http://127.0.0.1:9/"], "go together"),
        (["--json", "/nonexistent/report.json"], "there is no folder /nonexistent"),
        (["--pin", "x", "--no-send"], "not with --no-send"),
    ],
)
def test_what_cannot_be_done_is_refused_at_once(
    store_url: str, capsys: pytest.CaptureFixture[str], flags: list[str], words: str
) -> None:
    """Exit code 2, and the reason on standard error."""
    assert main(["drift", *flags], {"SIGHTLINE_STORE_URL": store_url}) == 2
    assert words in capsys.readouterr().err


def test_a_store_that_is_away_is_infrastructure(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 3."""
    assert main(["drift", "--no-send"], {"SIGHTLINE_STORE_URL": "http://127.0.0.1:9"}) == 3
    assert "127.0.0.1:9" in capsys.readouterr().err


@pytest.fixture
def application(collected: tuple[dict[str, str], Client], roles: StartRole, tmp_path: Path) -> tuple[str, Path]:
    """The address of a traced application, and the file that is its index."""
    env, _ = collected
    url, index = f"http://127.0.0.1:{free_port()}/", tmp_path / "index.json"
    index.write_text("{}")
    roles("python", str(APP), url.rsplit(":", 1)[1].strip("/"), str(index), env=env, health_url=url)
    return url, index


def test_canaries_tell_that_an_index_lost_documents(
    collected: tuple[dict[str, str], Client],
    application: tuple[str, Path],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """With the same index they hold; with a document of each gone they alarm; users' traffic does not see them."""
    env, client = collected
    url, index = application
    questions = [f"question {i}" for i in range(12)]
    file = tmp_path / "canaries.jsonl"
    file.write_text("\n".join(json.dumps({"id": q, "question": q, "expected": [f"{q} d0"]}) for q in questions))
    documents = {q: [f"{q} d{i}" for i in range(5)] for q in questions}
    index.write_text(json.dumps(documents))
    flags = ["drift", "--canaries", str(file), "--ask", url, "--json", "-"]

    assert main([*flags, "--window", "1h"], env) == 0
    assert json.loads(capsys.readouterr().out)["canaries"] == []
    # What was asked becomes the answers of yesterday.
    for table in ("retrievals", "scores", "requests"):
        client.command(f"CREATE TABLE old AS {table}")
        client.command(f"INSERT INTO old SELECT * REPLACE (Timestamp - INTERVAL 3 HOUR AS Timestamp) FROM {table}")
        client.command(f"TRUNCATE TABLE {table}")
        client.command(f"INSERT INTO {table} SELECT * FROM old")
        client.command("DROP TABLE old")

    window = ["--window", "1h", "--reference-windows", "4"]
    assert main([*flags, *window], env) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["overlap"] for one in told["canaries"]] == [1.0] * 12

    index.write_text(json.dumps({q: [f"{q} new", *found[1:]] for q, found in documents.items()}))
    assert main([*flags, *window], env) == 1
    shown = capsys.readouterr()
    told = json.loads(shown.out)
    assert "overlap of canaries with their answers before fell from 1.00 to 0.80" in told["sentence"]
    assert "recall of canaries fell from 1.00 to 0.00" in told["sentence"]
    assert [one["overlap"] for one in told["canaries"]] == [pytest.approx(0.8)] * 12
    assert "canaries that find other documents than before" in shown.err
    assert all(one["signal"].startswith("canaries.") for one in told["measurements"])


def test_an_application_that_is_away_is_infrastructure(
    collected: tuple[dict[str, str], Client], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """No canary was answered: exit code 3."""
    env, _ = collected
    file = tmp_path / "canaries.jsonl"
    file.write_text('{"question": "anybody?"}')
    assert main(["drift", "--canaries", str(file), "--ask", "http://127.0.0.1:9/"], env) == 3
    assert "no canary was answered" in capsys.readouterr().err


def test_every_looks_again_until_it_is_interrupted(store_url: str) -> None:
    """Two runs, then Ctrl-C: exit code 130, and no traceback."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SIGHTLINE_"))}
    command = [sys.executable, "-m", "sightline_evals", "drift", "--every", "1s", "--window", "1h", "--no-send"]
    env = {**kept, "SIGHTLINE_STORE_URL": store_url}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        seen = 0
        while seen < 2:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            seen += line.startswith("run ")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors

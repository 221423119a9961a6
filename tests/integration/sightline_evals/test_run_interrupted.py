"""Runs that end early: by Ctrl-C, by SIGTERM, by kill -9. What was scored is kept, and each case is scored once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import judge_endpoint
import pytest
from judge_endpoint import JudgeEndpoint

CONTEXT = "os.path.join(path, *paths) joins one or more path segments intelligently."
GOOD = "Use os.path.join to join path segments."


@pytest.fixture
def endpoint() -> Iterator[JudgeEndpoint]:
    """A running endpoint."""
    with judge_endpoint.running() as server:
        yield server


class Place:
    """A dataset, and the processes that judge it."""

    def __init__(self, folder: Path, endpoint: JudgeEndpoint, cases: int) -> None:
        self.folder = folder
        self.endpoint = endpoint
        self.report = folder / "report.json"
        rows = [
            {"id": f"c{n}", "question": f"{n}?", "answer": f"{GOOD} It is {n} o'clock.", "contexts": [CONTEXT]}
            for n in range(cases)
        ]
        (folder / "cases.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")

    def start(self, *flags: str) -> subprocess.Popen[str]:
        """Start a run; `--json` goes to `report`."""
        command = [sys.executable, "-m", "sightline_evals", "run", "--json", str(self.report), *flags]
        env = {**os.environ, **self.endpoint.env, "SIGHTLINE_EVALS_CACHE_DIR": str(self.folder / "cache")}
        return subprocess.Popen(
            command, cwd=self.folder, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def begin(self, *flags: str) -> subprocess.Popen[str]:
        """Start the run over the dataset."""
        return self.start(
            "--dataset", "cases.jsonl", "--metrics", "faithfulness", "--run-id", "r", "--no-cache", *flags
        )

    def wait_for_calls(self, calls: int) -> None:
        """Wait until the judge was asked so often."""
        until = time.monotonic() + 120
        while len(self.endpoint.requests) < calls:
            assert time.monotonic() < until, f"the judge was asked {len(self.endpoint.requests)} times"
            time.sleep(0.01)

    def read(self) -> dict[str, Any]:
        """The report."""
        found: dict[str, Any] = json.loads(self.report.read_text())
        return found

    @property
    def scored(self) -> list[str]:
        """The cases of the journal's score lines."""
        (path,) = (self.folder / "cache" / "runs").glob("*/journal.jsonl")
        lines = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
        return [line["case"] for line in lines if line["kind"] == "score" and not line["error"]]


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_keeps_what_was_paid_for(
    endpoint: JudgeEndpoint, tmp_path: Path, sent: signal.Signals, code: int
) -> None:
    """The report is written with what there is, and the run goes on where it was."""
    endpoint.delay_s = 0.05
    place = Place(tmp_path, endpoint, cases=40)
    process = place.begin("--fail-under", "faithfulness=0.1")
    place.wait_for_calls(20)
    process.send_signal(sent)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "--resume r goes on" in out
    report = place.read()
    assert (report["exit_code"], report["outcome"]) == (code, "interrupted")
    kept = report["metrics"]["faithfulness"]["scored"]
    assert 0 < kept < 40
    calls = len(endpoint.requests)

    endpoint.delay_s = 0.0
    process = place.start("--resume", "latest", "--fail-under", "faithfulness=0.1", "--no-cache")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    assert place.read()["metrics"]["faithfulness"]["scored"] == 40
    assert len(endpoint.requests) - calls <= 2 * (40 - kept)
    assert sorted(place.scored) == sorted(f"c{n}" for n in range(40))


def test_a_killed_run_goes_on_and_scores_each_case_once(endpoint: JudgeEndpoint, tmp_path: Path) -> None:
    """Three times kill -9 at moments of chance."""
    endpoint.delay_s = 0.02
    place, moments = Place(tmp_path, endpoint, cases=60), random.Random(7)
    process = place.begin()
    for _ in range(3):
        place.wait_for_calls(len(endpoint.requests) + moments.randint(3, 25))
        process.kill()
        process.communicate(timeout=60)
        process = place.start("--resume", "r", "--no-cache")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    report = place.read()
    assert report["metrics"]["faithfulness"]["scored"] == 60
    assert sorted(place.scored) == sorted(f"c{n}" for n in range(60))
    assert len(report["scores"]) == len(report["cases"]) == 60


def test_two_processes_do_not_work_on_one_run(endpoint: JudgeEndpoint, tmp_path: Path) -> None:
    """The second one is told so and touches nothing."""
    endpoint.delay_s = 3.0
    place = Place(tmp_path, endpoint, cases=20)
    process = place.begin()
    place.wait_for_calls(4)
    second = place.start("--resume", "r")
    _, err = second.communicate(timeout=60)
    assert (second.returncode, "another process" in err) == (2, True)
    endpoint.delay_s = 0.0
    process.communicate(timeout=60)
    assert process.returncode == 0

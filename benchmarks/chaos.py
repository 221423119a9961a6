"""Whether the platform points at the cause of each harm that `sightline-app chaos` can do.

    python benchmarks/chaos.py [--harms slow-search,burst] [--requests 240] [--rate 15]

The reference application (MiniLM, extractive model, Weaviate, Redis) is asked at a set rate, and with 60 canaries,
first as it is, then during each harm. Questions of the pages and `sightline-evals drift` compare the two windows. What
they find is one line each, by fixed rules (`evidence`), which do not know the harm; a harm counts as shown where one of
the lines names its cause (`CAUSES`). `false` is what they find in a window after the last harm, in which nothing is
broken.

The last line is one JSON object. It is kept in benchmarks/results/chaos.json, where harms that were not done this time
keep what was found before, with its time (`at`); docs/chaos.md shows it as a table.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import backend
import processes
import results

from sightline_app.quality import read_questions
from sightline_demo_corpus import questions_file
from sightline_store.client import Client
from sightline_store.questions import changes, queries
from sightline_store.questions.asking import Filters
from sightline_store.settings import StoreSettings

CAUSES = {
    "passages-lost": r"drift: .*[Cc]anar",
    "embedding-precision": r"embedding changed: .*int8.*->.*fp32|drift: .*embedding",
    "embedding-words": r"embedding changed: .*->.*lexical|drift: .*embedding",
    "stale-tenant": r"drift: .*acme",
    "slow-search": r"stage search: ",
    "model-swapped": r"model changed: ",
    "context-cut": r"input tokens of a call: ",
    "burst": r"tenant acme: .* requests a minute",
    "injected-document": r"stage guard: .* flagged",
    "redis-away": r"limits unchecked",
    "weaviate-away": r"errors: retrieval_unavailable",
}
"""What a line must say to name the cause."""
_KEY = "chaos-of-the-benchmark"
_CANARIES = 60
_MODEL = "extractive-v0"
"""Of the app, so that the model of `model-swapped`, which is otherwise the same, has another name."""
_PAUSE = timedelta(seconds=1)
_UNCHECKED = """
SELECT countIf(SpanAttributes['sightline_app.limit.decision'] = 'unchecked') AS requests FROM otel_traces
WHERE Timestamp BETWEEN {from:DateTime64(3, 'UTC')} AND {to:DateTime64(3, 'UTC')}
"""


@dataclass(frozen=True)
class Window:
    """A stretch of traffic."""

    start: datetime
    end: datetime

    @property
    def filters(self) -> Filters:
        """As questions take it."""
        return Filters(start=self.start, end=self.end)

    @property
    def minutes(self) -> float:
        """Its length."""
        return (self.end - self.start).total_seconds() / 60


class Bench:
    """The running app and its store.

    Args:
        stack: stops everything at its end.
        folder: for data and logs.
        requests: of each window.
        rate: requests a second.
    """

    def __init__(self, stack: contextlib.ExitStack, folder: Path, requests: int, rate: float) -> None:
        settings = backend.start(stack, folder)
        backend.ingest(settings)
        settings |= backend.model(stack, folder, backend.UNPACED, name=_MODEL)
        redis = {"SIGHTLINE_REDIS_PORT": str(processes.free_port()), "SIGHTLINE_REDIS_DATA_DIR": str(folder / "redis")}
        ready = processes.port_open(int(redis["SIGHTLINE_REDIS_PORT"]))
        command = [processes.console_script("sightline-redis")]
        stack.enter_context(processes.Server(command, is_ready=ready, log=folder / "redis.log", env=redis))
        settings |= redis | {"SIGHTLINE_APP_CHAOS_KEY": _KEY, "SIGHTLINE_APP_TOKENS_PER_DAY": "1000000000"}
        settings |= {"SIGHTLINE_CAPTURE": "full", "SIGHTLINE_APP_SEARCH_TIMEOUT_S": "2"}
        self.url = backend.app(stack, folder, "app", settings).url
        self.client = Client(StoreSettings(url=settings["SIGHTLINE_STORE_URL"]))
        self._env = {**os.environ, **settings}
        self._folder = folder
        self._requests = requests
        self._rate = rate
        self._seed = 0
        self._canaries = folder / "canaries.jsonl"
        asked = [{"id": known.id, "question": known.question} for known in read_questions(questions_file())]
        self._canaries.write_text("".join(json.dumps(each) + "\n" for each in asked[:_CANARIES]))

    def run(self, *command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command of the project to its end."""
        found = [processes.console_script(command[0]), *command[1:]]
        return subprocess.run(found, env=self._env, capture_output=True, text=True, check=False, **options)

    def traffic(self) -> Window:
        """Send the requests of a window."""
        self._seed += 1
        start = datetime.now(UTC)
        self._ask_canaries(start)
        asked = ("--rate", str(self._rate), "--requests", str(self._requests), "--seed", str(self._seed))
        who = ("--url", self.url, "--tenants", "acme,globex")
        done = self.run("sightline-app", "load", "--for", "600", *who, *asked)
        if not re.match(r"\d+ requests? in ", done.stdout):
            raise RuntimeError(done.stderr)
        return Window(start, datetime.now(UTC))

    def _ask_canaries(self, start: datetime) -> None:
        """Ask the same questions in every window; the verdict comes later, over the whole window."""
        before = f"{(start - timedelta(seconds=60)).isoformat()}..{start.isoformat()}"
        asked = ("--canaries", str(self._canaries), "--ask", f"{self.url}/v1/chat")
        self.run("sightline-evals", "drift", "--window", "1s", "--reference", before, *asked)

    @contextlib.contextmanager
    def harm(self, name: str) -> Iterator[None]:
        """Break something for the length of a block."""
        command = [processes.console_script("sightline-app"), "chaos", name, "--url", self.url, "--for", "600"]
        command += ["--rate", "40"] if name == "burst" else []
        log = self._folder / f"chaos-{name}.log"
        with log.open("w") as out, subprocess.Popen(command, env=self._env, stdout=out, stderr=out) as running:
            deadline = time.monotonic() + 120
            while ", for 600 s:" not in log.read_text():
                if running.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{name} was not done: {log.read_text()}")
                time.sleep(0.1)
            try:
                yield
            finally:
                running.terminate()
                running.wait(60)
        if running.returncode:
            raise RuntimeError(f"{name} was not undone: {log.read_text()}")

    def drift(self, before: Window, during: Window) -> dict[str, Any]:
        """Return the report of `sightline-evals drift`."""
        reference = f"{before.start.isoformat()}..{before.end.isoformat()}"
        window_s = (during.end - during.start).total_seconds()
        command = ["sightline-evals", "drift", "--reference", reference, "--until", during.end.isoformat()]
        done = self.run(*command, "--window", f"{window_s:.0f}s", "--min-n", "50", "--no-send", "--json", "-")
        if done.returncode not in {0, 1}:
            raise RuntimeError(done.stdout + done.stderr)
        return dict(json.loads(done.stdout))


def evidence(bench: Bench, before: Window, during: Window) -> list[str]:
    """Return what the questions find, a line each; the rules are the same for every harm."""
    found = [*_errors(bench, before, during), *_stages(bench, before, during), *_tenants(bench, before, during)]
    for change in changes.changes(bench.client, during.start, during.end):
        if change["kind"] != "harm":  # the mark of the harm itself
            found.append(f"{change['kind']} changed: {change['was']} -> {change['value']}")
    tokens = [_tokens_of_a_call(bench, window) for window in (before, during)]
    if 0 < min(tokens) < 0.75 * max(tokens):
        found.append(f"input tokens of a call: {tokens[0]:.0f} -> {tokens[1]:.0f}")
    params = {"from": during.start.replace(tzinfo=None), "to": during.end.replace(tzinfo=None)}
    unchecked = bench.client.query_rows(_UNCHECKED, params)[0]["requests"]
    if unchecked:
        found.append(f"limits unchecked: {unchecked} requests")
    report = bench.drift(before, during)
    if report["outcome"] == "drift":
        found.append(f"drift: {report['sentence']}")
    return found


def _errors(bench: Bench, before: Window, during: Window) -> Iterator[str]:
    were = {row["error_type"] for row in queries.errors_by_type(bench.client, before.filters)}
    for row in queries.errors_by_type(bench.client, during.filters):
        if row["error_type"] not in were:
            yield f"errors: {row['error_type']}, {row['requests']} requests"


def _stages(bench: Bench, before: Window, during: Window) -> Iterator[str]:
    """Stages that take twice as long and 50 ms more in the median, or that flag where they did not."""
    were = {row["stage"]: row for row in queries.stage_summary(bench.client, before.filters)}
    for row in queries.stage_summary(bench.client, during.filters):
        was = were.get(row["stage"])
        if was is None:
            continue
        if row["p50_ms"] > 2 * was["p50_ms"] and row["p50_ms"] > was["p50_ms"] + 50:
            yield f"stage {row['stage']}: median {was['p50_ms']:.0f} -> {row['p50_ms']:.0f} ms"
        if row["flagged"] > max(1, 2 * was["flagged"] * row["spans"] / max(1, was["spans"])):
            yield f"stage {row['stage']}: {row['flagged']} of {row['spans']} flagged, {was['flagged']} before"


def _tenants(bench: Bench, before: Window, during: Window) -> Iterator[str]:
    """Tenants that ask more than twice as often."""
    were = {row["name"]: row for row in queries.spend_by(bench.client, before.filters, "tenant")}
    for row in queries.spend_by(bench.client, during.filters, "tenant"):
        was = were.get(row["name"], {"requests": 0})["requests"] / before.minutes
        now = row["requests"] / during.minutes
        if now > 2 * was:
            yield f"tenant {row['name']}: {was:.0f} -> {now:.0f} requests a minute"


def _tokens_of_a_call(bench: Bench, window: Window) -> float:
    rows = queries.spend_by(bench.client, window.filters, "model")
    calls = sum(row["calls"] for row in rows)
    return sum(row["input_tokens"] or 0 for row in rows) / calls if calls else 0.0


def main() -> None:
    """Break, ask, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--harms", default=",".join(CAUSES), help="which ones (default: all)")
    parser.add_argument("--requests", type=int, default=240, help="of each window (default: 240)")
    parser.add_argument("--rate", type=float, default=15.0, help="requests a second (default: 15)")
    args = parser.parse_args()
    found: dict[str, Mapping[str, Any]] = {}
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        bench = Bench(stack, Path(name), args.requests, args.rate)
        bench.traffic()  # connections and caches are made
        before = bench.traffic()
        for harm in args.harms.split(","):
            backend.say(f"{harm}: breaking")
            with bench.harm(harm):
                during = bench.traffic()
            bench.run("sightline-app", "load", "--url", bench.url, "--requests", "1", "--store", "--for", "5")
            lines = evidence(bench, before, Window(during.start, during.end + _PAUSE))
            shown = [line for line in lines if re.search(CAUSES[harm], line)]
            found[harm] = {
                "shown": bool(shown),
                "by": shown,
                "also": [line for line in lines if line not in shown],
                "at": during.start.isoformat(timespec="seconds"),
                "requests": args.requests,
                "rate": args.rate,
            }
            backend.say(f"{harm}: {'shown' if shown else 'NOT SHOWN'}: {json.dumps(lines)}")
        healthy = evidence(bench, before, bench.traffic())
    by_harm = {**_kept(), **found}
    results.keep(
        {
            "bench": "chaos",
            "shown": sum(each["shown"] for each in by_harm.values()),
            "harms": len(by_harm),
            "false": healthy,
            "by_harm": {name: by_harm[name] for name in CAUSES if name in by_harm},
        }
    )


def _kept() -> dict[str, Mapping[str, Any]]:
    """Return what was found of each harm before."""
    file = results.RESULTS / "chaos.json"
    return dict(json.loads(file.read_text())["result"]["by_harm"]) if file.exists() else {}


if __name__ == "__main__":
    main()

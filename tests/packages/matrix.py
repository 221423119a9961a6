"""What the typed tables and the readers make of the spans of real packages: `python tests/packages/matrix.py`.

Each configuration runs in a process of its own against a model server of this process, whose delays, tokens, texts and
errors are known, and sends OTLP to it. What came is stored as the collector stores it, one INSERT a request, and each
cell of the matrix is judged. The last line is one JSON object with the counts. The exit code is 1 where a cell is wrong
or a program failed, and 2 where an environment could not be made; a configuration whose interpreter is not installed is
skipped. `--write` writes docs/conventions.md if all others ran, `--only TEXT` leaves out the configurations whose name
does not hold the text, `--keep FOLDER` writes the raw spans of each configuration there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import cases  # noqa: E402
import environments  # noqa: E402
import layers  # noqa: E402
import raw_spans  # noqa: E402
from configurations import CONFIGURATIONS, Configuration  # noqa: E402
from judge import Cell, Stored, Verdict, judge  # noqa: E402
from model_server import ModelServer  # noqa: E402
from raw_spans import Told  # noqa: E402
from role_process import Role, free_port  # noqa: E402

from sightline_collector.request import otlp  # noqa: E402
from sightline_collector.spool import record  # noqa: E402
from sightline_store import ingest, settle  # noqa: E402
from sightline_store.client import Client  # noqa: E402
from sightline_store.contents import traces  # noqa: E402
from sightline_store.ingest import Signal  # noqa: E402
from sightline_store.prices import model_prices  # noqa: E402
from sightline_store.questions import queries  # noqa: E402
from sightline_store.schema import migrate  # noqa: E402
from sightline_store.settings import StoreSettings  # noqa: E402

_DRIVE_TIMEOUT_S = 60
_OUTPUT_MAX_CHARS = 4_000
_SIGNALS = {"traces": Signal.TRACES, "logs": Signal.LOGS}


@dataclass
class Result:
    """What came of one configuration."""

    configuration: Configuration
    cells: list[Cell] = field(default_factory=list)
    skipped: str = ""
    """Which program is not installed that the environment needs; '' where none is missing."""
    not_run: str = ""
    """Why the environment could not be made; '' where it was."""
    failed: str = ""
    """How the program failed; '' where it did not."""
    versions: dict[str, str] = field(default_factory=dict)
    told: Told = field(default_factory=Told)

    def count(self, verdict: Verdict) -> int:
        """How many cells are so."""
        return sum(cell.verdict is verdict for cell in self.cells)


@contextmanager
def store() -> Iterator[Client]:
    """An embedded store of this run's own."""
    with tempfile.TemporaryDirectory(prefix="sightline-packages-") as folder:
        port = free_port()
        env = {"SIGHTLINE_STORE_PORT": str(port), "SIGHTLINE_STORE_DATA_DIR": f"{folder}/data"}
        role = Role(["sightline-store", "serve"], env, f"http://127.0.0.1:{port}/ping", Path(folder) / "log")
        try:
            role.start()
            client = Client(StoreSettings(url=f"http://127.0.0.1:{port}", database="packages"))
            migrate.apply(client)
            yield client
            client.close()
        finally:
            role.stop()


def run(configuration: Configuration, server: ModelServer, client: Client) -> Result:
    """Run a configuration, store what it tells and judge it; if a cell is wrong, once more, and the second run counts.

    On a busy machine a program stands still between two moments that it takes. What was wrong at first is reported.
    """
    result = _once(configuration, server, client)
    if not result.count(Verdict.WRONG):
        return result
    report(result)
    return _once(configuration, server, client)


def _once(configuration: Configuration, server: ModelServer, client: Client) -> Result:
    result = Result(configuration)
    if tool := environments.missing_tool(configuration.environment):
        result.skipped = f"{tool} is not installed"
        return result
    place = environments.made(configuration.environment)
    if place is None:
        result.not_run = environments.why_not(configuration.environment)
        return result
    result.versions = environments.versions(configuration.environment, configuration.packages)
    received = server.begin()
    ran, result.failed = _driven(configuration, server, place)
    if result.failed:
        return result
    requests = [(signal, body) for slug, signal, body in received.telemetry if slug == configuration.slug]
    result.told = raw_spans.read(requests)
    if not result.told.spans:
        result.failed = "it told nothing"
        return result
    _insert(client, requests)
    stored = _Reading(client, result.told)
    for case in configuration.cases:
        if case.number == 0:
            continue
        told = raw_spans.within(result.told, ran[case.number]["began_ns"], ran[case.number]["ended_ns"])
        made = [call for call in received.calls if call.case == case.number]
        result.cells += judge(case, made, told, stored.of(told))
    return result


def _driven(configuration: Configuration, server: ModelServer, place: Path) -> tuple[dict[int, dict[str, Any]], str]:
    """When each case began and ended, by number; and how the program failed."""
    with tempfile.TemporaryDirectory(prefix="sightline-driven-") as folder:
        job, out = Path(folder) / "job.json", Path(folder) / "out.json"
        document = {"layers": configuration.layers, "client": configuration.client, "url": server.url, "out": str(out)}
        document["cases"] = [case.document() for case in configuration.cases]
        document |= {"is_in_request": configuration.is_in_request, "models": cases.CHAT_MODELS, "tool": cases.TOOL}
        document["embedding_model"] = cases.EMBEDDING_MODEL
        job.write_text(json.dumps(document))
        target = f"{server.url}/otlp/{configuration.slug}"
        env = {key: value for key, value in os.environ.items() if key in {"PATH", "LANG", "SYSTEMROOT"}}
        env |= layers.ENVIRONMENT | {
            "HOME": folder,
            "OTEL_SERVICE_NAME": configuration.slug,
            "OTEL_EXPORTER_OTLP_ENDPOINT": target,
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{target}/v1/traces",
        }
        try:
            done = subprocess.run(
                [*environments.command(configuration.environment, place), str(job)],
                cwd=folder,
                env=env,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=_DRIVE_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {}, f"not done after {_DRIVE_TIMEOUT_S} s"
        if done.returncode or not out.exists():
            return {}, f"exit code {done.returncode}: {done.stdout.decode(errors='replace')[-_OUTPUT_MAX_CHARS:]}"
        return {item["number"]: item for item in json.loads(out.read_text())}, ""


def _insert(client: Client, requests: list[tuple[str, bytes]]) -> None:
    """One INSERT a request, in the order in which they came."""
    since = datetime.now(UTC) - timedelta(seconds=5)
    for signal, body in requests:
        if signal in _SIGNALS:
            payload = otlp.check(_SIGNALS[signal], body).payload
            ingest.insert_segment(client, _SIGNALS[signal], record.encode(payload), uuid.uuid4().hex)
    settle.settle(client, since, quiet=timedelta(0))
    model_prices.refresh(client)


class _Reading:
    """What the store shows of a configuration's traces."""

    def __init__(self, client: Client, told: Told) -> None:
        self._client = client
        self._traces = sorted({span.trace_id for span in told.spans})
        self._tables = {
            "calls": self._rows("llm_calls_priced"),
            "embeddings": self._rows("embeddings_priced"),
            "retrievals": self._rows("retrievals"),
            "requests": self._rows("requests"),
        }

    def _rows(self, table: str) -> list[dict[str, Any]]:
        return self._client.query_rows(
            f"SELECT *, toUnixTimestamp64Nano(Timestamp) AS start_ns FROM {table} "
            "WHERE TraceId IN {traces:Array(String)} ORDER BY Timestamp",
            {"traces": self._traces},
        )

    def of(self, told: Told) -> Stored:
        """What it shows of a case."""
        ids = {(span.trace_id, span.span_id) for span in told.spans}
        rows = {
            name: [row for row in table if (row["TraceId"], row["SpanId"]) in ids]
            for name, table in self._tables.items()
        }
        trace_ids = dict.fromkeys(row["TraceId"] for row in rows["calls"] or rows["requests"])
        trace_ids = trace_ids or dict.fromkeys(span.trace_id for span in told.spans)
        conversations = [
            # Some packages leave their spans open to what comes next: several cases share a trace.
            traces.conversation(
                traces.read(
                    span for span in queries.trace_contents(self._client, trace_id) if (trace_id, span.span_id) in ids
                )
            )
            for trace_id in trace_ids
        ]
        return Stored(rows["calls"], rows["embeddings"], rows["retrievals"], rows["requests"], conversations)


def totals(results: list[Result]) -> dict[str, int]:
    """The counts of the last line."""
    ran = [result for result in results if result.cells]
    counts = Counter(cell.verdict for result in ran for cell in result.cells)
    return {
        "packages": len(ran),
        "cells": counts.total(),
        "right": counts[Verdict.RIGHT],
        "not_told": counts[Verdict.NOT_TOLD] + counts[Verdict.MISREPORTED],
        "wrong": counts[Verdict.WRONG],
    }


def exit_code(results: list[Result]) -> int:
    """1 where a cell is wrong or a program failed, 2 where an environment could not be made, else 0."""
    if totals(results)["wrong"] or any(result.failed for result in results):
        return 1
    return 2 if any(result.not_run for result in results) else 0


def report(result: Result) -> None:
    """One line of progress, and one for each wrong cell."""
    name = result.configuration.name
    if reason := result.skipped or result.not_run or result.failed:
        _say(f"{name}: {'skipped' if result.skipped else 'NOT RUN' if result.not_run else 'FAILED'}: {reason}")
        return
    counts = ", ".join(f"{result.count(verdict)} {verdict}" for verdict in Verdict)
    _say(f"{name}: {counts}")
    for cell in result.cells:
        if cell.verdict is Verdict.WRONG:
            _say(f"  WRONG {cell.column} of {cell.case.number} ({cell.case.name}): {cell.expected} | {cell.shown}")


def main() -> None:
    """Run the matrix."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="TEXT")
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    configurations = [configuration for configuration in CONFIGURATIONS if chosen.only in configuration.name]
    if chosen.only and chosen.write:
        parser.error("--write writes the whole page: without --only")
    if not configurations:
        parser.error(f"no configuration's name holds {chosen.only!r}")
    server, results = ModelServer(), []
    with store() as client:
        for configuration in configurations:
            result = run(configuration, server, client)
            report(result)
            results.append(result)
            if chosen.keep:
                chosen.keep.mkdir(parents=True, exist_ok=True)
                (chosen.keep / f"{configuration.slug}.json").write_text(json.dumps(result.told.document(), indent=1))
    server.close()
    counts = totals(results)
    is_whole = not any(result.not_run or result.failed for result in results)
    if chosen.write and is_whole:
        import page

        page.write(results, HERE.parents[1] / "docs" / "conventions.md")
    elif chosen.write:
        _say("docs/conventions.md stays as it is: not all configurations ran")
    _say(json.dumps(counts))
    sys.exit(exit_code(results))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

"""`sightline-evals drift`: two windows in, a verdict out, once or every so often."""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO

from sightline_evals import report_file
from sightline_evals.drift import battery, canaries, decision, judged, report, windows
from sightline_evals.drift.results import Sender
from sightline_evals.drift.sequence import State
from sightline_evals.errors import EvalsError, UsageError
from sightline_evals.gate import ExitCode
from sightline_evals.runs.running import new_run_id
from sightline_store.client import Client
from sightline_store.errors import StoreError
from sightline_store.moments import duration_s, parse_moment
from sightline_store.questions import drift
from sightline_store.questions.asking import Row
from sightline_store.settings import StoreSettings

_EPILOG = """\
examples:
  sightline-evals drift                                    the last day against the seven days that end a day before it
  sightline-evals drift --window 1h --reference seasonal   the last hour against the same hour a week ago
  sightline-evals drift --window 1d --pin accepted         keep the last day under a name, and later compare with it:
  sightline-evals drift --reference pin:accepted
  sightline-evals drift --canaries canaries.jsonl --ask http://127.0.0.1:8080/v1/chat
                                                           ask the canaries first, and compare with what they found
  sightline-evals drift --every 1h --window 1h             stay and look every hour

what is compared:
  retrieval   best score, empty, failed and stale searches, the documents that are found, by collection, embedding with
              its version, index version, tenant and topic; a query that is embedded by another model than its index is
              told at once
  queries     whether a classifier can tell the sketches of the two windows' queries apart
  answers     length, tokens, refusals, citations, ends and errors, by service, model and prompt
  scores      each score of `sightline-evals run`, by judge and model
  index       how long documents that come in take until they are found, and how many fail, by service: of traces with
              spans of the stage `ingest`
  canaries    the share of documents that each canary still finds, and of those it should find

an alarm needs a p-value of 0.001 for all comparisons of the window together (Holm), or one of 0.05 in two windows in a
row, and an effect that matters; docs/adr/016-drift.md says how often a run without drift alarmed.

canaries: one JSON object a line: question, and optionally id, expected (ids of documents), tenant. `sightline-evals
canaries` writes them with what an exact search finds. Too few cannot alarm: the report says how many its window needs

exit codes: 0 no drift, 1 drift, 2 usage, 3 infrastructure (the store, the collector or the application failed),
4 too little data (with --strict), 130 interrupted

environment: SIGHTLINE_STORE_URL, and OTEL_EXPORTER_OTLP_ENDPOINT for sending what was found
"""
_STORED_WITHIN_S = 60.0
_RETRY_S = 30.0


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the subcommand, and return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "drift",
        help="compare retrieval, answers and traffic of two windows",
        description="Say whether retrieval, answers or questions have changed between two windows of stored traffic.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--window", default="1d", metavar="TIME", help="length of the current window (default: 1d)")
    parser.add_argument("--until", metavar="TIME", help="its end: a moment, or an age such as 1h (default: now)")
    parser.add_argument(
        "--reference",
        default="previous",
        metavar="WHICH",
        help="previous (the windows that end one window before), seasonal (the same hours a week before), pin:NAME, or "
        "FROM..TO (default: previous)",
    )
    parser.add_argument(
        "--reference-windows", type=int, default=7, metavar="N", help="windows of `previous` (default: 7)"
    )
    parser.add_argument("--pin", metavar="NAME", help="keep the current window as a reference of this name, and end")
    parser.add_argument("--canaries", type=Path, metavar="FILE", help="canary questions, for --ask")
    parser.add_argument("--ask", metavar="URL", help="ask the canaries of the application at this address first")
    parser.add_argument(
        "--ask-body",
        default=canaries.DEFAULT_BODY,
        metavar="JSON",
        help=f"body of a request, with {canaries.PLACE} (default: {canaries.DEFAULT_BODY})",
    )
    parser.add_argument(
        "--ask-header", action="append", default=[], metavar="NAME:VALUE", help="a header field, such as an API key"
    )
    parser.add_argument("--depth", type=int, default=5, metavar="K", help="documents of a search compared (default: 5)")
    parser.add_argument(
        "--min-n",
        type=int,
        default=100,
        metavar="N",
        help="traces that each window needs of a comparison (default: 100)",
    )
    parser.add_argument("--strict", action="store_true", help="exit 4 where no comparison has enough data")
    parser.add_argument("--every", metavar="TIME", help="stay, and look again after so long")
    parser.add_argument(
        "--send",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="send what was found to the collector; `sightline-store query drift/results` shows it (default: yes)",
    )
    parser.add_argument("--all", action="store_true", help="show every comparison")
    parser.add_argument("--json", metavar="PATH", help="write the report as JSON; - is standard output")
    return parser


def run(arguments: argparse.Namespace, env: Mapping[str, str]) -> ExitCode:
    """Compare, report, send, and give the verdict."""
    drifting = _Drifting(arguments, env)
    try:
        return drifting.watch() if arguments.every else drifting.once()
    finally:
        drifting.close()


class _Drifting:
    """One command line's work."""

    def __init__(self, arguments: argparse.Namespace, env: Mapping[str, str]) -> None:
        self._arguments = arguments
        self._window_s = duration_s(arguments.window)
        self._every_s = duration_s(arguments.every) if arguments.every else 0
        for name, value, least in (
            ("--min-n", arguments.min_n, 20),
            ("--depth", arguments.depth, 1),
            ("--reference-windows", arguments.reference_windows, 1),
        ):
            if value < least:
                raise UsageError(f"{name} is {value}; needs {least} or more")
        if (arguments.canaries is None) != (arguments.ask is None):
            raise UsageError("--canaries and --ask go together: which questions, and where")
        if arguments.ask and arguments.until:
            raise UsageError("--ask asks now: it does not go with --until")
        if arguments.ask and not arguments.send:
            raise UsageError("--ask needs the collector, which keeps which trace is a canary's: not with --no-send")
        if arguments.pin and not arguments.send:
            raise UsageError("--pin is kept by the collector: not with --no-send")
        if arguments.pin and arguments.every:
            raise UsageError("--pin keeps one window: not with --every")
        report_file.check(arguments.json)
        self._headers = [canaries.header("--ask-header", text) for text in arguments.ask_header]
        self._canaries = canaries.read(arguments.canaries) if arguments.canaries else []
        self._options = battery.Options(min_n=arguments.min_n, depth=arguments.depth)
        self._client = Client(StoreSettings.from_env(env))
        self._env = env
        self._sender: Sender | None = None
        self._reference: windows.Reference | None = None

    def once(self) -> ExitCode:
        """One comparison."""
        run_id = new_run_id()
        if self._arguments.pin:
            return self._pin(run_id)
        if self._canaries:
            self._ask(run_id)
        found = self._compare(run_id, self._until())
        self._write(found)
        if self._arguments.send:
            self._sending().run(found)
            self._sending().flush()
        return found.code

    def watch(self) -> ExitCode:
        """A comparison again and again, until it is interrupted; a store or collector that is away is waited for."""
        wait = threading.Event()
        while True:
            began = time.monotonic()
            try:
                self.once()
                pause = float(self._every_s)
            except UsageError:
                raise
            except (StoreError, EvalsError) as exc:
                print(f"sightline-evals: {exc}; again in {_RETRY_S:g} s", file=sys.stderr)  # noqa: T201
                pause = min(self._every_s, _RETRY_S)
                if self._sender is not None:
                    self._sender.forget_lost()
            wait.wait(max(0.0, pause - (time.monotonic() - began)))

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()
        if self._sender is not None:
            sender, self._sender = self._sender, None
            sender.close()

    def _sending(self) -> Sender:
        if self._sender is None:
            self._sender = Sender(self._env)
        return self._sender

    def _until(self) -> datetime:
        return parse_moment(self._arguments.until) if self._arguments.until else datetime.now(UTC)

    def _pin(self, run_id: str) -> ExitCode:
        until = self._until()
        start = until - timedelta(seconds=self._window_s)
        window = drift.Windows(
            reference_from=start - (until - start), reference_to=start, current_from=start, current_to=until
        )
        size = drift.size(self._client, window)
        self._sending().pin(self._arguments.pin, window, run_id)
        self._sending().flush()
        sys.stdout.write(
            f"pinned {start.isoformat(timespec='seconds')} to {until.isoformat(timespec='seconds')} "
            f"({size['current_searches']} searches) as {self._arguments.pin}; compare with --reference "
            f"pin:{self._arguments.pin}. Its traces must stay in the store: see SIGHTLINE_STORE_RETENTION_*\n"
        )
        return ExitCode.PASS

    def _ask(self, run_id: str) -> None:
        """Ask the canaries, and wait until their searches are in the store."""
        sender = self._sending()
        name = canaries.fingerprint(self._arguments.canaries, self._canaries)
        started = datetime.now(UTC)
        answered = canaries.ask(
            self._canaries,
            self._arguments.ask,
            body=self._arguments.ask_body,
            headers=self._headers,
            on_answer=lambda asked: sender.canary(asked, name, run_id),
        )
        sender.flush()
        failed = [asked for asked in answered if asked.error]
        if len(failed) == len(answered):
            raise EvalsError(f"--ask {self._arguments.ask}: no canary was answered: {failed[0].error}")
        if failed:
            print(f"{len(failed)} of {len(answered)} canaries were not answered: {failed[0].error}", file=sys.stderr)  # noqa: T201
        wanted = len(answered) - len(failed)

        def stored() -> int:
            return drift.canary_searches(self._client, run_id, started - timedelta(hours=1))

        found = canaries.wait_until(stored, wanted, _STORED_WITHIN_S)
        if found < wanted:
            print(  # noqa: T201
                f"the searches of {wanted - found} of {wanted} canaries are not in the store after "
                f"{_STORED_WITHIN_S:g} s: does the application continue the trace of a request?",
                file=sys.stderr,
            )

    def _compare(self, run_id: str, until: datetime) -> judged.Run:
        if self._reference is None:
            arguments = self._arguments
            self._reference = windows.parse_reference(arguments.reference, arguments.reference_windows, self._client)
        compared = windows.compared(self._reference, self._window_s, until)
        measured, states = decision.decide(self._client, compared, self._reference, self._options)
        return judged.run_of(
            run_id,
            measured,
            states,
            changes=drift.changes(self._client, compared),
            moved=self._moved(measured, states),
            strict=self._arguments.strict,
            canaries_asked=len(self._canaries),
        )

    def _moved(self, measured: battery.Battery, states: tuple[judged.Judged, ...]) -> list[Row]:
        """The documents that moved most in the first comparison, where documents or queries changed."""
        changed = {each.measurement.signal for each in states if each.state is not State.QUIET}
        if not measured.planned.comparisons or not changed & {"retrieval.documents", "queries.shift"}:
            return []
        plan = drift.Plan(
            windows=measured.windows, comparisons=measured.planned.comparisons[:1], stride=measured.stride
        )
        return drift.moved_documents(self._client, plan, depth=self._options.depth)

    def _write(self, found: judged.Run) -> None:
        path = self._arguments.json
        stream: TextIO = sys.stderr if path == "-" else sys.stdout
        stream.write(report.table(found, everything=self._arguments.all))
        stream.flush()
        if path is None:
            return
        whole = json.dumps(report.as_json(found), ensure_ascii=False, indent=None if path == "-" else 2, default=str)
        with report_file.stream(path) as out:
            out.write(whole + "\n")
            out.flush()

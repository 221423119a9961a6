"""False alarms and power of `sightline-evals drift`, on the store's own SQL, beside Evidently and NannyML.

A window is 1,000 requests of four tenants, with 40 canaries; the reference is two windows. Retrieval is real: passages
and questions embedded with the application's models (`drift_worlds`). In the first stream nothing changes:
false_alarm_rate is the share of its windows with an alarm of any comparison, suspected_rate that of windows with a
suspicion (which alone is none). Then each shift of `drift_traffic.SHIFTS` happens again and again: power is the share
of first windows behind the shift that alarm, delay_windows the mean number of windows until an alarm, of those that
alarmed within three. sensible_signals: the signals that alarmed in the first window, most often first. decision_ms:
mean time of the decision on a window, the window before included where it can confirm a suspicion. cost_*: one battery
over 10 million searches and as many requests of 30 days. The peers see sketches of the queries, best scores and tokens,
with the methods and thresholds that they use where none are given; `any` is an alarm of any of their methods. Both see
the same windows. Progress goes to standard error; the last line of standard output is the result.
Usage: python benchmarks/drift.py [--runs N] [--repeats N] [--no-peers] [--no-cost]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import drift_peers
import drift_traffic
import drift_worlds
import numpy as np
import processes
import results
from numpy.typing import NDArray

from sightline_evals.drift import battery, decision, judged, windows
from sightline_evals.drift.sequence import State
from sightline_store.client import Client
from sightline_store.questions import drift
from sightline_store.schema import migrate
from sightline_store.settings import StoreSettings

RUNS = 200
_N = 1000
_LENGTH = timedelta(hours=1)
_START = datetime(2026, 1, 5, tzinfo=UTC)
_REFERENCE = 2
_MOST_DELAY = 3
_OPTIONS = battery.Options()
_COST_ROWS = 10_000_000


def main() -> None:
    """Run the null stream, the shifts, the peers, and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=RUNS, help=f"windows without drift (default: {RUNS})")
    parser.add_argument("--repeats", type=int, default=8, help="times that each shift happens (default: 8)")
    parser.add_argument("--no-peers", action="store_true", help="leave Evidently and NannyML out; nothing is kept")
    parser.add_argument("--no-cost", action="store_true", help="leave the 10 million rows out; nothing is kept")
    args = parser.parse_args()
    _say("embedding passages and questions")
    worlds = drift_worlds.build()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store, url = processes.store(folder)
        with store:
            client = Client(StoreSettings(url=url, timeout_s=600))
            migrate.apply(client)
            bench = Bench(client, worlds)
            began = time.monotonic()
            null = bench.null_stream(args.runs)
            shifts = {shift: bench.shift(shift, args.repeats, at) for at, shift in enumerate(drift_traffic.SHIFTS)}
            result: dict[str, Any] = {
                "bench": "drift", "runs": args.runs, "repeats": args.repeats, "n": _N, **null,
                "power": {shift: found["power"] for shift, found in shifts.items()},
                "delay_windows": {shift: found["delay"] for shift, found in shifts.items()},
                "sensible_signals": {shift: found["signals"] for shift, found in shifts.items()},
                "overlap_at_5_int8": round(worlds.overlap_int8, 3),
                "minutes": round((time.monotonic() - began) / 60, 1),
                "decision_ms": round(1000 * bench.seconds / bench.decisions),
            }  # fmt: skip
            if not args.no_cost:
                result |= _cost(client, store)
        if not args.no_peers:
            result |= _peers(folder, bench)
    if args.no_peers or args.no_cost:
        print(json.dumps(result))
    else:
        results.keep(result, **drift_peers.VERSIONS)


class Bench:
    """Windows in a store, and what the battery says of them."""

    def __init__(self, client: Client, worlds: drift_worlds.Worlds) -> None:
        self._client = client
        self._worlds = worlds
        self.drawn: dict[str, list[Any]] = {}
        self.seconds, self.decisions = 0.0, 0

    def null_stream(self, runs: int) -> dict[str, Any]:
        """Windows one after the other, none of which differs."""
        first = _REFERENCE + 1
        self.drawn["null"] = [self._insert(drift_traffic.NULL, i, i + 1) for i in range(runs + first)]
        alarms, suspicions, tests = 0, 0, []
        causes: Counter[str] = Counter()
        for i in range(first, runs + first):
            found = self._judge(windows.Previous(_REFERENCE), i)
            drifting = [each for each in found if each.is_drift]
            alarms += bool(drifting)
            suspicions += any(each.state is not State.QUIET for each in found)
            tests.append(sum(each.measurement.p is not None for each in found))
            causes.update(each.measurement.signal for each in drifting)
            if (i - first) % 20 == 19:
                _say(f"{i - first + 1} windows without drift: {alarms} alarms, {suspicions} with a suspicion")
        return {
            "false_alarm_rate": round(alarms / runs, 4),
            "suspected_rate": round(suspicions / runs, 4),
            "false_alarm_causes": dict(causes),
            "tests_a_window": round(sum(tests) / len(tests), 1),
        }

    def shift(self, name: str, repeats: int, number: int) -> dict[str, Any]:
        """One shift, again and again: two windows of reference, one before, and up to three behind it."""
        alarms, delays = 0, []
        causes: Counter[str] = Counter()
        self.drawn[name] = []
        for repeat in range(repeats):
            at = 10_000 + 1000 * number + 10 * repeat
            place = 500 + 10 * (number * 50 + repeat)  # in windows, behind the null stream
            before = [self._insert(drift_traffic.NULL, place + i, at + i) for i in range(_REFERENCE + 1)]
            reference = windows.Fixed(_START + place * _LENGTH, _START + (place + _REFERENCE) * _LENGTH)
            for delay in range(1, _MOST_DELAY + 1):
                i = place + _REFERENCE + delay
                drawn = self._insert(drift_traffic.SHIFTS[name], i, at + _REFERENCE + delay)
                if delay == 1:
                    self.drawn[name].append((np.concatenate(before[:_REFERENCE]), drawn))
                drifting = [each for each in self._judge(reference, i) if each.is_drift]
                if drifting:
                    delays.append(delay)
                    alarms += delay == 1
                    if delay == 1:
                        causes.update({each.measurement.signal for each in drifting})
                    break
        _say(f"{name}: {alarms} of {repeats} at once, after {delays} windows; {dict(causes.most_common(4))}")
        return {
            "power": round(alarms / repeats, 3),
            "delay": round(sum(delays) / len(delays), 2) if delays else None,
            "signals": [signal for signal, _ in causes.most_common(4)],
        }

    def _insert(self, traffic: drift_traffic.Traffic, place: int, seed: int) -> NDArray[Any]:
        start = _START + place * _LENGTH
        return drift_traffic.insert(self._client, self._worlds, traffic, start, _LENGTH, _N, seed)

    def _judge(self, reference: windows.Reference, place: int) -> tuple[judged.Judged, ...]:
        """What `sightline-evals drift` does with a window."""
        compared = windows.compared(reference, _LENGTH.total_seconds(), _START + (place + 1) * _LENGTH)
        started = time.perf_counter()
        _, found = decision.decide(self._client, compared, reference, _OPTIONS)
        self.seconds, self.decisions = self.seconds + time.perf_counter() - started, self.decisions + 1
        return found


def _cost(client: Client, store: processes.Server) -> dict[str, Any]:
    """One battery over a day against a week, with 10 million searches and requests of 30 days in the store."""
    database = "drift_cost"
    client.command(f"CREATE DATABASE {database}", database="")
    own = Client(StoreSettings(url=client.settings.url, timeout_s=600, database=database))
    migrate.apply(own)
    end = datetime.now(UTC).replace(microsecond=0)
    for day in range(30):
        params = {"start": (end - timedelta(days=30 - day)).strftime("%Y-%m-%d %H:%M:%S"), "rows": _COST_ROWS // 30,
                  "first": day * _COST_ROWS}  # fmt: skip
        for file in ("drift_searches", "drift_requests"):
            sql = (Path(__file__).parent / "sql" / f"{file}.sql").read_text()
            own.query_bytes(sql, params, "TabSeparated")
        if day % 10 == 9:
            _say(f"{day + 1} of 30 days of {_COST_ROWS} searches")
    compared = windows.compared(windows.Previous(7), 86_400, end)
    drift.size(own, compared)
    cpu, started = store.cpu_s(), time.perf_counter()
    found = battery.measure(own, compared, _OPTIONS)
    took = time.perf_counter() - started
    own.close()
    return {
        "cost_searches": sum(found.searches), "cost_stride": found.stride, "cost_s": round(took, 2),
        "cost_cpu_s": round(store.cpu_s() - cpu, 2), "peak_rss_mib": round(store.peak_rss_mib),
    }  # fmt: skip


def _peers(folder: Path, bench: Bench) -> dict[str, Any]:
    """The same windows, given to Evidently and NannyML in environments of their own."""
    path = folder / "windows.npz"
    arrays = {"null": np.stack(bench.drawn.pop("null"))}
    for name, pairs in bench.drawn.items():
        arrays[f"{name}.reference"] = np.stack([reference for reference, _ in pairs])
        arrays[f"{name}.current"] = np.stack([current for _, current in pairs])
    np.savez(path, **arrays)
    found: dict[str, Any] = {}
    for peer in ("evidently", "nannyml"):
        _say(f"{peer} on the same windows")
        done = subprocess.run(
            [drift_peers.interpreter(peer), drift_peers.__file__, peer, str(path)],
            env={**os.environ, **drift_peers.SILENT},
            stdout=subprocess.PIPE,
            check=True,
        )
        told = json.loads(done.stdout.splitlines()[-1])
        found |= {f"{peer}_{key}": value for key, value in told.items()}
    return found


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

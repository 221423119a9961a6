"""False alarms and power of `sightline-evals drift`, on the store's own SQL, beside Evidently and NannyML.

A window is 1,000 requests of four tenants, with 40 canaries; the reference is two windows. Retrieval is real: passages
and questions embedded with the application's models (`drift_worlds`). In the null windows nothing changes:
false_alarm_rate is the share of them with an alarm of any comparison, suspected_rate that of windows with a suspicion
(which alone is none). Then each shift of `drift_traffic.SHIFTS` happens again and again: power is the share of first
windows behind the shift that alarm, delay_windows the mean number of windows until an alarm, of those that alarmed
within three. *_interval: 95 % of Clopper and Pearson. sensible_signals: the share of repeats in which a signal alarmed
in the first window. decision_ms: mean time of the decision on a window, the window before included where it can
confirm a suspicion. cost_*: one battery over 10 million searches and as many requests of 30 days. The peers see
sketches of the queries, best scores and tokens, with the methods and thresholds that they use where none are given;
their rates are of an alarm of any of their methods. Both see the same windows.

With --folder each piece that is done is kept there, and a run that was cut off goes on where it was. --seed draws other
windows: the method is developed on those, never on the ones of the result. Progress goes to standard error; the last
line of standard output is the result.
Usage: python benchmarks/drift.py [--runs N] [--repeats N] [--more-repeats N] [--folder PATH] [--no-peers] [--no-cost]
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
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
from scipy.stats import binomtest

from sightline_evals.drift import battery, decision, judged, windows
from sightline_evals.drift.sequence import State
from sightline_store.client import Client
from sightline_store.questions import drift
from sightline_store.schema import migrate
from sightline_store.settings import StoreSettings

RUNS = 500
_REPEATED_MORE = ("embedding_swapped", "index_truncated_10")
_N = 1000
_LENGTH = timedelta(hours=1)
_START = datetime(2026, 1, 5, tzinfo=UTC)
_REFERENCE = 2
_MOST_DELAY = 3
_BLOCK = 50
_AT_ONCE = 10
_FIRST_SHIFT = 1000
_MOST_REPEATS = 50
_OPTIONS = battery.Options()
_COST_ROWS = 10_000_000


def main() -> None:
    """Run the null windows, the shifts, the peers, and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=RUNS, help=f"windows without drift (default: {RUNS})")
    parser.add_argument("--repeats", type=int, default=8, help="times that each shift happens (default: 8)")
    parser.add_argument(
        "--more-repeats", type=int, default=30, help=f"... of {' and '.join(_REPEATED_MORE)} (default: 30)"
    )
    parser.add_argument("--seed", type=int, default=0, help="draws other windows; 0 is that of the result")
    parser.add_argument("--folder", type=Path, help="where pieces that are done are kept (default: nowhere)")
    parser.add_argument("--no-peers", action="store_true", help="leave Evidently and NannyML out; nothing is kept")
    parser.add_argument("--no-cost", action="store_true", help="leave the 10 million rows out; nothing is kept")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = args.folder or Path(name)
        options = {name: getattr(args, name) for name in ("seed", "runs", "repeats", "more_repeats")}
        pieces = Pieces(folder, options)
        with _bench(Path(name), args.seed) as (bench, client, store):
            null = _null(pieces, bench, args.runs)
            shifts = {shift: _shift(pieces, bench, shift, args) for shift in drift_traffic.SHIFTS}
            result: dict[str, Any] = {
                "bench": "drift",
                "runs": args.runs,
                "repeats": {shift: found["repeats"] for shift, found in shifts.items()},
                "n": _N,
                **null,
                "power": {shift: found["power"] for shift, found in shifts.items()},
                "power_interval": {shift: found["interval"] for shift, found in shifts.items()},
                "delay_windows": {shift: found["delay"] for shift, found in shifts.items()},
                "sensible_signals": {shift: found["signals"] for shift, found in shifts.items()},
                **pieces.piece("worlds", lambda: ({"overlap_at_5_int8": round(bench.worlds.overlap_int8, 3)}, {}))[0],
                "decision_ms": pieces.decision_ms(),
            }
            if not args.no_peers:
                for peer in ("evidently", "nannyml"):
                    result |= pieces.piece(peer, functools.partial(_peer, peer, Path(name), pieces))[0]
            if not args.no_cost:
                result |= pieces.piece("cost", lambda: (_cost(client, store), {}))[0]
    if args.no_peers or args.no_cost or args.seed:
        print(json.dumps(result))
    else:
        results.keep(result, **drift_peers.VERSIONS)


class Pieces:
    """What is measured, piece by piece; each is kept in a file of its own, and not measured again."""

    def __init__(self, folder: Path, options: dict[str, int]) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        kept, told = folder / "options.json", json.dumps(options)
        if not kept.exists():
            kept.write_text(told)
        if kept.read_text() != told:
            sys.exit(f"--folder {folder} holds pieces of other options: {kept.read_text()}")
        self._timed: list[tuple[float, int]] = []
        self.drawn: dict[str, NDArray[Any]] = {}

    def piece(
        self, name: str, make: Callable[[], tuple[dict[str, Any], dict[str, NDArray[Any]]]]
    ) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """What was found, and the windows that peers get."""
        path = self._folder / f"{name}.npz"
        if not path.exists():
            told, arrays = make()
            draft = path.with_suffix(".draft.npz")
            np.savez(draft, told=np.asarray(json.dumps(told)), **arrays)
            draft.replace(path)
        with np.load(path) as stored:
            found = {each: stored[each] for each in stored.files}
        told = json.loads(str(found.pop("told")))
        if "decisions" in told:
            self._timed.append((told["seconds"], told["decisions"]))
        return told, found

    def decision_ms(self) -> int:
        """Mean time of a decision."""
        return round(1000 * sum(seconds for seconds, _ in self._timed) / sum(count for _, count in self._timed))


@contextlib.contextmanager
def _bench(folder: Path, seed: int) -> Iterator[tuple[Bench, Client, processes.Server]]:
    """A store with empty tables."""
    store, url = processes.store(folder)
    with store:
        client = Client(StoreSettings(url=url, timeout_s=600))
        migrate.apply(client)
        yield Bench(client, seed), client, store
        client.close()


def _null(pieces: Pieces, bench: Bench, runs: int) -> dict[str, Any]:
    """False alarms of all blocks."""
    blocks = []
    for number, first in enumerate(range(0, runs, _BLOCK)):
        size = min(_BLOCK, runs - first)
        told, arrays = pieces.piece(f"null-{number}", functools.partial(bench.null_block, number, size))
        blocks.append(told)
        pieces.drawn[f"null-{number}"] = arrays["features"]
        done = [sum(block[name] for block in blocks) for name in ("windows", "alarms", "suspicions")]
        _say(f"{done[0]} windows without drift: {done[1]} alarms, {done[2]} with a suspicion")
    causes: Counter[str] = Counter()
    for block in blocks:
        causes.update(block["causes"])
    alarms, suspicions, tests = (sum(block[name] for block in blocks) for name in ("alarms", "suspicions", "tests"))
    return {
        "false_alarms": alarms,
        "false_alarm_rate": round(alarms / runs, 4),
        "false_alarm_interval": _interval(alarms, runs),
        "suspected_rate": round(suspicions / runs, 4),
        "false_alarm_causes": dict(causes),
        "tests_a_window": round(tests / runs, 1),
    }


def _shift(pieces: Pieces, bench: Bench, name: str, args: argparse.Namespace) -> dict[str, Any]:
    """Power at one shift."""
    repeats = args.more_repeats if name in _REPEATED_MORE else args.repeats
    told, arrays = pieces.piece(f"shift-{name}", lambda: bench.shift(name, repeats))
    pieces.drawn |= {f"{name}.{which}": array for which, array in arrays.items()}
    delays, at_once = told["delays"], sum(delay == 1 for delay in told["delays"])
    _say(f"{name}: {at_once} of {told['repeats']} at once, after {delays} windows; {told['signals']}")
    return {
        **told,
        "power": round(at_once / told["repeats"], 3),
        "interval": _interval(at_once, told["repeats"]),
        "delay": round(sum(delays) / len(delays), 2) if delays else None,
    }


def _interval(hits: int, n: int) -> tuple[float, float]:
    found = binomtest(hits, n).proportion_ci()
    return round(float(found.low), 4), round(float(found.high), 4)


class Bench:
    """Windows in a store, and what the battery says of them."""

    def __init__(self, client: Client, seed: int) -> None:
        self._client = client
        self._seed = 10_000_000 * seed
        self._seconds, self._decisions = 0.0, 0

    @functools.cached_property
    def worlds(self) -> drift_worlds.Worlds:
        """What searches find; made when the first window is drawn."""
        _say("embedding passages and questions")
        return drift_worlds.build()

    def null_block(self, number: int, size: int) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Windows one after the other, none of which differs; blocks are independent of each other."""
        first, place = _REFERENCE + 1, number * (_BLOCK + 10)
        drawn = [(drift_traffic.NULL, place + i, 1000 * number + i + 1) for i in range(size + first)]
        features = self._insert(drawn)
        alarms, suspicions, tests = 0, 0, 0
        causes: Counter[str] = Counter()
        for i in range(first, size + first):
            found = self._judge(windows.Previous(_REFERENCE), place + i)
            drifting = [each for each in found if each.is_drift]
            alarms += bool(drifting)
            suspicions += any(each.state is not State.QUIET for each in found)
            tests += sum(each.measurement.p is not None for each in found)
            causes.update(each.measurement.signal for each in drifting)
        told = {"windows": size, "alarms": alarms, "suspicions": suspicions, "tests": tests, "causes": dict(causes)}
        return {**told, **self._timing()}, {"features": features}

    def shift(self, name: str, repeats: int) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """One shift, again and again: two windows of reference, one before, and up to three behind it."""
        number, traffic = list(drift_traffic.SHIFTS).index(name), drift_traffic.SHIFTS[name]
        delays: list[int] = []
        causes: Counter[str] = Counter()
        references, currents = [], []
        for repeat in range(repeats):
            place = _FIRST_SHIFT + 10 * (number * _MOST_REPEATS + repeat)
            seed = 1_000_000 + 10_000 * number + 10 * repeat
            kinds = [*[drift_traffic.NULL] * (_REFERENCE + 1), traffic]
            features = self._insert([(kind, place + i, seed + i) for i, kind in enumerate(kinds)])
            references.append(np.concatenate(features[:_REFERENCE]))
            currents.append(features[_REFERENCE + 1])
            reference = windows.Fixed(_START + place * _LENGTH, _START + (place + _REFERENCE) * _LENGTH)
            for delay in range(1, _MOST_DELAY + 1):
                behind = _REFERENCE + delay
                if delay > 1:
                    self._insert([(traffic, place + behind, seed + behind)])
                drifting = [each for each in self._judge(reference, place + behind) if each.is_drift]
                if drifting:
                    delays.append(delay)
                    if delay == 1:
                        causes.update({each.measurement.signal for each in drifting})
                    break
        signals = {signal: round(count / repeats, 2) for signal, count in causes.most_common()}
        told = {"repeats": repeats, "delays": delays, "signals": signals, **self._timing()}
        return told, {"reference": np.stack(references), "current": np.stack(currents)}

    def _insert(self, drawn: list[tuple[drift_traffic.Traffic, int, int]]) -> NDArray[Any]:
        """Draw windows and put them into the store, several at once; returns what peers get of each."""
        features = []
        for first in range(0, len(drawn), _AT_ONCE):
            made = [
                drift_traffic.draw(self.worlds, traffic, _START + place * _LENGTH, _LENGTH, _N, self._seed + seed)
                for traffic, place, seed in drawn[first : first + _AT_ONCE]
            ]
            drift_traffic.put(self._client, made)
            features += [window.features for window in made]
        return np.stack(features)

    def _judge(self, reference: windows.Reference, place: int) -> tuple[judged.Judged, ...]:
        """What `sightline-evals drift` does with a window."""
        compared = windows.compared(reference, _LENGTH.total_seconds(), _START + (place + 1) * _LENGTH)
        started = time.perf_counter()
        _, found = decision.decide(self._client, compared, reference, _OPTIONS)
        self._seconds, self._decisions = self._seconds + time.perf_counter() - started, self._decisions + 1
        return found

    def _timing(self) -> dict[str, Any]:
        """Of the decisions since the last call."""
        told = {"seconds": self._seconds, "decisions": self._decisions}
        self._seconds, self._decisions = 0.0, 0
        return told


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


def _peer(peer: str, folder: Path, pieces: Pieces) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The same windows, given to Evidently or NannyML in an environment of its own."""
    _say(f"{peer} on the same windows")
    blocks = [pieces.drawn[name] for name in sorted(pieces.drawn, key=len) if name.startswith("null-")]
    shifted = {name: array for name, array in pieces.drawn.items() if not name.startswith("null-")}
    path = folder / "windows.npz"
    np.savez(path, null=np.concatenate(blocks), **shifted)
    done = subprocess.run(
        [drift_peers.interpreter(peer), drift_peers.__file__, peer, str(path)],
        env={**os.environ, **drift_peers.SILENT},
        stdout=subprocess.PIPE,
        check=True,
    )
    return {f"{peer}_{key}": value for key, value in json.loads(done.stdout.splitlines()[-1]).items()}, {}


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

"""What a page's questions cost, with 10 million spans in the store: 30 days of 20 tenants, made inside the engine.

Each question is asked as its page asks it, over HTTP, and its median of several answers counts: p95_ms and worst_ms
are over all of them; *_cpu_ms is what the store computed for it, which neighbours on the machine do not lengthen.
growth_last_hour is the last hour's cost with all of it behind against a million spans behind (a tenth of all where that
is less), measured while loading, by the fastest of several answers to each question (growth_last_hour_cpu: by what the
store computed).
map_ratio is how much longer the questions of sql/typed_or_map take, over all days, when they are asked of the attribute
Map of otel_traces: one or more about each typed table, together (map_ratios: each). Both must answer the same, and the
Map has the official table's indexes over keys and values to skip by, but not its order by name of span: Sightline keeps
the spans of a trace together (docs/adr/019), for which the Map's questions pay.
The questions are asked with a reader's key, as the pages ask them, so each is judged: judged_first_ms is by how much
the first answer to a text took longer than the next ones, judged_again_ms how much longer a reader's next answers take
than an admin's. Both are medians over the questions of the last hour.
Which rollups there are of a window is remembered for some seconds, so the answers that are measured find it as the
questions of a page do, but for the first of them; "rollups" asks it by itself.
failed are the questions that want more memory than a reader's statement may take; they are in no other number.
p95_scans and worst_scans are p95_ms and worst_ms in units of one fixed aggregate (a hash of 20 million numbers, on one
thread) that is timed in between, so that a slow machine does not read as slow code; scan_ms is that unit.
The questions that rollups can answer are asked twice, before the rollups are made and after: p95_scans_rows and
worst_scans_rows are p95_scans and worst_scans as they were with rows alone; rolled_ratio and rolled_cpu_ratio are the
wall and CPU time of these questions with rollups by that without, all together. rollup_bytes is what rollups take on
disk, and fold_cpu_s what the store computed to make them; pack_cpu_s is that for packing raw spans of more than a day
ago harder, once all are loaded. --pages-only leaves out what is asked of rows and of the Map,
which with 100 million spans takes longer than all else, and makes only those rollups that the store does not have yet.
Results of so many spans are kept by themselves.
Progress and the time of each question go to standard error; the last line of standard output is the result.
Usage: python benchmarks/query.py [--rows N] [--data FOLDER] [--match REGEX] [--pages-only]
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import month_of_traces
import page_questions
import processes
import question_profile
import results
from month_of_traces import DAYS, LONG_TRACE, LONG_TRACE_SPANS, SPANS_A_TRACE

from sightline_node.readers import keys
from sightline_node.readers.roles import Role
from sightline_store.client import Client
from sightline_store.errors import StoreBusy
from sightline_store.prices import model_prices
from sightline_store.questions import queries, request_lists
from sightline_store.questions.asking import Filters
from sightline_store.rollups import fold, keeping
from sightline_store.schema import migrate, retention
from sightline_store.settings import RetentionSettings, StoreSettings


@dataclass(frozen=True)
class Cost:
    """What one answer took: seconds until it was there, and seconds that the store computed."""

    wall_s: float
    cpu_s: float


_SQL = Path(__file__).parent / "sql"
_WHOLE = 10_000_000  # with fewer rows nothing is kept
_MANY = 100_000_000
_FEW = 1_000_000  # spans that are there when the last hour is asked the first time
_ROLLED = re.compile(
    r"(overview( before)?|latency_over_time( sparks)?|spend_over_time|stage_summary|filter_values|retrieval_over_time"
    r"|retrieval_by_index|spend_by model|questions of traces|traces (by time|by ttft|by total|page 3|failed)"
    r"|scores_over_time|score_summary|score_list|embedding_spend( bars)?) (24h|7d|30d)( tenant| model| route)?"
    r"|spend_by tenant (24h|7d|30d)( tenant| model)?"
    r"|(labels|ingest_over_time|collected|changes|data_since) (24h|7d|30d)"
)


def main() -> None:
    """Load, ask, print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=_WHOLE, help="spans to load (default: 10 million)")
    parser.add_argument(
        "--repeats", type=int, default=5, help="times that each question is asked (default: 5; 0: load only)"
    )
    parser.add_argument("--data", type=Path, help="keep the store here; what it holds already is not loaded again")
    parser.add_argument("--match", default="", help="time only questions whose label holds this; nothing is kept")
    parser.add_argument("--pages-only", action="store_true", help="ask nothing of rows alone and of the Map")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder: Path = args.data or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        admin_key, reader_key = (keys.create(folder / "store", "bench", role) for role in (Role.ADMIN, Role.READER))
        store, url = processes.store(folder)
        with store:
            client = Client(StoreSettings(url=url, timeout_s=600, password=admin_key))
            reader = Client(StoreSettings(url=url, timeout_s=600, password=reader_key))
            migrate.apply(client)
            note = folder / "growth.json"
            if not queries.freshness(client)["spans"]:
                note.write_text(json.dumps(_load(client, store, args.rows, args.repeats)))
            _settle(client)
            if args.repeats == 0:
                return
            if args.match:
                costs = _timed(reader, store, _every_question(client, _end(client), args.match), args.repeats)
                _list(costs)
                _profile(client, _end(client), costs)
            else:
                loaded = json.loads(note.read_text()) if note.exists() else {}
                _run(client, reader, store, args, loaded)


def _run(
    client: Client, reader: Client, store: processes.Server, args: argparse.Namespace, loaded: dict[str, float]
) -> None:
    end, repeats = _end(client), args.repeats
    scans = [_scan(reader)]
    judged = _judging(client, reader, end, repeats)
    of_rows: dict[str, Cost] = {}
    if not args.pages_only:
        keeping.drop(client)
        of_rows = _timed(reader, store, _rolled_questions(client, end), repeats)
    fold_cpu_s = _fold(client, store)
    scans.append(_scan(reader))
    asked = _every_question(client, end)
    costs = _timed(reader, store, asked, repeats)
    scans.append(_scan(reader))
    scan_s = statistics.median(scans)
    times = {label: cost.wall_s for label, cost in costs.items()}
    computed = {label: cost.cpu_s for label, cost in costs.items()}
    whole_trace = [page_questions.Asked("a trace of 50,000 spans", _long_trace)]
    longest = _timed(reader, store, whole_trace, repeats).popitem()[1]
    typed_or_map = {} if args.pages_only else _typed_or_map(client, end, repeats)
    disk = client.query_rows(
        "SELECT sum(bytes_on_disk) AS whole, sumIf(bytes_on_disk, table = 'otel_traces') AS raw, "
        "sumIf(rows, table = 'otel_traces') AS spans FROM system.parts WHERE active AND database = 'otel'"
    )[0]
    spans = int(disk["spans"])
    columns = _columns(client, spans)
    slowest = sorted(times, key=lambda label: -times[label])
    _list(costs)
    _profile(client, end, costs)
    for label, cost in of_rows.items():
        _say(f"{cost.wall_s * 1e3:8.1f} {cost.cpu_s * 1e3:8.1f}  {label}: of rows")
    result = {
        "bench": "query" if spans < _MANY else "query-100m",
        "rows": spans,
        "questions": len(asked),
        "failed": [question.label for question in asked if question.label not in costs],
        "p50_ms": _ms(statistics.median(times.values())),
        "p95_ms": _ms(_p95(times)),
        "worst_query": slowest[0],
        "worst_ms": _ms(times[slowest[0]]),
        "scan_ms": _ms(scan_s),
        "p95_scans": round(_p95(times) / scan_s, 2),
        "worst_scans": round(times[slowest[0]] / scan_s, 2),
        **_beside_rows(times, computed, of_rows, scan_s),
        "rollup_bytes": keeping.stored_bytes(client),
        "fold_cpu_s": round(fold_cpu_s, 1),
        "p95_cpu_ms": _ms(_p95(computed)),
        "worst_cpu_ms": _ms(max(computed.values())),
        "growth_last_hour": loaded.get("growth_last_hour"),
        "growth_last_hour_cpu": loaded.get("growth_last_hour_cpu"),
        **_beside_map(typed_or_map),
        "bytes_per_span": round(disk["whole"] / spans, 1),
        "raw_bytes_per_span": round(disk["raw"] / spans, 1),
        "dearest_columns": columns,
        "long_trace_ms": _ms(longest.wall_s),
        "judged_first_ms": _ms(judged[0]),
        "judged_again_ms": _ms(judged[1]),
        "load_s": loaded.get("load_s"),
        "pack_cpu_s": loaded.get("pack_cpu_s"),
        "peak_rss_mib": round(store.peak_rss_mib),
    }
    if args.rows >= _WHOLE:
        results.keep(result, clickhouse=str(client.query_rows("SELECT version() AS v")[0]["v"]))
    else:
        print(json.dumps(result))


def _beside_rows(
    times: dict[str, float], computed: dict[str, float], of_rows: dict[str, Cost], scan_s: float
) -> dict[str, float]:
    """What the questions that rollups answer took of rows."""
    if not of_rows:
        return {}
    of_all = times | {label: cost.wall_s for label, cost in of_rows.items()}
    wall_s, cpu_s = (sum(seconds[label] for label in of_rows) for seconds in (times, computed))
    return {
        "p95_scans_rows": round(_p95(of_all) / scan_s, 2),
        "worst_scans_rows": round(max(of_all.values()) / scan_s, 2),
        "rolled_ratio": round(wall_s / sum(cost.wall_s for cost in of_rows.values()), 2),
        "rolled_cpu_ratio": round(cpu_s / sum(cost.cpu_s for cost in of_rows.values()), 2),
    }


def _beside_map(typed_or_map: dict[str, tuple[float, float]]) -> dict[str, Any]:
    """What the questions of sql/typed_or_map took of the Map."""
    if not typed_or_map:
        return {}
    typed_s, map_s = (sum(seconds[place] for seconds in typed_or_map.values()) for place in (0, 1))
    return {
        "map_ratio": round(map_s / typed_s, 1),
        "map_ratios": {name: round(of_map / typed, 1) for name, (typed, of_map) in typed_or_map.items()},
    }


def _fold(client: Client, store: processes.Server) -> float:
    """Make the rollups of all that is over; seconds that the store computed."""
    before = store.cpu_s()
    for made in fold.fold(client, RetentionSettings()):
        _say(f"rollups of {made}")
    keeping.enforce(client, RetentionSettings())
    computed = store.cpu_s() - before
    _settle(client)
    return computed


def _scan(client: Client) -> float:
    """Seconds of an aggregate that reads no table: the fastest of five."""
    each = []
    for _ in range(5):
        started = time.perf_counter()
        client.query_rows("SELECT max(cityHash64(number)) AS h FROM numbers(20000000) SETTINGS max_threads = 1")
        each.append(time.perf_counter() - started)
    return min(each)


def _judging(client: Client, reader: Client, end: datetime, repeats: int) -> tuple[float, float]:
    """Seconds that judging adds to the first answer to a text, and to the next ones."""

    def seconds(question: page_questions.Asked, asking: Client) -> float:
        started = time.perf_counter()
        question.ask(asking)
        return time.perf_counter() - started

    firsts, agains = [], []
    for question in page_questions.windowed(end, "1h"):
        seconds(question, client)  # what it reads is in memory from here on
        first = seconds(question, reader)
        pairs = [(seconds(question, reader), seconds(question, client)) for _ in range(repeats)]
        again = statistics.median(of_reader for of_reader, _ in pairs)
        firsts.append(first - again)
        agains.append(again - statistics.median(of_admin for _, of_admin in pairs))
    return statistics.median(firsts), statistics.median(agains)


def _list(costs: dict[str, Cost]) -> None:
    """Each question on standard error, the dearest first."""
    _say(" wall ms   CPU ms")
    for label in sorted(costs, key=lambda label: -costs[label].wall_s):
        _say(f"{costs[label].wall_s * 1e3:8.1f} {costs[label].cpu_s * 1e3:8.1f}  {label}")


def _columns(client: Client, spans: int) -> dict[str, float]:
    """The twenty columns of all tables that take most bytes a span, packed."""
    rows = client.query_rows(
        "SELECT concat(table, '.', column) AS name, sum(column_bytes_on_disk) AS bytes FROM system.parts_columns "
        "WHERE active AND database = 'otel' GROUP BY name ORDER BY bytes DESC LIMIT 20"
    )
    found = {str(row["name"]): round(int(row["bytes"]) / spans, 2) for row in rows}
    for name, size in found.items():
        _say(f"{size:8.2f} bytes a span  {name}")
    return found


def _profile(client: Client, end: datetime, costs: dict[str, Cost]) -> None:
    """Where the time of the dearest questions goes, on standard error."""
    asked = {question.label: question for question in _every_question(client, end)}
    dearest = sorted(costs, key=lambda label: -costs[label].wall_s)
    for line in question_profile.table(client, [asked[label] for label in dearest]):
        _say(line)


def _load(client: Client, store: processes.Server, rows: int, repeats: int) -> dict[str, float]:
    """Fill the store; returns by what the last hour's cost grew from few spans to all, and seconds it took."""
    traces = rows // SPANS_A_TRACE
    end = datetime.now(UTC).replace(microsecond=0)
    last_hour = max(200, traces // (DAYS * 24))
    few = min(traces // 10, _FEW // SPANS_A_TRACE)
    started = time.monotonic()
    month_of_traces.insert(client, "recent", end - timedelta(hours=1), 3600, 0, last_hour)
    month_of_traces.insert_days(client, "few", end - timedelta(hours=1), last_hour, few - last_hour)
    month_of_traces.insert_long_trace(client, end - timedelta(minutes=5))
    model_prices.refresh(client)
    load_s = time.monotonic() - started
    _settle(client)
    before = _last_hour(client, store, repeats) if repeats else {}
    started = time.monotonic()
    month_of_traces.insert_days(client, "rest", end - timedelta(hours=1), few, traces - few)
    load_s += time.monotonic() - started
    _settle(client)
    pack_cpu_s = _pack(client, store)
    if not repeats:
        return {"load_s": round(load_s), "pack_cpu_s": round(pack_cpu_s, 1)}
    after = _last_hour(client, store, repeats)
    for label in sorted(after, key=lambda label: before[label].wall_s - after[label].wall_s)[:8]:
        _say(f"growth: {before[label].wall_s * 1e3:.1f} to {after[label].wall_s * 1e3:.1f} ms  {label}")
    wall = [sum(cost.wall_s for cost in costs.values()) for costs in (before, after)]
    computed = [sum(cost.cpu_s for cost in costs.values()) for costs in (before, after)]
    return {
        "growth_last_hour": round(wall[1] / wall[0], 2),
        "growth_last_hour_cpu": round(computed[1] / computed[0], 2),
        "load_s": round(load_s),
        "pack_cpu_s": round(pack_cpu_s, 1),
    }


def _pack(client: Client, store: processes.Server) -> float:
    """Pack the days that are over, as merges do for a janitor in the next hours; seconds that the store computed."""
    before = store.cpu_s()
    retention.apply(client, RetentionSettings())
    unpacked = (
        "SELECT DISTINCT table, partition_id FROM system.parts WHERE active AND database = currentDatabase() "
        "AND has({tables:Array(String)}, table) AND recompression_ttl_info.max[1] < now() "
        "AND default_compression_codec != {codec:String} ORDER BY ALL"
    )
    told = "SELECT count() AS n FROM system.mutations WHERE NOT is_done"
    while client.query_rows(told)[0]["n"]:
        time.sleep(0.5)
    for part in client.query_rows(unpacked, {"tables": list(retention.PACKED), "codec": retention.PACKED_CODEC}):
        client.command(f"OPTIMIZE TABLE {part['table']} PARTITION ID '{part['partition_id']}' FINAL")
        _say(f"packed {part['table']} of {part['partition_id']}")
    computed = store.cpu_s() - before
    _settle(client)
    return computed


def _settle(client: Client, timeout_s: float = 300) -> None:
    """Wait until no merge runs: what a store does in the seconds after a load is not what a page waits for."""
    deadline, quiet = time.monotonic() + timeout_s, 0
    while quiet < 4 and time.monotonic() < deadline:
        busy = client.query_rows("SELECT count() AS n FROM system.merges")[0]["n"]
        quiet = 0 if busy else quiet + 1
        time.sleep(0.5)


def _end(client: Client) -> datetime:
    row = client.query_rows("SELECT toUnixTimestamp(max(Timestamp)) AS newest FROM requests")[0]
    return datetime.fromtimestamp(int(row["newest"]) + 1, UTC)


def _rolled_questions(client: Client, end: datetime) -> list[page_questions.Asked]:
    """Those that rollups can answer: of the windows that are long enough, and not narrowed to what rollups lack."""
    return [question for question in _questions(client, end) if _ROLLED.fullmatch(question.label)]


def _every_question(client: Client, end: datetime, match: str = "") -> list[page_questions.Asked]:
    return [question for question in _questions(client, end) if re.search(match, question.label)]


def _questions(client: Client, end: datetime) -> Iterable[page_questions.Asked]:
    middle = Filters(start=end - timedelta(days=15), end=end - timedelta(days=15) + timedelta(hours=1))
    row = request_lists.traces(client, middle, limit=1)[0]
    for window in page_questions.WINDOWS:
        yield from page_questions.windowed(end, window)
    yield from page_questions.of_a_trace(row["trace_id"], row["span_id"])
    yield from page_questions.of_the_store()


def _last_hour(client: Client, store: processes.Server, repeats: int) -> dict[str, Cost]:
    """The fastest of several answers to each question of the last hour."""
    asked = [*page_questions.windowed(_end(client), "1h"), *page_questions.of_the_store()]
    return _timed(client, store, asked, 2 * repeats, fastest=True)


def _timed(
    client: Client,
    store: processes.Server,
    asked: Iterable[page_questions.Asked],
    repeats: int,
    *,
    fastest: bool = False,
) -> dict[str, Cost]:
    """Label to the median (or the fastest) of `repeats` answers and what one computed; one not measured goes before."""
    costs = {}
    for number, question in enumerate(asked, 1):
        try:
            question.ask(client)
        except StoreBusy as exc:  # the memory that a statement of a reader may take
            _say(f"{question.label} fails: {exc}")
            continue
        each = []
        computed = store.cpu_s()
        for _ in range(repeats):
            started = time.perf_counter()
            question.ask(client)
            each.append(time.perf_counter() - started)
        computed = (store.cpu_s() - computed) / repeats
        costs[question.label] = Cost(min(each) if fastest else statistics.median(each), computed)
        if number % 50 == 0:
            _say(f"{number} questions timed")
    return costs


def _long_trace(client: Client) -> None:
    spans = queries.trace_spans(client, LONG_TRACE, limit=LONG_TRACE_SPANS)
    if len(spans) != LONG_TRACE_SPANS:
        raise RuntimeError(f"{len(spans)} spans of the long trace were read, {LONG_TRACE_SPANS} are there")


def _typed_or_map(client: Client, end: datetime, repeats: int) -> dict[str, tuple[float, float]]:
    """Question to its seconds of the typed table and of the Map, over all days. Both must answer the same."""
    params = Filters(start=end - timedelta(days=DAYS), end=end).params()
    found = {}
    for file in sorted((_SQL / "typed_or_map").glob("*.sql")):
        answers, medians = [], []
        for sql, times in zip(file.read_text().split(";\n"), (repeats, 2), strict=False):
            answers.append(client.query_rows(sql, params))
            each = []
            for _ in range(times):
                started = time.perf_counter()
                client.query_rows(sql, params)
                each.append(time.perf_counter() - started)
            medians.append(statistics.median(each))
        if answers[0] != answers[1]:
            raise RuntimeError(f"{file.stem}: the typed table and the Map answer differently: {answers}")
        found[file.stem] = (medians[0], medians[1])
        _say(f"{file.stem}: {medians[0] * 1e3:.1f} ms typed, {medians[1] * 1e3:.0f} ms of the Map")
    return found


def _p95(seconds: dict[str, float]) -> float:
    return statistics.quantiles(seconds.values(), n=20, method="inclusive")[-1]


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 1)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

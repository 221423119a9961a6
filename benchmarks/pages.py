"""How long the pages take in a browser, over the store of `query.py`: 10 million spans of 30 days.

Every page is opened by its address in Chromium, with its files in the browser's cache, and its first chart, table, card
or waterfall is waited for (`chromium.py` says how); of several openings the median counts. p95_ms and worst_ms are over
all pages and windows, server_p95_ms is the same of what the server took, and cpu_p95_ms of what the process of the
pages computed for one opening, which neighbours on the machine do not lengthen (store and browser are not in it).
trace_50000_ms is a trace of 50,000 spans, compared_ms are two traces side by side. fresh_first_paint_ms is the first
paint of a browser with an empty cache on a process of the pages that has just begun to listen, fresh_shown_ms its first
chart, card or table.

The store is built by `query.py --data FOLDER`, and is kept and used again with --data here. Rollups that it lacks are
made first, as a janitor does. Windows of a store that was built earlier hold only what is in them: those that are empty
are left out. With fewer rows nothing is kept.
Usage: python benchmarks/pages.py [--rows N] [--data FOLDER] [--repeats N]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import page_questions
import processes
import results
from chromium import Chromium, Paint
from month_of_traces import LONG_TRACE

from sightline_node.readers import keys
from sightline_node.readers.roles import Role
from sightline_store.client import Client
from sightline_store.questions import request_lists
from sightline_store.questions.asking import Filters
from sightline_store.rollups import fold
from sightline_store.settings import RetentionSettings, StoreSettings

_WHOLE = 10_000_000  # with fewer rows nothing is kept
_WINDOWS = ("1h", "24h", "30d")
_PAGES = ("", "latency", "traces", "sessions", "cost", "retrieval", "quality", "review", "pipeline")
_FRESH = 3
_NAMES = {"": "overview"}


def main() -> None:
    """Build the store where it is not there, open the pages, print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=_WHOLE, help="spans in the store (default: 10 million)")
    parser.add_argument("--data", type=Path, help="folder of the store, as of query.py; it is kept")
    parser.add_argument("--repeats", type=int, default=3, help="times that each page is opened (default: 3)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder: Path = args.data or Path(name)
        _build(folder, args.rows)
        admin_key, reader_key = (keys.create(folder / "store", "bench", role) for role in (Role.ADMIN, Role.READER))
        store, url = processes.store(folder)
        with store:
            client = Client(StoreSettings(url=url, timeout_s=600, password=admin_key))
            for made in fold.fold(client, RetentionSettings()):
                print(f"rollups of {made}", file=sys.stderr)
            _evaluate_alerts(url, admin_key, folder)
            spans = int(client.query_rows("SELECT count() AS n FROM otel_traces")[0]["n"])
            env = {"SIGHTLINE_STORE_URL": url, "SIGHTLINE_STORE_PASSWORD": reader_key}
            result = {"bench": "pages", "rows": spans, **_measured(client, folder, env, args.repeats)}
            version = str(client.query_rows("SELECT version() AS v")[0]["v"])
    if spans >= _WHOLE:  # a store of --data may hold fewer than are asked for
        results.keep(result, clickhouse=version)
    else:
        print(json.dumps(result))


def _build(folder: Path, rows: int) -> None:
    """Load the spans; a store that has them is left as it is."""
    query = Path(__file__).with_name("query.py")
    given = ["--rows", str(rows), "--data", str(folder), "--repeats", "0"]
    subprocess.run([sys.executable, str(query), *given], check=True, stdout=sys.stderr)


def _evaluate_alerts(url: str, admin_key: str, folder: Path) -> None:
    """Once, so that the page of alerts has states to show."""
    env = {
        "SIGHTLINE_STORE_URL": url,
        "SIGHTLINE_STORE_PASSWORD": admin_key,
        "SIGHTLINE_ALERTS_STATE_DIR": str(folder / "alerts"),
    }
    command = [processes.console_script("sightline-dashboards"), "alerts", "run", "--once"]
    subprocess.run(command, env=os.environ | env, check=True, stderr=subprocess.DEVNULL)


def _measured(
    client: Client, folder: Path, env: dict[str, str], repeats: int
) -> dict[str, str | float | int | dict[str, list[float]]]:
    fresh = [_fresh(folder, env) for _ in range(_FRESH)]
    with _pages(folder, env) as (address, server), tempfile.TemporaryDirectory() as profile:
        browser = Chromium(Path(profile))
        try:
            browser.open(address)  # its files are in the cache from here on
            paints, computed = {}, {}
            for name, path in _addresses(client):
                before_s = server.cpu_s()
                paints[name] = _median([browser.open(f"{address}/{path}") for _ in range(repeats)])
                computed[name] = (server.cpu_s() - before_s) / repeats * 1e3
        finally:
            browser.close()
        peak_rss_mib = server.peak_rss_mib
    for name in sorted(paints, key=lambda name: -paints[name].shown_ms):
        paint = paints[name]
        _say(
            f"{paint.shown_ms:8.0f} ms, server {paint.server_ms:6.0f} ms, computed {computed[name]:6.0f} ms, "
            f"whole {paint.done_ms:6.0f} ms  {name}"
        )
    pages = {name: paint for name, paint in paints.items() if name not in {"trace of 50,000 spans", "two traces"}}
    worst = max(pages, key=lambda name: pages[name].shown_ms)
    return {
        "p50_ms": round(statistics.median(paint.shown_ms for paint in pages.values())),
        "p95_ms": round(_p95([paint.shown_ms for paint in pages.values()])),
        "worst_page": worst,
        "worst_ms": round(pages[worst].shown_ms),
        "server_p95_ms": round(_p95([paint.server_ms for paint in pages.values()])),
        "cpu_p95_ms": round(_p95([computed[name] for name in pages])),
        "trace_50000_ms": round(paints["trace of 50,000 spans"].shown_ms),
        "compared_ms": round(paints["two traces"].shown_ms),
        "fresh_first_paint_ms": round(statistics.median(paint.first_ms for paint in fresh)),
        "fresh_shown_ms": round(statistics.median(paint.shown_ms for paint in fresh)),
        "load_average": round(os.getloadavg()[0], 1),
        "dashboards_peak_rss_mib": round(peak_rss_mib),
        "pages": {
            name: [round(paint.shown_ms), round(paint.server_ms), round(computed[name])]
            for name, paint in paints.items()
        },
    }


def _addresses(client: Client) -> Iterator[tuple[str, str]]:
    """Name and path of each page in each window that holds anything, and of the traces."""
    newest = client.query_rows("SELECT toUnixTimestamp(max(Timestamp)) AS newest FROM requests")[0]["newest"]
    end = datetime.now(UTC)
    age = end - datetime.fromtimestamp(int(newest), UTC)
    for window in _WINDOWS:
        if page_questions.WINDOWS[window] <= 2 * age:
            _say(f"the newest request is {age} old: the window {window} is left out")
            continue
        for page in _PAGES:
            yield f"{_NAMES.get(page, page)} {window}", f"{page}?{urlencode({'window': window})}"
    yield "alerts", "alerts"
    last_hour = Filters(start=datetime.fromtimestamp(int(newest), UTC) - timedelta(hours=1), end=end)
    first, second = (row["trace_id"] for row in request_lists.traces(client, last_hour, limit=2))
    yield "trace", f"trace?trace={first}"
    yield "two traces", f"trace?{urlencode({'trace': first, 'with': second})}"
    yield "trace of 50,000 spans", f"trace?trace={LONG_TRACE}"


@contextmanager
def _pages(folder: Path, env: dict[str, str]) -> Iterator[tuple[str, processes.Server]]:
    """A process of the pages that has begun to listen."""
    port = processes.free_port()
    address = f"http://127.0.0.1:{port}"
    command = [processes.console_script("sightline-dashboards")]
    ready = processes.http_ok(f"{address}/_stcore/health")
    settings = {**env, "SIGHTLINE_DASHBOARDS_PORT": str(port)}
    with processes.Server(command, is_ready=ready, log=folder / "dashboards.log", env=settings) as server:
        yield address, server


def _fresh(folder: Path, env: dict[str, str]) -> Paint:
    """The Overview in a browser that knows nothing yet, as the first reader of a process."""
    with tempfile.TemporaryDirectory() as profile:
        browser = Chromium(Path(profile))
        try:
            with _pages(folder, env) as (address, _):
                return browser.open(f"{address}/?window=30d")
        finally:
            browser.close()


def _median(paints: list[Paint]) -> Paint:
    """The median of each."""
    columns = zip(*((p.first_ms, p.shown_ms, p.done_ms, p.server_ms) for p in paints), strict=True)
    return Paint(*(statistics.median(column) for column in columns))


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

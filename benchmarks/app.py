"""What tracing costs the reference application: the same questions, with and without, in turns.

    python benchmarks/app.py [--blocks 10] [--requests 32]

Real parts throughout: Weaviate with the documentation of the standard library, the local model, two copies of the app
(one with tracing into a running collector and store, one with OTEL_SDK_DISABLED=true). Blocks of questions go to one
and the other in turns, so that a noisy neighbour meets both; figures are medians over the pairs of blocks.

- at the model's usual pace (80 tokens/s), two conversations at a time: what tracing adds to the total time of
  the median request (`p50_overhead_pct`) and to its time to the first token;
- with a model that does not pace, eight at a time, all cores busy: the throughput that tracing costs
  (`throughput_loss_pct`). Collector and store run on the same cores, and their work is in it.

The last line is one JSON object; it is kept in benchmarks/results/app.json.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import processes
import results

import sightline_app
from sightline_app.quality import read_questions, shipped

_PACE, _UNPACED = "80", "0"


@dataclass(frozen=True)
class Block:
    """One block of questions to one app: seconds."""

    p50_s: float
    p50_ttft_s: float
    requests_per_s: float


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--blocks", type=int, default=10, help="pairs of blocks for each of the two loads (default: 10)"
    )
    parser.add_argument("--requests", type=int, default=32, help="questions in a block (default: 32)")
    args = parser.parse_args()
    questions = [known.question for known in read_questions(shipped())]
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        backend = _backend(stack, folder)
        _say("reading and indexing the corpus (about a minute)")
        env = {**_inherited(), **backend, "OTEL_SDK_DISABLED": "true"}
        subprocess.run([processes.console_script("sightline-app"), "ingest"], env=env, check=True, capture_output=True)
        paced = _load(folder, backend, questions, args.blocks, args.requests, _PACE, concurrency=2)
        flat_out = _load(folder, backend, questions, args.blocks, args.requests, _UNPACED, concurrency=8)
    results.keep(
        {
            "bench": "app",
            "p50_overhead_pct": _percent(paced, "p50_s"),
            "ttft_p50_overhead_pct": _percent(paced, "p50_ttft_s"),
            "throughput_loss_pct": -_percent(flat_out, "requests_per_s"),
            "flat_out_p50_overhead_pct": _percent(flat_out, "p50_s"),
            "p50_ms": round(1000 * statistics.median(traced.p50_s for traced, _ in paced), 1),
            "requests_per_s": round(statistics.median(traced.requests_per_s for traced, _ in flat_out), 1),
            "requests": 4 * args.blocks * args.requests,
        },
        app=sightline_app.__name__,
        retrieval="weaviate" if "WEAVIATE_URL" in backend else "clickhouse",
    )


def _backend(stack: contextlib.ExitStack, folder: Path) -> dict[str, str]:
    """Store, collector and Weaviate; the settings by which an app finds them."""
    server, store_url = processes.store(folder)
    stack.enter_context(server)
    http, grpc = processes.free_port(), processes.free_port()
    collector = {
        "SIGHTLINE_COLLECTOR_HTTP_PORT": str(http),
        "SIGHTLINE_COLLECTOR_GRPC_PORT": str(grpc),
        "SIGHTLINE_COLLECTOR_SPOOL_DIR": str(folder / "spool"),
        "SIGHTLINE_STORE_URL": store_url,
    }
    collector_url = f"http://127.0.0.1:{http}"
    command = [processes.console_script("sightline-collector"), "serve"]
    ready = processes.http_ok(f"{collector_url}/healthz")
    stack.enter_context(processes.Server(command, is_ready=ready, log=folder / "collector.log", env=collector))
    settings = {
        "SIGHTLINE_APP_DATA_DIR": str(folder / "app"),
        "SIGHTLINE_STORE_URL": store_url,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector_url,
    }
    found = subprocess.run(
        [processes.console_script("sightline-weaviate"), "--find-only"], check=False, capture_output=True
    )
    if found.returncode != 0:
        _say("no Weaviate here: retrieval inside ClickHouse")
        return {**settings, "SIGHTLINE_RETRIEVAL": "clickhouse"}
    weaviate = {
        "SIGHTLINE_WEAVIATE_PORT": str(processes.free_port()),
        "SIGHTLINE_WEAVIATE_GRPC_PORT": str(processes.free_port()),
        "SIGHTLINE_WEAVIATE_DATA_DIR": str(folder / "weaviate"),
    }
    url = f"http://127.0.0.1:{weaviate['SIGHTLINE_WEAVIATE_PORT']}"
    ready = processes.http_ok(f"{url}/v1/.well-known/ready")
    command = [processes.console_script("sightline-weaviate")]
    stack.enter_context(processes.Server(command, is_ready=ready, log=folder / "weaviate.log", env=weaviate))
    return {**settings, "WEAVIATE_URL": url, "WEAVIATE_GRPC_PORT": weaviate["SIGHTLINE_WEAVIATE_GRPC_PORT"]}


def _load(
    folder: Path,
    backend: dict[str, str],
    questions: Sequence[str],
    blocks: int,
    requests: int,
    pace: str,
    concurrency: int,
) -> list[tuple[Block, Block]]:
    """Pairs of blocks, with tracing and without."""
    measured: list[tuple[Block, Block]] = []
    with _apps(folder, backend, pace) as urls:
        for url in urls.values():  # connections, caches and prices are made once
            asyncio.run(_block(url, questions[:requests], concurrency))
        for number in range(blocks):
            start = number * requests % len(questions)
            asked = [*questions, *questions][start : start + requests]
            order = ("traced", "untraced") if number % 2 == 0 else ("untraced", "traced")
            found = {name: asyncio.run(_block(urls[name], asked, concurrency)) for name in order}
            measured.append((found["traced"], found["untraced"]))
            told = "  ".join(f"{name} {found[name].p50_s * 1000:.0f} ms" for name in sorted(found))
            _say(f"block {number + 1} of {blocks}, {concurrency} at a time, p50: {told}")
    return measured


@contextlib.contextmanager
def _apps(folder: Path, backend: dict[str, str], pace: str) -> Iterator[dict[str, str]]:
    """The model and two copies of the app; their addresses by name."""
    model = processes.free_port()
    backend = {**backend, "SIGHTLINE_MODEL": "extractive"}  # its pace is a setting
    env = {"SIGHTLINE_MODEL_PORT": str(model), "SIGHTLINE_MODEL_TOKENS_PER_S": pace, **backend}
    env |= {"SIGHTLINE_MODEL_PREFILL_TOKENS_PER_S": "1000000"} if pace == _UNPACED else {}
    with contextlib.ExitStack() as stack:
        ready = processes.http_ok(f"http://127.0.0.1:{model}/healthz")
        command = [processes.console_script("sightline-model")]
        stack.enter_context(processes.Server(command, is_ready=ready, log=folder / "model.log", env=env))
        urls = {}
        for name, extra in (("traced", {}), ("untraced", {"OTEL_SDK_DISABLED": "true"})):
            port = processes.free_port()
            urls[name] = f"http://127.0.0.1:{port}"
            env = {
                **backend,
                **extra,
                "SIGHTLINE_APP_PORT": str(port),
                "OPENAI_BASE_URL": f"http://127.0.0.1:{model}/v1",
                "OPENAI_API_KEY": "local",
            }
            ready = processes.http_ok(f"{urls[name]}/healthz")
            command = [processes.console_script("sightline-app"), "serve"]
            stack.enter_context(processes.Server(command, is_ready=ready, log=folder / f"{name}.log", env=env))
        yield urls


async def _block(url: str, questions: Sequence[str], concurrency: int) -> Block:
    """Ask them all and wait for every answer's end."""
    waiting = iter(questions)
    totals: list[float] = []
    ttfts: list[float] = []

    async def worker(client: httpx.AsyncClient) -> None:
        for question in waiting:
            begun, first = time.perf_counter(), 0.0
            async with client.stream("POST", f"{url}/v1/chat", json={"question": question}) as answer:
                answer.raise_for_status()
                async for line in answer.aiter_lines():
                    if not first and line == "event: token":
                        first = time.perf_counter()
                    if line == "event: error":
                        raise SystemExit(f"the app at {url} failed to answer {question!r}")
            totals.append(time.perf_counter() - begun)
            ttfts.append(first - begun)

    begun = time.perf_counter()
    async with httpx.AsyncClient(timeout=60) as client:
        await asyncio.gather(*(worker(client) for _ in range(concurrency)))
    return Block(statistics.median(totals), statistics.median(ttfts), len(questions) / (time.perf_counter() - begun))


def _percent(pairs: Sequence[tuple[Block, Block]], figure: str) -> float:
    """By how many percent the traced app's figure is above the other's: the median over the pairs."""
    return round(
        100 * statistics.median(getattr(ours, figure) / getattr(plain, figure) - 1 for ours, plain in pairs), 2
    )


def _inherited() -> dict[str, str]:
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("SIGHTLINE_", "OTEL_", "WEAVIATE_"))
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

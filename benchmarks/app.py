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
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import backend
import httpx
import results

import sightline_app
from sightline_app.quality import read_questions
from sightline_demo_corpus import questions_file

_PACE = "80"


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
    questions = [known.question for known in read_questions(questions_file())]
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        settings = backend.start(stack, folder)
        backend.ingest(settings)
        paced = _load(folder, settings, questions, args.blocks, args.requests, _PACE, concurrency=2)
        flat_out = _load(folder, settings, questions, args.blocks, args.requests, backend.UNPACED, concurrency=8)
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
        retrieval="weaviate" if "WEAVIATE_URL" in settings else "clickhouse",
    )


def _load(
    folder: Path,
    settings: dict[str, str],
    questions: Sequence[str],
    blocks: int,
    requests: int,
    pace: str,
    concurrency: int,
) -> list[tuple[Block, Block]]:
    """Pairs of blocks, with tracing and without."""
    measured: list[tuple[Block, Block]] = []
    with _apps(folder, settings, pace) as urls:
        for url in urls.values():  # connections, caches and prices are made once
            asyncio.run(_block(url, questions[:requests], concurrency))
        for number in range(blocks):
            start = number * requests % len(questions)
            asked = [*questions, *questions][start : start + requests]
            order = ("traced", "untraced") if number % 2 == 0 else ("untraced", "traced")
            found = {name: asyncio.run(_block(urls[name], asked, concurrency)) for name in order}
            measured.append((found["traced"], found["untraced"]))
            told = "  ".join(f"{name} {found[name].p50_s * 1000:.0f} ms" for name in sorted(found))
            backend.say(f"block {number + 1} of {blocks}, {concurrency} at a time, p50: {told}")
    return measured


@contextlib.contextmanager
def _apps(folder: Path, settings: dict[str, str], pace: str) -> Iterator[dict[str, str]]:
    """The model and two copies of the app; their addresses by name."""
    with contextlib.ExitStack() as stack:
        settings = {**settings, **backend.model(stack, folder, pace)}
        yield {
            "traced": backend.app(stack, folder, "traced", settings).url,
            "untraced": backend.app(stack, folder, "untraced", {**settings, "OTEL_SDK_DISABLED": "true"}).url,
        }


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


if __name__ == "__main__":
    main()

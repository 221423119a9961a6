"""Requests per second and time to the first token of the reference application, beside a LangChain chain.

    python benchmarks/rag.py [--rounds 6] [--requests 200] [--concurrency 50]

One store, collector, Weaviate (the documentation of the standard library) and model server for all. The model is the
extractive one and does not pace, so what is measured is the work of the application around it. All of it shares the
machine's cores, the client of this benchmark too. Four applications answer the same questions, in turns, so that a
noisy neighbour meets all of them:

- `app`: the reference application with its defaults: questions are embedded in batches, no answer cache;
- `unbatched`: the same, but each question is embedded alone;
- `cached`: the same as `app` with the answer cache, which has seen every question before;
- `langchain`: benchmarks/langchain_app.py, traced by `sightline.instrument()` (OpenInference) into the same collector.

Rates are medians over the rounds, `ratio` is the median of app / langchain within a round, percentiles of the time to
the first token are over the requests of all rounds, from the client's clock. `cache_hit_ttft_ms` is the median of the
hits among the `cached` requests, under the same load; `cache_hit_alone_ttft_ms` that of hits that are asked one by one.

The last line is one JSON object; it is kept in benchmarks/results/rag.json.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import backend
import peers
import processes
import results
from streamed_answers import Streamed, ask_all, percentile

from sightline_app.index import read_manifest
from sightline_app.quality import read_questions
from sightline_demo_corpus import questions_file


@dataclass
class Contender:
    """One application and what was measured of it."""

    running: backend.Running
    rates: list[float] = field(default_factory=list)
    """Requests per second of each round."""
    answers: list[Streamed] = field(default_factory=list)
    cpu_s: float = 0.0

    def ask(self, questions: Sequence[str], concurrency: int) -> None:
        """Measure one round."""
        cpu_s, begun = self.running.server.cpu_s(), time.perf_counter()
        answers = asyncio.run(ask_all(self.running.url, questions, concurrency))
        self.rates.append(len(answers) / (time.perf_counter() - begun))
        self.cpu_s += self.running.server.cpu_s() - cpu_s
        self.answers += answers

    def figures(self, prefix: str = "") -> dict[str, float]:
        """Return the rate, the percentiles and the CPU time, with a prefix before each name."""
        times = [each.ttft_s for each in self.answers]
        told = {
            "rps": statistics.median(self.rates),
            "ttft_p50_ms": 1000 * percentile(times, 0.50),
            "ttft_p95_ms": 1000 * percentile(times, 0.95),
            "cpu_ms_per_request": 1000 * self.cpu_s / len(self.answers),
            "tokens_per_answer": statistics.mean(each.tokens for each in self.answers),
        }
        return {f"{prefix}{name}": round(value, 1) for name, value in told.items()}


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6, help="blocks of questions for each application (default: 6)")
    parser.add_argument("--requests", type=int, default=200, help="questions in a block (default: 200)")
    parser.add_argument("--concurrency", type=int, default=50, help="streams at the same time (default: 50)")
    args = parser.parse_args()
    questions = [known.question for known in read_questions(questions_file())]
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        settings = backend.start(stack, folder)
        if "WEAVIATE_URL" not in settings:
            raise SystemExit("both applications search in Weaviate: run `sightline-weaviate --install-only`")
        backend.ingest(settings)
        contenders, versions = _contenders(stack, folder, settings)
        for which, contender in contenders.items():
            backend.say(f"{which}: each question once, unmeasured")
            asyncio.run(ask_all(contender.running.url, questions, args.concurrency))
        _measure(contenders, questions, args.rounds, args.requests, args.concurrency)
        alone = asyncio.run(ask_all(contenders["cached"].running.url, questions, 1))
        passages = read_manifest(folder / "app").passages
    results.keep(_result(contenders, alone, args.concurrency, passages), **versions)


def _contenders(
    stack: contextlib.ExitStack, folder: Path, settings: dict[str, str]
) -> tuple[dict[str, Contender], dict[str, str]]:
    """Start the applications; also the versions of what they are made of."""
    settings = {**settings, **backend.model(stack, folder, backend.UNPACED), "SIGHTLINE_APP_STATE": "process"}
    unbatched = {"SIGHTLINE_EMBEDDING_BATCH_SIZE": "1", "SIGHTLINE_EMBEDDING_BATCH_WAIT_MS": "0"}
    of_copies: dict[str, dict[str, str]] = {
        "app": {},
        "unbatched": unbatched,
        "cached": {"SIGHTLINE_APP_CACHE": "true"},
    }
    running = {name: backend.app(stack, folder, name, {**settings, **changes}) for name, changes in of_copies.items()}
    python, versions = peers.langchain()
    port = processes.free_port()
    collection = read_manifest(folder / "app").collection
    command = [str(python), str(Path(__file__).with_name("langchain_app.py")), str(port), collection]
    url = f"http://127.0.0.1:{port}"
    ready = processes.http_ok(f"{url}/healthz")
    server = processes.Server(command, is_ready=ready, log=folder / "langchain.log", env=settings)
    running["langchain"] = backend.Running(url, stack.enter_context(server))
    versions |= {name: metadata.version(name) for name in ("weaviate-client", "openai", "fastapi", "onnxruntime")}
    return {name: Contender(each) for name, each in running.items()}, versions


def _measure(
    contenders: dict[str, Contender], questions: Sequence[str], rounds: int, requests: int, concurrency: int
) -> None:
    names = list(contenders)
    for number in range(rounds):
        asked = [questions[(number * requests + place) % len(questions)] for place in range(requests)]
        first = number % len(names)
        for which in names[first:] + names[:first]:
            contenders[which].ask(asked, concurrency)
        told = "  ".join(f"{which} {each.rates[-1]:.1f}/s" for which, each in contenders.items())
        backend.say(f"round {number + 1} of {rounds}: {told}")


def _result(
    contenders: dict[str, Contender], alone: Sequence[Streamed], concurrency: int, passages: int
) -> dict[str, Any]:
    app, chain, cached = contenders["app"], contenders["langchain"], contenders["cached"]
    hits = [each.ttft_s for each in cached.answers if not each.output_tokens]
    hits_alone = [each.ttft_s for each in alone if not each.output_tokens]
    ratio = statistics.median(ours / theirs for ours, theirs in zip(app.rates, chain.rates, strict=True))
    return {
        "bench": "rag",
        **app.figures(),
        "langchain_rps": round(statistics.median(chain.rates), 1),
        "ratio": round(ratio, 2),
        "cache_hit_ttft_ms": round(1000 * percentile(hits, 0.5), 1),
        "cache_hit_alone_ttft_ms": round(1000 * percentile(hits_alone, 0.5), 1),
        "cache_hit_share": round(len(hits) / len(cached.answers), 3),
        **chain.figures("langchain_"),
        **contenders["unbatched"].figures("unbatched_"),
        **cached.figures("cached_"),
        "concurrency": concurrency,
        "requests": sum(len(each.answers) for each in contenders.values()),
        "passages": passages,
    }


if __name__ == "__main__":
    main()

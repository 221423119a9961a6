"""What the reference backend's guardrails catch, what they flag by mistake, and what they cost.

    python benchmarks/guardrails.py [--corpus FILE]

Catch and false-alarm rates on the shipped labelled set, for the half that the rules were developed on and for the half
that was held out; false alarms on the documentation of the standard library, passage by passage; time for each text;
and how many characters of an answer wait, where the documentation is streamed as answers, token by token. The last line
is one JSON object; it is kept in benchmarks/results/guardrails.json.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import results
from tqdm import tqdm

from sightline_app.corpus import Passage, read_passages
from sightline_app.guardrails import AnswerGuard, QuestionRules, passage_injection
from sightline_app.guardrails.examples import read_examples, shipped
from sightline_app.guardrails.measurement import as_json, measure
from sightline_app.model_server.extractive import tokens
from sightline_app.prompt import SYSTEM
from sightline_demo_corpus.standard_library import StandardLibrary

_KINDS = ("email", "phone", "iban", "card", "national_id")


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, help="passages as `ingest` writes them (default: read the docs anew)")
    corpus: Path | None = parser.parse_args().corpus
    examples = read_examples(shipped())
    rules = QuestionRules()
    with _bar(len(examples), "labelled set") as bar:
        begun = time.process_time()
        found = measure(examples, rules, lambda: bar.update(1))
        per_example_us = 1e6 * (time.process_time() - begun) / len(examples)
    passages = read_passages(corpus) if corpus else StandardLibrary().passages(lambda done, total: None)
    results.keep(
        {
            "bench": "guardrails",
            **as_json(found),
            "us_per_labelled_text": round(per_example_us, 1),
            "documentation": _documentation(passages),
            "stream": _stream(passages),
        }
    )


def _bar(total: int, what: str) -> Any:
    return tqdm(total=total, desc=what, file=sys.stderr, disable=not sys.stderr.isatty())


def _documentation(passages: list[Passage]) -> dict[str, Any]:
    """False alarms of the passage guard, and its time."""
    texts = [f"{each.title}\n{each.text}" for each in passages]
    flagged = 0
    begun = time.process_time()
    with _bar(len(texts), "documentation") as bar:
        for text in texts:
            flagged += passage_injection(text).flagged
            bar.update(1)
    took_s = time.process_time() - begun
    chars = sum(map(len, texts))
    return {
        "passages": len(texts),
        "flagged": flagged,
        "us_per_passage": round(1e6 * took_s / len(texts), 1),
        "ns_per_char": round(1e9 * took_s / chars, 1),
    }


def _stream(passages: list[Passage]) -> dict[str, Any]:
    """How many tokens pass before the first text leaves, and how many characters wait, over streamed documentation."""
    waits: list[int] = []
    held: list[int] = []
    most: list[int] = []
    pieces = 0
    begun = time.process_time()
    chosen = passages[::5]
    with _bar(len(chosen), "stream") as bar:
        for passage in chosen:
            guard = AnswerGuard(find_secrets=True, kinds=_KINDS, prompt=SYSTEM)
            sent = received = waited = 0
            for piece in tokens(passage.text):
                pieces += 1
                received += len(piece)
                sent += len(guard.feed(piece))
                waited += not sent
                held.append(received - sent)
            guard.finish()
            waits.append(waited)
            most.append(guard.most_held_chars)
            bar.update(1)
    return {
        "answers": len(chosen),
        "us_per_token": round(1e6 * (time.process_time() - begun) / pieces, 2),
        "tokens_before_first_text_p50": statistics.median(waits),
        "tokens_before_first_text_p95": sorted(waits)[int(0.95 * len(waits))],
        "held_chars_p50": statistics.median(held),
        "held_chars_p95": sorted(held)[int(0.95 * len(held))],
        "most_held_chars_p95": sorted(most)[int(0.95 * len(most))],
    }


if __name__ == "__main__":
    main()

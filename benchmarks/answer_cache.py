"""Which similarity two questions must have before one may get the other's cached answer.

    python benchmarks/answer_cache.py

Questions are embedded by all-MiniLM-L6-v2 at the precision of the settings, as the application does. For each
threshold:

- `retyped`: share of the shipped questions that still hit when they are typed differently: case, end mark, greeting;
- `paraphrases`: share of the pairs in answer_cache_pairs.jsonl that mean the same in other words and hit;
- `different`: share of the pairs there that differ in one word that matters, and hit: wrong answers, made to be hard;
- `strangers`: share of the shipped questions that hit another shipped question without a right passage in common.

A hit also needs the same words, as the default is (`same`). `any` leaves that out, and `vectors` the rule that numbers,
names of code, quoted texts and negations must be the same, too. The last line is one JSON object; it is kept in
benchmarks/results/answer_cache.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import results
from numpy.typing import NDArray

from sightline_app.embeddings.minilm import MiniLM
from sightline_app.quality import read_questions
from sightline_app.settings import AppSettings
from sightline_app.stages.cache import content_words, marks
from sightline_demo_corpus import questions_file

_PAIRS = Path(__file__).with_name("answer_cache_pairs.jsonl")
_THRESHOLDS = (0.85, 0.9, 0.93, 0.95, 0.96, 0.97, 0.98, 0.99)
Pair = tuple[str, str]


def retyped(question: str) -> list[Pair]:
    """Return a question with what people type differently."""
    plain = question.rstrip("?.! ")
    others = [question.lower(), plain, f"{plain}?", f"Hi, {question}", f"{plain}, please?"]
    return [(question, other) for other in others if other != question]


def read_pairs(kind: str) -> list[Pair]:
    """Return the written pairs of a kind: `paraphrase` or `different`."""
    rows = [json.loads(line) for line in _PAIRS.read_text(encoding="utf-8").splitlines()]
    return [(row["one"], row["other"]) for row in rows if row["kind"] == kind]


class Bench:
    """Similarities of questions."""

    def __init__(self) -> None:
        settings = AppSettings.from_env()
        self.embedding = MiniLM(settings.minilm, settings.cache_dir)
        self._vectors: dict[str, NDArray[np.float32]] = {}

    def vector(self, text: str) -> NDArray[np.float32]:
        """Return the vector of a question."""
        if text not in self._vectors:
            self._vectors[text] = asyncio.run(self.embedding.embed_question(text)).vector
        return self._vectors[text]

    def similarities(self, pairs: list[Pair], rule: str) -> NDArray[np.float64]:
        """Return float64[pairs]: the cosine, or -1 where a rule keeps them apart."""
        found = []
        for one, other in pairs:
            apart = (rule != "vectors" and marks(one) != marks(other)) or (
                rule == "same" and content_words(one) != content_words(other)
            )
            found.append(-1.0 if apart else float(self.vector(one) @ self.vector(other)))
        return np.array(found)

    def strangers(self, rule: str) -> NDArray[np.float64]:
        """Return float64[questions]: the nearest other question that has another answer."""
        known = [each for each in read_questions(questions_file()) if each.names]
        nearest = []
        for each in known:
            others = [(each.question, other.question) for other in known if not each.names & other.names]
            nearest.append(self.similarities(others, rule).max())
        return np.array(nearest)


def main() -> None:
    """Measure, print and keep."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    bench = Bench()
    questions = [each.question for each in read_questions(questions_file())]
    typed = [pair for question in questions for pair in retyped(question)]
    sets: dict[str, NDArray[np.float64]] = {}
    for rule in ("same", "any", "vectors"):
        sets[f"retyped {rule}"] = bench.similarities(typed, rule)
        sets[f"paraphrases {rule}"] = bench.similarities(read_pairs("paraphrase"), rule)
        sets[f"different {rule}"] = bench.similarities(read_pairs("different"), rule)
        sets[f"strangers {rule}"] = bench.strangers(rule)
    shares = {
        str(threshold): {name: round(float((found >= threshold).mean()), 4) for name, found in sets.items()}
        for threshold in _THRESHOLDS
    }
    for threshold, share in shares.items():
        print(threshold, share)
    counts = {name: len(found) for name, found in sets.items()}
    highest = {name: round(float(found.max()), 4) for name, found in sets.items()}
    results.keep(
        {"bench": "answer_cache", "shares": shares, "pairs": counts, "highest": highest},
        embedding=f"{bench.embedding.name} {bench.embedding.version}",
        onnxruntime=version("onnxruntime"),
    )


if __name__ == "__main__":
    main()

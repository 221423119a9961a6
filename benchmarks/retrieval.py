"""How well the reference application finds passages, and what each part of its retrieval adds.

    python benchmarks/retrieval.py [--mtrag FOLDER] [--data FOLDER] [--passages 2000]

Real parts: the documentation of the standard library, embedded by all-MiniLM-L6-v2 at the precision of the settings, in
a Weaviate that is started for the purpose; hybrid search, then the rerank stage, as the application does both.

- `ablation`: hit@5 on the half of the shipped questions that retrieval was developed on: the search by vectors alone,
  by words alone, by both, and the whole with one signal left out at a time;
- `held_out_hit_at_5`: the whole on the other half, `hit_at_5`: on all questions;
- `int8_overlap_at_10`: which share of a passage's ten nearest neighbours INT8 has in common with FP32;
- with `--mtrag`, the folder of `mtragun_reference.jsonl` of IBM's MTRAG-UN (https://github.com/IBM/mt-rag-benchmark):
  `mtrag`: recall@5 and nDCG@5 of its tasks, whose relevant passages people marked. Its passages are one corpus.
  Without the folder, what an earlier run found stays, with its time (`at`), as with `--passages 0` the precisions.

Vectors are kept in the data folder, so a second run embeds nothing. The last line is one JSON object; it is kept in
benchmarks/results/retrieval.json.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import hashlib
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

import processes
import results

from sightline_app import analysis, embeddings
from sightline_app.corpus import Passage, Source, make_passage
from sightline_app.embeddings.comparison import compare
from sightline_app.embeddings.protocol import passage_text
from sightline_app.index import Steps, ingest, open_retriever, read_corpora, read_manifest, version_folder
from sightline_app.lexicon import Lexicon
from sightline_app.prompt import stand_alone
from sightline_app.quality import Known, RetrievalQuality, is_held_out, rank_of_first, read_questions
from sightline_app.rerank import DEFAULT_WEIGHTS, Weights, rerank
from sightline_app.retriever import Hit
from sightline_app.settings import AppSettings, WeaviateSettings
from sightline_app.vector_stores import weaviate_search
from sightline_app.weaviate_install import find
from sightline_app.weaviate_server import WeaviateProcess
from sightline_demo_corpus import questions_file
from sightline_demo_corpus.standard_library import StandardLibrary

_FIELDS = weaviate_search.FIELD_WEIGHTS


@dataclass(frozen=True)
class Task:
    """A conversation of MTRAG-UN and the passages that people marked as relevant for its last turn."""

    question: str
    relevant: frozenset[str]


class MtRag:
    """The passages of the tasks as one corpus."""

    def __init__(self, folder: Path) -> None:
        path = folder / "mtragun_reference.jsonl"
        self._content = path.read_bytes()
        self._rows = [json.loads(line) for line in self._content.splitlines() if line.strip()]

    def describe(self) -> str:
        """Name the source."""
        return "the passages of MTRAG-UN"

    def fingerprint(self) -> str:
        """Hash of the file."""
        return hashlib.sha256(self._content).hexdigest()[:16]

    def passages(self, progress: Any) -> list[Passage]:
        """Return each passage once."""
        found: dict[str, Passage] = {}
        for row in self._rows:
            for each in row["contexts"]:
                identity = each["document_id"]
                module = identity.partition("-")[0]
                found[identity] = make_passage(
                    title=each.get("title") or "", text=each["text"], names=[identity], module=module, date="2024-01-01"
                )
        progress(1, 1)
        return list(found.values())

    def tasks(self) -> list[Task]:
        """Return the tasks that have relevant passages."""
        return [
            Task(_question(row["input"]), frozenset(each["document_id"] for each in row["contexts"]))
            for row in self._rows
            if row["contexts"]
        ]


def _question(turns: Sequence[dict[str, Any]]) -> str:
    roles = {"user": "user", "agent": "assistant"}
    history = [{"role": roles.get(turn["speaker"], "assistant"), "content": turn["text"]} for turn in turns[:-1]]
    return stand_alone(turns[-1]["text"], history)


class Bench:
    """An index that can be asked in variants."""

    def __init__(self, settings: AppSettings) -> None:
        self.settings = settings
        self.manifest = read_manifest(settings.data_dir)
        folder = version_folder(settings.data_dir, self.manifest.version)
        self.lexicon = Lexicon.load(folder / "lexicon.json")
        self._embedding = embeddings.load(
            self.manifest.embedding, self.manifest.embedding_version, self.manifest.dimensions, folder, settings
        )

    def search(self, questions: Sequence[str], **changes: Any) -> list[list[Hit]]:
        """Return the candidates of each question; `changes` are settings."""

        async def every() -> list[list[Hit]]:
            settings = replace(self.settings, **changes)
            store = open_retriever(settings, self.manifest)
            try:
                found = []
                for question in questions:
                    vector = (await self._embedding.embed_question(question)).vector
                    limit = settings.candidates
                    found.append(await store.search(question, vector, tenant="public", since=None, limit=limit))
                return found
            finally:
                await store.close()

        return asyncio.run(every())

    def rerank(
        self, questions: Sequence[str], found: Sequence[Sequence[Hit]], weights: Weights = DEFAULT_WEIGHTS
    ) -> list[list[Hit]]:
        """Return the five best of each question's candidates."""
        return [rerank(each, hits, self.lexicon, 5, weights) for each, hits in zip(questions, found, strict=True)]


def hit_at_5(known: Sequence[Known], found: Sequence[Sequence[Hit]]) -> float:
    """Return the share of questions with a right passage among the first five."""
    ranks = [rank_of_first(each.names, [hit.names for hit in hits]) for each, hits in zip(known, found, strict=True)]
    return round(RetrievalQuality.of(ranks).hit_at_5, 4)


def ablation(bench: Bench, known: Sequence[Known]) -> dict[str, float]:
    """Return hit@5 of the parts alone, of the whole, and of the whole without each signal."""
    questions = [each.question for each in known]
    searched = bench.search(questions)
    found = {
        "search: vectors alone": hit_at_5(known, bench.search(questions, alpha=1.0)),
        "search: words alone": hit_at_5(known, bench.search(questions, alpha=0.0)),
        "search: both": hit_at_5(known, searched),
        "search and rerank": hit_at_5(known, bench.rerank(questions, searched)),
    }
    for signal in fields(Weights):
        weights = replace(DEFAULT_WEIGHTS, **{signal.name: 0.0})
        found[f"without rerank's {signal.name}"] = hit_at_5(known, bench.rerank(questions, searched, weights))
    for left_out in (each for each in _FIELDS if not each.startswith("text")):
        with mock.patch.object(weaviate_search, "FIELD_WEIGHTS", [each for each in _FIELDS if each != left_out]):
            reduced = bench.rerank(questions, bench.search(questions))
        found[f"without the field {left_out.partition('^')[0]}"] = hit_at_5(known, reduced)
    with (
        mock.patch.object(analysis, "_thesaurus", return_value=()),
        mock.patch.object(analysis, "_PHRASES", []),
    ):
        analysis.related.cache_clear()  # it remembers questions
        found["without the thesaurus"] = hit_at_5(known, bench.rerank(questions, bench.search(questions)))
    analysis.related.cache_clear()
    for name, value in found.items():
        print(f"{name:40} hit@5 {value:.3f}")
    return found


def measure_tasks(bench: Bench, tasks: Sequence[Task]) -> dict[str, Any]:
    """Return recall@5 and nDCG@5 of the search alone and after the rerank stage."""
    questions = [task.question for task in tasks]
    searched = bench.search(questions)
    measured: dict[str, Any] = {"tasks": len(tasks), "passages": bench.manifest.passages}
    for name, found in (("search", searched), ("rerank", bench.rerank(questions, searched))):
        recalls, gains = [], []
        for task, hits in zip(tasks, found, strict=True):
            right = [bool(task.relevant & set(hit.names)) for hit in hits[:5]]
            ideal = sum(1 / math.log2(place + 2) for place in range(min(5, len(task.relevant))))
            recalls.append(sum(right) / len(task.relevant))
            gains.append(sum(each / math.log2(place + 2) for place, each in enumerate(right)) / ideal)
        measured[f"{name}_recall_at_5"] = round(sum(recalls) / len(tasks), 4)
        measured[f"{name}_ndcg_at_5"] = round(sum(gains) / len(tasks), 4)
    print(f"MTRAG-UN {measured}")
    return measured


@contextlib.contextmanager
def weaviate(folder: Path) -> Iterator[WeaviateSettings]:
    """Run a Weaviate on free ports."""
    binary = find(AppSettings.from_env().cache_dir, os.environ.get("PATH"))
    if binary is None:
        sys.exit("no Weaviate server is here; `make weaviate` gets one")
    settings = WeaviateSettings(port=processes.free_port(), grpc_port=processes.free_port(), data_dir=folder)
    process = WeaviateProcess(settings, binary, os.environ)
    try:
        if not process.wait_until_ready(120):
            sys.exit("Weaviate did not get ready within 120 seconds")
        yield settings
    finally:
        process.stop()


def overlap_at_10(passages: Sequence[Passage], limit: int, settings: AppSettings, steps: Steps) -> dict[str, Any]:
    """Return the figures of each precision on a sample of the passages."""
    stride = max(1, -(-len(passages) // limit))
    texts = [passage_text(each) for each in passages[::stride]]
    found = {}
    for each in compare(texts, settings.minilm, settings.cache_dir, steps.step):
        found[str(each.precision)] = {
            "size_mb": round(each.size_bytes / 1e6, 1),
            "passages_per_s": round(each.passages_per_s, 1),
            "question_ms": round(each.question_ms, 1),
            "cosine_mean": round(each.cosine_mean, 5),
            "cosine_least": round(each.cosine_least, 5),
            "overlap_at_10": round(each.overlap, 4),
        }
        print(f"{each.precision} {found[str(each.precision)]}")
    return {"passages": len(texts), **found}


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mtrag", type=Path, help="folder of mtragun_reference.jsonl")
    parser.add_argument(
        "--data", type=Path, default=Path(".sightline/bench-retrieval"), help="where passages and vectors are kept"
    )
    parser.add_argument("--passages", type=int, default=2000, help="passages to compare the precisions on; 0: none")
    args = parser.parse_args()
    steps = Steps()
    with weaviate(args.data / "weaviate") as server:
        settings = replace(
            AppSettings.from_env(),
            retrieval="weaviate",
            local_weaviate_port=server.port,
            local_weaviate_grpc_port=server.grpc_port,
            weaviate_url=None,
        )

        def indexed(source: Source, name: str) -> Bench:
            of_source = replace(settings, data_dir=args.data / name.lower(), collection=name)
            ingest(of_source, source)
            return Bench(of_source)

        library = indexed(StandardLibrary(), "Library")
        known = [each for each in read_questions(questions_file()) if each.names]
        developed = [each for each in known if not is_held_out(each)]
        parts = ablation(library, developed)
        whole = _whole(library)
        held_out = hit_at_5([each for each in known if is_held_out(each)], whole([k for k in known if is_held_out(k)]))
        everything = hit_at_5(known, whole(known))
        at = {"at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")}
        mtrag, precisions = _kept("mtrag"), _kept("precisions")
        if args.mtrag:
            tasks = MtRag(args.mtrag)
            mtrag = at | measure_tasks(indexed(tasks, "Tasks"), tasks.tasks())
        if args.passages:
            passages = read_corpora(library.settings.data_dir)
            precisions = at | overlap_at_10(passages, args.passages, settings, steps)
        steps.close()
    results.keep(
        {
            "bench": "retrieval",
            "hit_at_5": everything,
            "held_out_hit_at_5": held_out,
            "ablation": parts,
            "int8_overlap_at_10": precisions and precisions["int8"]["overlap_at_10"],
            "precisions": precisions,
            "mtrag": mtrag,
            "questions": len(known),
            "passages": library.manifest.passages,
        },
        embedding=f"{library.manifest.embedding} {library.manifest.embedding_version}",
        onnxruntime=version("onnxruntime"),
        tokenizers=version("tokenizers"),
        weaviate_client=version("weaviate-client"),
    )


def _kept(part: str) -> dict[str, Any] | None:
    """Return what an earlier run found of a part, with its time; None where none did."""
    file = results.RESULTS / "retrieval.json"
    if not file.exists():
        return None
    kept = json.loads(file.read_text())
    found: dict[str, Any] | None = kept["result"][part]
    return found and {"at": kept["at"], **found}


def _whole(bench: Bench) -> Callable[[Sequence[Known]], list[list[Hit]]]:
    def found(known: Sequence[Known]) -> list[list[Hit]]:
        questions = [each.question for each in known]
        return bench.rerank(questions, bench.search(questions))

    return found


if __name__ == "__main__":
    main()

"""Real retrieval for the drift benchmark: passages, questions, and what each would find in several states of an index.

Passages are of the standard library's documentation, questions the shipped ones and titles of passages. Both are
embedded with the application's own all-MiniLM-L6-v2 (FP32 and INT8) and with its lexical embedding; a search is exact
cosine.
"""

from __future__ import annotations

import json
import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline import sketch
from sightline_app.embeddings.lexical import LexicalEmbedding
from sightline_app.embeddings.minilm import MiniLM
from sightline_app.lexicon import Lexicon, weighted_terms
from sightline_app.settings import MiniLMSettings
from sightline_demo_corpus import questions_file
from sightline_demo_corpus.standard_library import StandardLibrary

DEPTH = 10
_PASSAGES = 900
_PASSAGE_CHARS = 300
_TITLES = 500
_TOPICS = 8
_GERMAN = (
    "Wie benutze ich {}?",
    "Was macht {} genau und wann brauche ich das?",
    "Warum bekomme ich einen Fehler bei {}?",
    "Gibt es ein Beispiel für {} in einer Schleife?",
    "Welche Alternative gibt es zu {}?",
)
_CACHE = Path(os.environ.get("SIGHTLINE_CACHE_DIR") or Path.home() / ".cache" / "sightline")


@dataclass(frozen=True)
class World:
    """What each question finds.

    Attributes:
        ids: documents, int[questions, DEPTH], the best first.
        scores: float[questions, DEPTH].
        sketches: of the questions' vectors.
        sketch_version: of all of them.
        numbers: the sketches as numbers, int[questions, sketch.SIZE]; zeros where there is none.
    """

    ids: NDArray[Any]
    scores: NDArray[Any]
    sketches: list[str]
    sketch_version: str
    numbers: NDArray[Any]


@dataclass(frozen=True)
class Worlds:
    """Questions, and worlds by name.

    Attributes:
        questions: the texts; German ones stand at the end.
        german: place of the first German one.
        topics: int[questions], a cluster each.
        by_name: `base`, `int8`, `truncated`, `halved`, `swapped`, `mixed`, `typos`.
        overlap_int8: share of the first five documents that INT8 finds too.
    """

    questions: list[str]
    german: int
    topics: NDArray[Any]
    by_name: dict[str, World]
    overlap_int8: float


def build(seed: int = 0) -> Worlds:
    """Embed everything, and search."""
    rng = random.Random(seed)
    every = StandardLibrary().passages(lambda done, total: None)
    passages = rng.sample(sorted(every, key=lambda passage: passage.id), _PASSAGES)
    texts = [f"{passage.title}\n{passage.text[:_PASSAGE_CHARS]}" for passage in passages]
    shipped = questions_file().read_text(encoding="utf-8").splitlines()
    questions = [json.loads(line)["question"] for line in shipped]
    questions += [" ".join(passage.text.split()[:14]) for passage in rng.sample(passages, _TITLES)]
    german = len(questions)
    questions += [form.format(passage.title) for passage in rng.sample(passages, 40) for form in _GERMAN]
    typos = [_typo(text, rng) for text in questions]

    exact, quick = (MiniLM(MiniLMSettings(precision=name, threads=2), _CACHE) for name in ("fp32", "int8"))
    vectors = {name: _embed(model, texts) for name, model in (("fp32", exact), ("int8", quick))}
    asked = {name: _embed(model, questions) for name, model in (("fp32", exact), ("int8", quick))}
    asked["typos"] = _embed(exact, typos)
    lexicon = Lexicon.fit(weighted_terms(passage) for passage in passages)
    lexical = LexicalEmbedding.fit(passages, lexicon, "bench", 384)
    vectors["lexical"] = lexical.embed_passages(passages, lambda done, total: None)
    asked["lexical"] = np.stack([lexical.embed_text(text).vector for text in questions])

    order = np.random.default_rng(seed).permutation(len(texts))
    kept = np.sort(order[len(texts) // 10 :])
    half = np.sort(order[len(texts) // 2 :])
    whole = np.arange(len(texts))
    base = _search(vectors["fp32"], asked["fp32"], whole)
    int8 = _search(vectors["int8"], asked["int8"], whole)
    return Worlds(
        questions,
        german,
        _clusters(asked["fp32"]),
        {
            "base": base,
            "int8": int8,
            "truncated": _search(vectors["fp32"], asked["fp32"], kept),
            "halved": _search(vectors["fp32"], asked["fp32"], half),
            "swapped": _search(vectors["lexical"], asked["lexical"], whole),
            "mixed": _search(vectors["fp32"], asked["lexical"], whole),
            "typos": _search(vectors["fp32"], asked["typos"], whole),
        },
        float(np.mean([len(set(a[:5]) & set(b[:5])) / 5 for a, b in zip(base.ids, int8.ids, strict=True)])),
    )


def _embed(model: MiniLM, texts: list[str]) -> NDArray[Any]:
    return model.embed_texts(texts, lambda done, total: None)


def _search(documents: NDArray[Any], asked: NDArray[Any], kept: NDArray[Any]) -> World:
    """Exact search among the documents that the index holds."""
    width = max(documents.shape[1], asked.shape[1])
    documents, asked = _padded(documents, width), _padded(asked, width)
    likeness = asked @ documents[kept].T
    best = np.argsort(-likeness, axis=1, kind="stable")[:, :DEPTH]
    sketches = [sketch.sketch(vector) or "" for vector in asked.tolist()]
    return World(
        kept[best],
        np.take_along_axis(likeness, best, axis=1),
        sketches,
        sketch.version(width),
        np.asarray([sketch.decode(text) if text else [0] * sketch.SIZE for text in sketches]),
    )


def _padded(matrix: NDArray[Any], width: int) -> NDArray[Any]:
    return np.pad(matrix, ((0, 0), (0, width - matrix.shape[1])))


def _clusters(vectors: NDArray[Any]) -> NDArray[Any]:
    from sklearn.cluster import KMeans

    return np.asarray(KMeans(_TOPICS, n_init=3, random_state=0).fit_predict(vectors))


def _typo(text: str, rng: random.Random) -> str:
    """The text with every eighth letter or so exchanged with the next one."""
    letters = list(text)
    for place in range(len(letters) - 1):
        if letters[place].isalpha() and letters[place + 1].isalpha() and rng.random() < 0.12:
            letters[place], letters[place + 1] = letters[place + 1], letters[place]
    return "".join(letters)

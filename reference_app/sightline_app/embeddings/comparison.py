"""``sightline-app quantize``: what each precision of the local model costs and gives, on passages of one's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sightline_app.embeddings import graph_cache
from sightline_app.embeddings.minilm import MiniLM
from sightline_app.embeddings.precision import Precision
from sightline_app.embeddings.protocol import Matrix, Progress
from sightline_app.settings import MiniLMSettings

NEIGHBOURS = 10
_QUESTIONS = 60


@dataclass(frozen=True)
class Compared:
    """One precision beside FP32."""

    precision: Precision
    size_bytes: int
    """Of the graph."""
    passages_per_s: float
    question_ms: float
    """Median time of one text alone."""
    question_p95_ms: float
    """95th percentile of it."""
    cosine_mean: float
    """Between a passage's vectors in this precision and in FP32."""
    cosine_least: float
    overlap: float
    """Share of the ten nearest passages in FP32 that are among the ten nearest in this precision, mean over all."""


def compare(
    texts: Sequence[str], settings: MiniLMSettings, cache_dir: Path, step: Callable[[str], Progress]
) -> list[Compared]:
    """Build every precision, embed the texts with each, and return the figures, FP32 first.

    Args:
        texts: at least two.
        settings: threads; the precision is not looked at.
        cache_dir: where graphs are kept.
        step: begins a step of the progress, by its title.
    """
    found: list[Compared] = []
    exact: Matrix | None = None
    for precision in Precision:
        begin = step(f"{precision}: building")
        content = graph_cache.graph(cache_dir, precision)
        begin(1, 1)
        model = MiniLM(replace(settings, precision=str(precision)), cache_dir)
        progress = step(f"{precision}: embedding")
        started = time.perf_counter()
        vectors = model.embed_texts(texts, progress)
        took_s = time.perf_counter() - started
        exact = vectors if exact is None else exact
        cosines = np.sum(vectors * exact, axis=1)
        question_ms, question_p95_ms = _question_ms(model, texts)
        found.append(
            Compared(
                precision=precision,
                size_bytes=len(content),
                passages_per_s=len(texts) / took_s,
                question_ms=question_ms,
                question_p95_ms=question_p95_ms,
                cosine_mean=float(cosines.mean()),
                cosine_least=float(cosines.min()),
                overlap=overlap(exact, vectors),
            )
        )
    return found


def _question_ms(model: MiniLM, texts: Sequence[str]) -> tuple[float, float]:
    """Return median and 95th percentile, in milliseconds."""
    times = []
    for text in texts[:_QUESTIONS]:
        started = time.perf_counter()
        model.embed_texts([text[:80]], lambda done, total: None)
        times.append(time.perf_counter() - started)
    p50_ms, p95_ms = np.percentile(np.asarray(times) * 1000, (50, 95))
    return float(p50_ms), float(p95_ms)


def overlap(exact: Matrix, other: Matrix, neighbours: int = NEIGHBOURS) -> float:
    """Return which share of each row's nearest rows is the same in both, mean over all rows, from 0 to 1."""
    neighbours = min(neighbours, len(exact) - 1)
    if neighbours < 1:
        return 1.0
    same = 0
    for start in range(0, len(exact), 512):
        rows = np.arange(start, min(start + 512, len(exact)))
        nearest = [_nearest(matrix, rows, neighbours) for matrix in (exact, other)]
        same += sum(len(set(a) & set(b)) for a, b in zip(*nearest, strict=True))
    return same / (len(exact) * neighbours)


def _nearest(matrix: Matrix, rows: np.ndarray, neighbours: int) -> list[list[int]]:
    likeness = matrix[rows] @ matrix.T
    likeness[np.arange(len(rows)), rows] = -np.inf  # a row is not its own neighbour
    return [list(found) for found in np.argpartition(-likeness, neighbours - 1, axis=1)[:, :neighbours].tolist()]


def table(found: Sequence[Compared]) -> str:
    """Return the figures as lines for people."""
    lines = [
        f"{'precision':10}{'size MB':>9}{'passages/s':>12}{'question p50 ms':>17}{'p95 ms':>8}"
        f"{'cosine mean':>13}{'cosine least':>14}{'overlap@10':>12}"
    ]
    lines += [
        f"{each.precision:10}{each.size_bytes / 1e6:9.1f}{each.passages_per_s:12.1f}{each.question_ms:17.1f}"
        f"{each.question_p95_ms:8.1f}"
        f"{each.cosine_mean:13.5f}{each.cosine_least:14.5f}{each.overlap:12.3f}"
        for each in found
    ]
    return "\n".join(lines) + "\n"

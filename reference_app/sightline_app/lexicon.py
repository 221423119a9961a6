"""How rare each term is in the corpus; fitted at ingest, used by the rerank stage and the lexical embedding."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from sightline_app.analysis import name_terms, terms
from sightline_app.corpus import Passage
from sightline_app.errors import CorpusError

NAME_WEIGHT, TITLE_WEIGHT, TEXT_WEIGHT, CONTEXT_WEIGHT = 3.0, 1.0, 1.0, 0.4
"""How much a term counts by where it stands, in the lexical embedding and in ClickHouse."""


def weighted_terms(passage: Passage) -> dict[str, float]:
    """Return term -> weighted count over names, title, text and context."""
    counts: Counter[str] = Counter()
    for weight, found in (
        (NAME_WEIGHT, list(dict.fromkeys(name_terms(passage.names[:6])))),
        (TITLE_WEIGHT, terms(passage.title)),
        (TEXT_WEIGHT, terms(passage.text)),
        (CONTEXT_WEIGHT, terms(passage.context)),
    ):
        for term in found:
            counts[term] += weight  # type: ignore[assignment]  # Counter holds floats as well
    return dict(counts)


class Lexicon:
    """Document frequencies of terms.

    Args:
        documents: number of passages seen.
        frequencies: term -> number of passages that hold it.
    """

    def __init__(self, documents: int, frequencies: dict[str, int]) -> None:
        self.documents = documents
        self.frequencies = frequencies

    @classmethod
    def fit(cls, term_sets: Iterable[Iterable[str]]) -> Lexicon:
        """Count in how many passages each term occurs."""
        frequencies: Counter[str] = Counter()
        documents = 0
        for found in term_sets:
            documents += 1
            frequencies.update(set(found))
        return cls(documents, dict(frequencies))

    def idf(self, term: str) -> float:
        """Return the smoothed inverse document frequency, above 0; an unknown term is as rare as can be."""
        seen = self.frequencies.get(term, 0)
        return math.log(1 + (self.documents - seen + 0.5) / (seen + 0.5))

    def vocabulary(self, least: int = 1) -> Sequence[str]:
        """Return the terms that occur in at least ``least`` passages, sorted."""
        return sorted(term for term, seen in self.frequencies.items() if seen >= least)

    def save(self, path: Path) -> None:
        """Write as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"documents": self.documents, "frequencies": self.frequencies}, sort_keys=True))

    @classmethod
    def load(cls, path: Path) -> Lexicon:
        """Read what :meth:`save` wrote.

        Raises:
            CorpusError: missing or damaged.
        """
        try:
            stored = json.loads(path.read_text())
            return cls(int(stored["documents"]), dict(stored["frequencies"]))
        except (OSError, ValueError, KeyError) as exc:
            raise CorpusError(f"{path} cannot be read ({exc}); run `sightline-app ingest --force`") from exc

"""What makes two cases, and two datasets, the same: what was asked and expected, not what a system answered.

The fingerprint covers what was asked and what was expected: id, conversation, question, reference, reference_contexts,
must_pass and weight. Answers, retrieved passages, times, costs, ids of traces and metadata are left out, because they
change with each run of the system under test, and two runs over the same cases are to be compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Iterable

from sightline_evals.datasets.sample import Sample
from sightline_evals.datasets.schema import storable


def fingerprint(samples: Iterable[Sample]) -> str:
    """SHA-256 of the cases, 64 hex digits; independent of their order.

    Each case is one line of JSON with sorted keys and no spaces; the lines are sorted by their bytes and joined by
    newlines. A half surrogate is hashed as U+FFFD.
    """
    lines = sorted(_canonical(sample) for sample in samples)
    return hashlib.sha256(b"\n".join(lines)).hexdigest()


def _canonical(sample: Sample) -> bytes:
    case = {
        "id": sample.id,
        "conversation": sample.conversation,
        "question": sample.question,
        "reference": sample.reference,
        "reference_contexts": list(sample.reference_contexts),
        "must_pass": sample.must_pass,
        "weight": float(sample.weight),
    }
    return storable(json.dumps(case, ensure_ascii=False, sort_keys=True, separators=(",", ":"))).encode()


def id_of_question(question: str, taken: Container[str]) -> str:
    """The id of a case without one: 12 hex digits of the question's SHA-256, and `-2`, `-3` … where they are taken."""
    digest = hashlib.sha256(storable(question).encode()).hexdigest()[:12]
    unique_id, repetition = digest, 1
    while unique_id in taken:
        repetition += 1
        unique_id = f"{digest}-{repetition}"
    return unique_id

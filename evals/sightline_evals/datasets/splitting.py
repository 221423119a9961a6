"""Divide a dataset by a hash, so that the same cases always go to the same part. Pure."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence

from sightline_evals.datasets.sample import Sample
from sightline_evals.errors import UsageError


def split(samples: Sequence[Sample], shares: Mapping[str, float], seed: str = "") -> dict[str, list[Sample]]:
    """Divide cases into named parts, each in the order of the dataset.

    A case's part follows from the SHA-256 of the seed and its conversation, or its id where it has none: cases of one
    conversation stay together, and adding cases moves no other. Sizes therefore come near the shares and do not meet
    them exactly.

    Args:
        samples: the cases.
        shares: each part's share; they sum to 1.
        seed: another one divides otherwise.

    Raises:
        UsageError: a share is not above 0, they do not sum to 1, or a part gets no case.
    """
    if len(shares) < 2:
        raise UsageError("needs two parts or more, such as train=0.8 test=0.2")
    if any(not share > 0 for share in shares.values()) or not math.isclose(sum(shares.values()), 1, abs_tol=1e-6):
        given = ", ".join(f"{name}={share:g}" for name, share in shares.items())
        raise UsageError(f"the shares {given} must each be above 0 and sum to 1")
    parts: dict[str, list[Sample]] = {name: [] for name in shares}
    for sample in samples:
        parts[_part(_position(sample, seed), shares)].append(sample)
    for name, part in parts.items():
        if not part:
            raise UsageError(
                f"part {name} gets none of the {len(samples)} cases; give it a larger share or another seed"
            )
    return parts


def _position(sample: Sample, seed: str) -> float:
    """Where a case stands between 0 and 1."""
    unit = f"conversation\0{sample.conversation}" if sample.conversation else f"case\0{sample.id}"
    digest = hashlib.sha256(f"{seed}\0{unit}".encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _part(position: float, shares: Mapping[str, float]) -> str:
    reached = 0.0
    for name, share in shares.items():
        reached += share
        if position < reached:
            return name
    return name

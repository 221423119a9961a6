"""A calibration: a rising map from a judge's probabilities to those of labels, and the file that keeps it.

The file is JSON, so that it can be read and kept beside the code that it belongs to::

    {"schema": "sightline-calibration/1", "judge": "offline lexical", "judge_version": "lexical-2", "method": "platt",
     "slope": 1.3, "intercept": 0.2, "threshold": 0.62, "labels": 120, ...}
"""

from __future__ import annotations

import bisect
import hashlib
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sightline_evals.errors import UsageError

SCHEMA: Final = "sightline-calibration/1"
_SMALLEST: Final = 1e-6


def logit(probability: float) -> float:
    """Log odds of a probability, which is kept a millionth away from 0 and 1."""
    inside = min(max(probability, _SMALLEST), 1 - _SMALLEST)
    return math.log(inside / (1 - inside))


@dataclass(frozen=True, slots=True)
class Platt:
    """A logistic curve over the log odds.

    Attributes:
        slope: above 0.
        intercept: log odds of a probability of a half.

    Source: Platt, "Probabilistic outputs for support vector machines" (1999)
    """

    slope: float
    intercept: float

    def __call__(self, probability: float) -> float:
        """The calibrated probability."""
        return 1 / (1 + math.exp(-(self.slope * logit(probability) + self.intercept)))

    def as_json(self) -> dict[str, Any]:
        """Its part of the file."""
        return {"method": "platt", "slope": self.slope, "intercept": self.intercept}


@dataclass(frozen=True, slots=True)
class Isotonic:
    """A rising line through points, level outside of them.

    Attributes:
        raw: probabilities of the judge, rising.
        calibrated: the same number, never falling.

    Source: Zadrozny and Elkan, "Transforming classifier scores into accurate multiclass probability estimates" (2002)
    """

    raw: tuple[float, ...]
    calibrated: tuple[float, ...]

    def __call__(self, probability: float) -> float:
        """The calibrated probability."""
        place = bisect.bisect_right(self.raw, probability)
        if place == 0:
            return self.calibrated[0]
        if place == len(self.raw):
            return self.calibrated[-1]
        left, right = self.raw[place - 1], self.raw[place]
        share = (probability - left) / (right - left)
        return self.calibrated[place - 1] + share * (self.calibrated[place] - self.calibrated[place - 1])

    def as_json(self) -> dict[str, Any]:
        """Its part of the file."""
        return {"method": "isotonic", "raw": list(self.raw), "calibrated": list(self.calibrated)}


Map = Platt | Isotonic


@dataclass(frozen=True, slots=True)
class Calibration:
    """A map for one version of a judge, and the threshold that was found with it.

    Attributes:
        map: from the judge's probabilities to those of labels.
        threshold: calibrated probability from which a statement or an answer counts as unsupported; above 0, at most 1.
        judge_version: the version of the judge that was calibrated.
        digest: eight hex digits that tell two calibrations apart.
    """

    map: Map
    threshold: float
    judge_version: str
    digest: str

    def calibrated(self, probability: float) -> float:
        """The calibrated probability, 0 to 1."""
        return self.map(probability)


def digest_of(map_: Map, threshold: float) -> str:
    """Eight hex digits that tell two calibrations apart."""
    text = json.dumps({**map_.as_json(), "threshold": threshold}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def read_calibration(path: Path, judge_version: str) -> Calibration:
    """The calibration of a file.

    Args:
        path: as `sightline-evals calibrate` wrote it.
        judge_version: the version of the judge that will use it.

    Raises:
        UsageError: there is no such file, it is none of these, or it belongs to another version of the judge.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise UsageError(f"calibration {path}: {exc.strerror}") from exc
    except ValueError as exc:
        raise UsageError(f"calibration {path}: not JSON ({exc})") from exc
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise UsageError(f"calibration {path}: no file of `sightline-evals calibrate` (its schema is not {SCHEMA})")
    if data.get("judge_version") != judge_version:
        raise UsageError(
            f"calibration {path} is for version {data.get('judge_version')!r} of the judge, which is {judge_version!r} "
            "now: run `sightline-evals calibrate` on your labels again"
        )
    try:
        map_, threshold = _map(data), float(data["threshold"])
    except (KeyError, TypeError, ValueError) as exc:
        raise UsageError(f"calibration {path}: {exc} is missing or cannot be used") from exc
    if not 0 < threshold <= 1:
        raise UsageError(f"calibration {path}: threshold is {threshold:g}; needs a number above 0, at most 1")
    return Calibration(map_, threshold, judge_version, digest_of(map_, threshold))


def _map(data: Mapping[str, Any]) -> Map:
    if data["method"] == "platt":
        slope, intercept = float(data["slope"]), float(data["intercept"])
        if not (slope > 0 and math.isfinite(slope) and math.isfinite(intercept)):
            raise ValueError(f"slope {slope} with intercept {intercept}")
        return Platt(slope, intercept)
    if data["method"] == "isotonic":
        raw, calibrated = _numbers(data["raw"]), _numbers(data["calibrated"])
        rising = all(left < right for left, right in itertools.pairwise(raw))
        never_falling = all(left <= right for left, right in itertools.pairwise(calibrated))
        if not raw or len(raw) != len(calibrated) or not rising or not never_falling:
            raise ValueError("a list of points that do not rise")
        return Isotonic(raw, calibrated)
    raise ValueError(f"method {data['method']!r}")


def _numbers(values: Sequence[Any]) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in values)
    if not all(0 <= number <= 1 for number in numbers):
        raise ValueError("a number outside 0 to 1")
    return numbers

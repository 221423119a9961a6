"""The weights of `weights.json`: features of a statement into a probability. Data, so that a reader can check them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from sightline_evals.judges.lexical.context import Features


@dataclass(frozen=True, slots=True)
class Weights:
    """A logistic regression.

    Attributes:
        intercept: added to the weighted features.
        by_feature: one weight a feature, in the order of `Features`; none is negative.
    """

    intercept: float
    by_feature: tuple[float, ...]

    def p_unsupported(self, features: Features) -> float:
        """Probability, 0 to 1, that a statement is not supported, where half of all answers hold one that is not."""
        weighted = self.intercept + sum(weight * value for weight, value in zip(self.by_feature, features, strict=True))
        return 1.0 / (1.0 + math.exp(-weighted))


def read_weights(text: str) -> Weights:
    """Weights out of JSON: ``{"intercept": number, "weights": {feature: number}}``."""
    data = json.loads(text)
    return Weights(float(data["intercept"]), tuple(float(data["weights"][name]) for name in Features._fields))


WEIGHTS: Final = read_weights(files(__package__).joinpath("weights.json").read_text(encoding="utf-8"))
"""The weights of this version."""

"""Student's t by SciPy, and the counts of fair coins and of three outcomes. Pure."""

from __future__ import annotations

import math
from types import ModuleType

import numpy as np
import numpy.typing as npt


def _special() -> ModuleType:
    """SciPy's special functions, imported late: the other subcommands do without."""
    from scipy import special  # noqa: PLC0415

    return special  # type: ignore[no-any-return]  # scipy has no types


def student_t_cdf(value: float, degrees: int) -> float:
    """P(T <= value) of Student's t with a whole number of degrees of freedom, 1 or more."""
    if degrees < 1:
        raise ValueError(f"degrees of freedom are {degrees}; need 1 or more")
    return float(_special().stdtr(degrees, value))


def student_t_quantile(probability: float, degrees: int) -> float:
    """The value that T stays below with this probability, 0 to 1 exclusive."""
    if not 0 < probability < 1:
        raise ValueError(f"probability is {probability}; needs more than 0 and less than 1")
    return float(_special().stdtrit(degrees, probability))


def fair_coin_tail(heads: int, tosses: int) -> float:
    """P(X >= heads) of `tosses` of a fair coin, by whole numbers; 1 where `heads` is 0 or less."""
    if heads <= 0:
        return 1.0
    if heads > tosses:
        return 0.0
    ways = term = math.comb(tosses, heads)
    for number in range(heads, tosses):
        term = term * (tosses - number) // (number + 1)
        ways += term
    return float(ways / 2**tosses)


def trinomial_probabilities(
    first: npt.NDArray[np.int64], second: npt.NDArray[np.int64], trials: int, chances: tuple[float, float]
) -> npt.NDArray[np.float64]:
    """P(first outcome so often and the second so often), float64[len(first), len(second)]; 0 where it cannot be.

    Args:
        first: numbers of the first outcome, int64, 0..trials.
        second: numbers of the second outcome, int64, 0..trials.
        trials: trials with three outcomes.
        chances: of the first and of the second outcome in one trial; their sum is at most 1.
    """
    special = _special()
    rest = trials - first[:, None] - second[None, :]
    # xlogy is 0 for an impossible outcome that never happened, and -inf for one that did.
    logs = (
        special.gammaln(trials + 1)
        + (special.xlogy(first, chances[0]) - special.gammaln(first + 1))[:, None]
        + (special.xlogy(second, chances[1]) - special.gammaln(second + 1))[None, :]
        + special.xlogy(np.maximum(rest, 0), max(0.0, 1 - chances[0] - chances[1]))
        - special.gammaln(np.maximum(rest, 0) + 1)
    )
    return np.where(rest >= 0, np.exp(logs), 0.0)

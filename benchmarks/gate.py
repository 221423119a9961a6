"""How often the gate cries wolf, how often it sees a drop, and whether that is what it printed; beside mean thresholds.

    python benchmarks/gate.py [--pairs 1000]

Pairs of runs are simulated: cases of two questions a conversation, answers of one to six statements, each supported
with a probability that depends on the conversation and on the question; three in ten cases are always right; 2 % of the
scores are missing on either side. In a pair without a true drop both runs are drawn from the same probabilities. In one
with a drop, some answers of the new run have no supported statement at all; how many is what the gate printed as
its detectable drop (the median over pairs without a drop). What runs of the gate is `gating.comparison.compare`: the
reading of reports and the matching of cases do not, nor do floors and must-pass cases.

Beside it, on the same pairs, the rules that other tools have: a mean below a floor (the true mean less 0.02), a mean
that is lower by more than 0.05, a share of passing cases below a threshold (the true share less 0.02). The last line is
one JSON object; it is kept in benchmarks/results/gate.json.

Sources: https://www.promptfoo.dev/docs/usage/command-line/ (PROMPTFOO_PASS_RATE_THRESHOLD),
https://docs.ragas.io/ (thresholds on means)
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import results
from tqdm import tqdm

from sightline_evals.gating.changes import Changes
from sightline_evals.gating.comparison import compare
from sightline_evals.gating.inference import ALPHA, SEED, bootstrap_means, infer
from sightline_evals.gating.pairing import Missing, Pairs
from sightline_evals.gating.policy import MARGIN, Policy
from sightline_evals.gating.power import TARGET, power
from sightline_evals.gating.results import Outcome

Floats = npt.NDArray[np.float64]

SIZES = (20, 50, 100, 200, 500, 1000)
SMALL = (6, 10, 16, 20, 30)
"""Conversations of one case, for what is wrong with a plain bootstrap of few."""
MISSING = 0.02
CASES_A_CONVERSATION = 2
FLOOR_ROOM = 0.02
MEAN_DROP = 0.05


@dataclass
class Population:
    """Cases with their chances, from which runs are drawn.

    Attributes:
        chances: of each statement to be supported, by case, float64[n].
        statements: of each answer, int64[n]; 1 for pass/fail.
        clusters: conversation of each case, int64[n].
    """

    chances: Floats
    statements: npt.NDArray[np.int64]
    clusters: npt.NDArray[np.int64]

    @classmethod
    def drawn(cls, random: np.random.Generator, cases: int, a_conversation: int, *, pass_fail: bool) -> Population:
        """Cases of conversations of one size; with `pass_fail` an answer is one statement."""
        clusters = np.arange(cases) // a_conversation
        chances = random.beta(8, 1, clusters[-1] + 1)[clusters] * random.beta(8, 1, cases)
        chances[random.random(cases) < 0.3] = 1.0
        statements = np.ones(cases, np.int64) if pass_fail else random.integers(1, 7, cases)
        return cls(chances, statements, clusters)

    def run(self, random: np.random.Generator, drop: float = 0.0) -> Floats:
        """Scores; `drop` is taken from the mean by answers that lose all of their support. NaN is a missing score."""
        scores = random.binomial(self.statements, self.chances) / self.statements
        scores[random.random(len(scores)) < drop / self.chances.mean()] = 0.0
        scores[random.random(len(scores)) < MISSING] = math.nan
        return scores


@dataclass
class Rates:
    """What happened in the pairs of one kind."""

    pairs: int = 0
    reported: int = 0
    passed: int = 0
    printed_power: list[float] = field(default_factory=list)
    detectable: list[float] = field(default_factory=list)
    peers: dict[str, int] = field(default_factory=dict)

    def share(self, count: int) -> float:
        """Of the pairs."""
        return round(count / self.pairs, 4)


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=1000, help="pairs of runs of each kind (default: 1000)")
    pairs: int = parser.parse_args().pairs
    with ProcessPoolExecutor(max_workers=2) as pool:
        others = {name: pool.submit(measure, pairs) for name, measure in _OTHERS.items()}
        kinds = [(size, pass_fail) for size in reversed(SIZES) for pass_fail in (False, True)]
        measured = {_name(*kind): pool.submit(_measure, pairs, *kind) for kind in kinds}
        bar = tqdm(total=len(others) + len(measured), file=sys.stderr, disable=not sys.stderr.isatty())
        for future in (*others.values(), *measured.values()):
            future.add_done_callback(lambda _: bar.update())
        by_kind = {name: future.result() for name, future in sorted(measured.items())}
        found = {name: future.result() for name, future in others.items()}
        bar.close()
    for name, kind in by_kind.items():
        print(
            f"{name:<15} false alarms {kind['false_alarm_rates']:.3f}  detectable drop {kind['detectable_drop']:.3f}  "
            f"seen {kind['power']:.3f} (printed {TARGET:.2f}; by its own spread "
            f"{kind['printed_power_at_own_spread']:.3f})"
        )
        for rule, alarms in kind["mean_threshold_false_alarm_rate"].items():
            print(f"{'':<15} {rule}: false alarms {alarms:.3f}, seen {kind['mean_threshold_power'][rule]:.3f}")
    print(found)
    rates = [kind["false_alarm_rates"] for kind in by_kind.values()]
    result: dict[str, Any] = {
        "bench": "gate",
        "pairs": pairs,
        "margin": MARGIN,
        "false_alarm_rate": round(statistics.fmean(rates), 4),
        "largest_false_alarm_rate": max(rates),
        "nominal": ALPHA,
        "monte_carlo_error": round(math.sqrt(ALPHA * (1 - ALPHA) / pairs), 4),
        **{key: {name: kind[key] for name, kind in by_kind.items()} for key in next(iter(by_kind.values()))},
        **found,
    }
    results.keep(result, numpy=np.__version__)


def _name(size: int, pass_fail: bool) -> str:
    return f"{'pass_fail' if pass_fail else 'score'}_{size:04}"


def _measure(pairs: int, size: int, pass_fail: bool) -> dict[str, Any]:
    """Pairs without a drop, then pairs with the drop that they printed as detectable."""
    quiet = _simulate(pairs, size, 0.0, pass_fail=pass_fail)
    drop = statistics.median(quiet.detectable)
    fallen = _simulate(pairs, size, drop, pass_fail=pass_fail)
    return {
        "false_alarm_rates": quiet.share(quiet.reported),
        "detectable_drop": round(drop, 4),
        "power": fallen.share(fallen.reported),
        "printed_power": TARGET,
        "printed_power_at_own_spread": round(statistics.fmean(fallen.printed_power), 4),
        "mean_threshold_false_alarm_rate": {rule: quiet.share(count) for rule, count in quiet.peers.items()},
        "mean_threshold_power": {rule: fallen.share(count) for rule, count in fallen.peers.items()},
    }


def _simulate(pairs: int, size: int, drop: float, *, pass_fail: bool) -> Rates:
    rates = Rates()
    for random in _randoms(pairs, f"{_name(size, pass_fail)}, drop {drop:.3f}"):
        population = Population.drawn(random, size, CASES_A_CONVERSATION, pass_fail=pass_fail)
        base, new = population.run(random), population.run(random, drop)
        matched = _pairs("score", population, base, new)
        (comparison,) = compare([matched], Policy())
        rates.pairs += 1
        rates.reported += comparison.check.outcome is Outcome.REGRESSION
        rates.passed += comparison.check.outcome is Outcome.PASS
        rates.detectable.append(1.0 if comparison.detectable is None else comparison.detectable)
        changes = matched.summed()
        assert comparison.inference is not None
        method = comparison.inference.method
        rates.printed_power.append(power(changes, method, drop, level=ALPHA, margin=MARGIN))
        for rule, says_no in _peers(population).items():
            rates.peers[rule] = rates.peers.get(rule, 0) + says_no(base, new)
    return rates


def _peers(population: Population) -> dict[str, Callable[[Floats, Floats], bool]]:
    """Rules of other tools, with thresholds that know the true values; missing scores are left out of their means."""
    mean = float(population.chances.mean())
    # A case passes from a score of 0.5 on; what share does is only known from many runs.
    random = np.random.default_rng(0)
    runs = random.binomial(population.statements, population.chances, (50, len(population.chances)))
    share = float(np.mean(runs / population.statements >= 0.5))
    return {
        "mean_below_floor": lambda base, new: bool(np.nanmean(new) < mean - FLOOR_ROOM),
        "mean_dropped_by_0.05": lambda base, new: bool(np.nanmean(base) - np.nanmean(new) > MEAN_DROP),
        "pass_rate_below_threshold": lambda base, new: bool(np.mean(new[~np.isnan(new)] >= 0.5) < share - FLOOR_ROOM),
    }


def _pairs(metric: str, population: Population, base: Floats, new: Floats) -> Pairs:
    """What `pairing.pair` makes of two reports."""
    both = ~np.isnan(base) & ~np.isnan(new)
    lost_base, lost_new = base[~both], new[~both]
    worst = np.where(np.isnan(lost_new), 0.0, lost_new) - np.where(np.isnan(lost_base), 1.0, lost_base)
    _, clusters = np.unique(population.clusters[both], return_inverse=True)
    return Pairs(
        metric=metric,
        case_ids=tuple(map(str, np.flatnonzero(both))),
        base=base[both],
        new=new[both],
        changes=new[both] - base[both],
        clusters=clusters.astype(np.int64),
        weights=np.ones(int(both.sum())),
        expected=len(base),
        missing=Missing(failed={"JudgeTimeout": int((~both).sum())}),
        worst_missing=float(worst.sum()),
        missing_weight=float((~both).sum()),
    )


def _false_alarms_of_families(pairs: int) -> float:
    """Share of pairs without a drop in which any of four metrics is reported: two correlated, two independent."""
    alarms = 0
    for random in _randoms(pairs, "four metrics"):
        first, second, third = (
            Population.drawn(random, 200, CASES_A_CONVERSATION, pass_fail=pass_fail)
            for pass_fail in (False, False, True)
        )
        base, new = first.run(random), first.run(random)
        matched = [
            _pairs("a", first, base, new),
            _pairs("b", first, base**2, new**2),
            _pairs("c", second, second.run(random), second.run(random)),
            _pairs("d", third, third.run(random), third.run(random)),
        ]
        comparisons = compare(matched, Policy(margins={"a": 0.0, "b": 0.0, "c": 0.0, "d": 0.0}))
        alarms += any(comparison.check.outcome is Outcome.REGRESSION for comparison in comparisons)
    return round(alarms / pairs, 4)


def _small(pairs: int) -> dict[str, dict[str, float]]:
    """False alarms without a margin, of the gate's choice of methods and of a plain percentile bootstrap."""
    found = {}
    for size in SMALL:
        plain = chosen = 0
        for random in _randoms(pairs, f"{size} conversations"):
            population = Population.drawn(random, size, 1, pass_fail=False)
            deltas = np.nan_to_num(population.run(random) - population.run(random))
            changes = Changes.of(deltas, population.clusters, np.ones(size))
            plain += bool(np.quantile(bootstrap_means(changes.sums, changes.weights, 2000), 1 - ALPHA) < 0)
            chosen += infer(changes).p_worse <= ALPHA
        found[str(size)] = {"percentile_bootstrap": round(plain / pairs, 4), "gate": round(chosen / pairs, 4)}
    return found


def _baseline_values(pairs: int) -> dict[str, float]:
    """False alarms where seven runs are the baseline: by the mean of a case's values, and by their median."""
    averages: dict[str, Callable[..., Any]] = {"mean": np.nanmean, "median": np.nanmedian}
    alarms = dict.fromkeys(averages, 0)
    for random in _randoms(pairs, "seven baselines"):
        population = Population.drawn(random, 200, CASES_A_CONVERSATION, pass_fail=True)
        runs = np.array([population.run(random) for _ in range(7)])
        new = population.run(random)
        for how, average in averages.items():
            (comparison,) = compare([_pairs("score", population, average(runs, axis=0), new)], Policy())
            alarms[how] += comparison.check.outcome is Outcome.REGRESSION
    return {how: round(count / pairs, 4) for how, count in alarms.items()}


def _passes_at_the_margin(pairs: int) -> dict[str, float]:
    """Share of passes where the true drop is the margin: few, but for runs in which no case changed."""
    found = {}
    for size in (20, 200):
        for pass_fail in (False, True):
            rates = _simulate(pairs, size, MARGIN, pass_fail=pass_fail)
            found[_name(size, pass_fail)] = rates.share(rates.passed)
    return found


def _ms_for_1000_cases(_: int) -> float:
    """CPU time of one metric, 1,000 conversations of one case; the least of five."""
    random = np.random.default_rng(1)
    population = Population.drawn(random, 1000, 1, pass_fail=False)
    matched = _pairs("score", population, population.run(random), population.run(random))
    times = []
    for _attempt in range(5):
        begun = time.process_time()
        compare([matched], Policy())
        times.append(1000 * (time.process_time() - begun))
    return round(min(times), 1)


_OTHERS: dict[str, Callable[[int], Any]] = {
    "four_metrics_false_alarm_rate": _false_alarms_of_families,
    "small_false_alarm_rate": _small,
    "seven_baselines_false_alarm_rate": _baseline_values,
    "pass_rate_at_margin": _passes_at_the_margin,
    "ms_for_1000_cases": _ms_for_1000_cases,
}


def _randoms(pairs: int, what: str) -> Iterator[np.random.Generator]:
    """A generator for each pair, the same in every run of the bench, and another for each kind of pair."""
    for seed in np.random.SeedSequence([SEED, zlib.crc32(what.encode())]).spawn(pairs):
        yield np.random.default_rng(seed)


if __name__ == "__main__":
    main()

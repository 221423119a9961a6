"""How often alerts cry wolf and how fast they see an incident: the ready rules beside a plain threshold.

    python benchmarks/alerts.py [--weeks 500]

Weeks of traffic are simulated minute by minute: requests by the hour of the day, with a random rate around that; errors
and slow first tokens among them. Noise is what a healthy service has: a steady small share of errors, spikes of one to
three minutes (a deployment, a provider that hiccups), nights with hardly a request. Each week has one true incident, of
20 to 180 minutes, by day, of random strength: errors of 10 to 60 % of the requests, or first tokens that take 2 to 6
times as long. With an evaluation a minute, what decides are the conditions and states of the evaluator, over all
minutes of a week at once (`alert_minutes.py`); of the first weeks each rule is also evaluated by the evaluator's own
code, one minute after the other, and the result is refused where both differ. No store is asked.

The plain threshold looks at the same metric over the last minute with the ready rule's own limit (of errors: 5 %), and
pages when that is exceeded, with nothing else; once more with 20 requests as the least that it judges. A page is true
when it comes during the incident or in the ten minutes after it, and false otherwise. Delays are from the beginning of
the incident to the first page. An incident of errors is large where it spends 2 % or more of a month's budget of 0.5 %:
the burn rates are made for those, and let small ones be.

The last line is one JSON object; it is kept in benchmarks/results/alerts.json.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import results
from alert_minutes import Minutes, agrees, pages
from tqdm import tqdm

from sightline_dashboards.alerts import rules_file
from sightline_dashboards.alerts.rules import Rule
from sightline_store.questions.alerts import BIN_RATIO

Floats = npt.NDArray[np.float64]

START = datetime(2026, 3, 2, tzinfo=UTC)
DAYS_BEFORE = 3
"""Healthy days before the week, for the windows that reach back."""
FIRST_S = round((START - timedelta(days=DAYS_BEFORE)).timestamp())
WEEK_MINUTES = 7 * 1440
REQUESTS_A_MINUTE = 20.0
ERROR_SHARE = 0.003
TTFT_MEDIAN_MS, TTFT_SPREAD = 700.0, 0.45
SPIKES_A_WEEK = 12
AFTER = timedelta(minutes=10)
CHECKED_WEEKS = 10
"""Weeks of each kind that the evaluator's own code goes through too."""
PLAIN_ERRORS = 0.05


@dataclass(frozen=True)
class Week:
    """A simulated week, with the days before it.

    Attributes:
        requests: a minute, int64[minutes].
        error_share: chance of a request to fail, float64[minutes].
        slowness: factor of the time to first token, float64[minutes].
        begins: minute of the incident, counted from the beginning of the arrays.
        lasts: its minutes.
    """

    requests: npt.NDArray[np.int64]
    error_share: Floats
    slowness: Floats
    begins: int
    lasts: int


@dataclass
class Tally:
    """What a rule did in some weeks."""

    weeks: int = 0
    false_pages: int = 0
    pages_of_incidents: int = 0
    large: int = 0
    large_seen: int = 0
    delays_min: list[float] = field(default_factory=list)

    def add(self, pages: list[datetime], begins: datetime, ends: datetime, *, is_large: bool) -> None:
        """Count one week's pages."""
        true = [page for page in pages if begins <= page <= ends + AFTER]
        self.weeks += 1
        self.false_pages += len(pages) - len(true)
        self.pages_of_incidents += len(true)
        self.large += is_large
        self.large_seen += is_large and bool(true)
        if true:
            self.delays_min.append((min(true) - begins) / timedelta(minutes=1))

    def merge(self, other: Tally) -> None:
        """Add what another process counted."""
        self.weeks += other.weeks
        self.false_pages += other.false_pages
        self.pages_of_incidents += other.pages_of_incidents
        self.large += other.large
        self.large_seen += other.large_seen
        self.delays_min += other.delays_min

    def figures(self) -> dict[str, float | None]:
        """For people and for the file."""
        delays = sorted(self.delays_min)
        return {
            "false_pages_a_week": round(self.false_pages / self.weeks, 3),
            "seen": round(len(delays) / self.weeks, 3),
            "large_seen": round(self.large_seen / max(self.large, 1), 3),
            "pages_an_incident": round(self.pages_of_incidents / max(len(delays), 1), 2),
            "median_min": round(statistics.median(delays), 1) if delays else None,
            "p90_min": round(delays[math.ceil(0.9 * len(delays)) - 1], 1) if delays else None,
        }


def simulated(seed: int, kind: str) -> Week:
    """One week with an incident of a kind, `errors` or `ttft`."""
    random = np.random.default_rng([seed, len(kind)])
    minutes = DAYS_BEFORE * 1440 + WEEK_MINUTES
    hour = np.arange(minutes) / 60 % 24
    by_hour = np.clip(0.02 + np.sin((hour - 6) / 24 * 2 * np.pi), 0.02, None)
    rate = REQUESTS_A_MINUTE * by_hour * random.gamma(20, 1 / 20, minutes)
    errors, slowness = np.full(minutes, ERROR_SHARE), random.gamma(60, 1 / 60, minutes)
    for _ in range(random.poisson(SPIKES_A_WEEK * minutes / WEEK_MINUTES)):
        first = int(random.integers(minutes))
        spike = slice(first, first + int(random.integers(1, 4)))
        if random.random() < 0.5:
            errors[spike] = random.uniform(0.05, 0.4)
        else:
            slowness[spike] *= random.uniform(2, 5)
    lasts = int(random.integers(20, 181))
    # By day: at night there is nobody to whom an incident of two hours happens.
    day, clock = int(random.integers(7)), random.uniform(8, 18)
    begins = DAYS_BEFORE * 1440 + day * 1440 + int(clock * 60)
    incident = slice(begins, begins + lasts)
    if kind == "errors":
        errors[incident] = random.uniform(0.1, 0.6)
    else:
        slowness[incident] *= random.uniform(2, 6)
    return Week(random.poisson(rate), errors, slowness, begins, lasts)


def is_large(week: Week, kind: str) -> bool:
    """Whether an incident spends 2 % of the budget of a month; slow first tokens have no budget here."""
    if kind != "errors":
        return True
    incident = slice(week.begins, week.begins + week.lasts)
    failed = float((week.requests[incident] * week.error_share[incident]).sum())
    a_month = float(week.requests.sum()) / len(week.requests) * 30 * 1440
    return failed >= 0.02 * 0.005 * a_month


def error_minutes(week: Week, seed: int) -> Minutes:
    """Errors and requests of each minute."""
    failed = np.random.default_rng([seed, 7]).binomial(week.requests, week.error_share)
    no_bins = np.zeros((len(failed), 0), dtype=np.int64)
    return Minutes(FIRST_S, failed.astype(np.float64), week.requests.astype(np.float64), no_bins)


def ttft_minutes(week: Week, seed: int) -> Minutes:
    """Times to first token of each minute, in bins."""
    random = np.random.default_rng([seed, 8])
    minute = np.repeat(np.arange(len(week.requests)), week.requests)
    times = TTFT_MEDIAN_MS * week.slowness[minute] * random.lognormal(0, TTFT_SPREAD, len(minute))
    numbers = np.floor(np.log(times) / math.log(BIN_RATIO)).astype(np.int64)
    first_bin = int(numbers.min())
    width = int(numbers.max()) - first_bin + 1
    bins = np.bincount(minute * width + numbers - first_bin, minlength=len(week.requests) * width)
    events = week.requests.astype(np.float64)
    return Minutes(FIRST_S, np.zeros(len(events)), events, bins.reshape(len(events), width), first_bin)


def plain(metric: str, above: float, least_events: int) -> Rule:
    """A threshold on the last minute, and nothing else."""
    return Rule.model_validate(
        {
            "name": "plain", "metric": metric, "window": "1m", "above": above, "resolve": above, "for": 0,
            "clear_for": 0, "cool_down": 0, "least_events": least_events,
        }
    )  # fmt: skip


def contenders(kind: str) -> dict[str, Rule]:
    """Name to rule."""
    ready = rules_file.load(None)
    slow = ready.rule("ttft-p95")
    metric, above = ("error_rate", PLAIN_ERRORS) if kind == "errors" else (slow.metric, slow.threshold)
    own = {"errors": ("errors-fast", "errors-slow"), "ttft": ("ttft-p95",)}[kind]
    return {
        **{name: ready.rule(name) for name in own},
        "plain threshold": plain(metric, above, 1),
        "plain, 20 events": plain(metric, above, 20),
    }


_MINUTES: dict[str, Callable[[Week, int], Minutes]] = {"errors": error_minutes, "ttft": ttft_minutes}


def measure(kind: str, first: int, weeks: int) -> dict[str, Tally]:
    """Weeks of one kind, by seed.

    Raises:
        RuntimeError: the evaluator's own code decides otherwise.
    """
    tallies = {name: Tally() for name in contenders(kind)}
    end = START + timedelta(minutes=WEEK_MINUTES)
    for seed in range(first, first + weeks):
        week = simulated(seed, kind)
        minutes = _MINUTES[kind](week, seed)
        begins = START + timedelta(minutes=week.begins - DAYS_BEFORE * 1440)
        for name, rule in contenders(kind).items():
            if seed < CHECKED_WEEKS and not agrees(rule, minutes, START, end):
                raise RuntimeError(f"{name}: the evaluator fires at other minutes in week {seed} of {kind}")
            fired = pages(rule, minutes, START, end)
            tallies[name].add(fired, begins, begins + timedelta(minutes=week.lasts), is_large=is_large(week, kind))
    return tallies


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weeks", type=int, default=500, help="simulated weeks of each kind (default: 500)")
    weeks: int = parser.parse_args().weeks
    part = 10
    found: dict[str, dict[str, Tally]] = {kind: {name: Tally() for name in contenders(kind)} for kind in _MINUTES}
    with ProcessPoolExecutor(max_workers=2) as pool:
        futures = [
            (kind, pool.submit(measure, kind, first, min(part, weeks - first)))
            for kind in _MINUTES
            for first in range(0, weeks, part)
        ]
        for kind, future in tqdm(futures, file=sys.stderr, disable=not sys.stderr.isatty()):
            for name, tally in future.result().items():
                found[kind][name].merge(tally)
    figures = {kind: {name: tally.figures() for name, tally in of_kind.items()} for kind, of_kind in found.items()}
    head = ("incident", "rule", "false/week", "seen", "large seen", "pages each", "median min", "p90 min")
    print("{:9} {:16} {:>10} {:>6} {:>10} {:>10} {:>10} {:>8}".format(*head))
    for kind, of_kind in figures.items():
        for name, row in of_kind.items():
            print("{:9} {:16} {!s:>10} {!s:>6} {!s:>10} {!s:>10} {!s:>10} {!s:>8}".format(kind, name, *row.values()))
    results.keep({"bench": "alerts", "weeks": weeks, "incidents": figures})


if __name__ == "__main__":
    main()

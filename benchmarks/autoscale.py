"""Which signal to scale a model's replicas by: CPU, answers in progress, or the time to the first token. A simulation.

    python benchmarks/autoscale.py [--seeds 5] [--target-s 2] [--trace FILE --speed 1]

Arrivals of several shapes, made from a seed, or those of a trace that `sightline-app load --record` wrote, are replayed
against a service whose replicas have a few slots each: a request waits in one line for the next free slot. How long an
answer needs its slot, and how long it is until its first token, is drawn in pairs from `autoscale_services.tsv`, which
`sightline-app load --record` measured at a rate at which nothing waits; nothing else is assumed about a model.

Three policies, each with the formula, the tolerance (10 %), the steps (the double, or 4 more, each 15 s) and the
stabilisation window (300 s downwards) of Kubernetes' autoscaler, which KEDA uses as well:

=====  ==========================================================================================================
cpu    busy slots, times `--cpu-at-full`, as a share of the CPU that a replica asked for; pods that start are idle
queue  answers in progress a replica, those that wait included (`sightline_app_answers_open`)
ttft   95th percentile of the time to the first token, of the answers that had it in the last minute
=====  ==========================================================================================================

A replica that is added is ready after `--start-s`; one that is taken away ends its answers first. `over_target_pct` is
the share of requests whose first token came after `--target-s`; `replica_hours` counts every replica from its request
to its end. Both are over all shapes and seeds, at the usual target of each policy (70 % CPU; 70 % of the slots; three
quarters of `--target-s`). A policy can buy one with the other, so `by_target` has three targets of each, to compare at
like cost.

Source: https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/#algorithm-details

The last line is one JSON object; it is kept in benchmarks/results/autoscale.json.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import results

from sightline_app.load.arrivals import read_trace

SERVICES = Path(__file__).parent / "autoscale_services.tsv"
TICK_S = 15.0
"""Between two decisions."""
TOLERANCE = 0.1
STABLE_S = 300.0
TTFT_WINDOW_S = 60.0
HOUR_S = 3600.0

Services = Sequence[tuple[float, float]]
"""Seconds from the slot to the first token, and to the end, of each measured answer."""


@dataclass(frozen=True)
class World:
    """What all policies have in common."""

    slots: int
    """Answers that a replica computes at the same time."""
    start_s: float
    target_s: float
    """Time to the first token that users were promised, in seconds."""
    cpu_at_full: float
    """CPU of a replica whose slots are all busy, as a share of what it asked for."""
    least: int = 1
    most: int = 30


@dataclass
class Replica:
    """One copy of the service."""

    asked_s: float
    ready_s: float
    busy: int = 0
    leaves: bool = False
    """It takes no new answer and ends with its last one."""


@dataclass
class State:
    """What a policy may look at."""

    replicas: list[Replica]
    waiting: int
    busy: int
    busy_share: float
    """Busy slots of ready replicas over the last tick, in replicas: 1.5 is one and a half replica's worth."""
    ready: int
    ttft_p95_s: float
    """Over the last minute; 0 where no answer began."""


Policy = Callable[[State], int]
"""Returns how many replicas it wants."""


def by_cpu(world: World, target: float) -> Policy:
    """Scale on the average CPU of the pods.

    Args:
        world: how much CPU busy slots need.
        target: average utilisation, 0 to 1.
    """

    def want(state: State) -> int:
        used = state.busy_share * world.cpu_at_full
        count, starting = len(state.replicas), len(state.replicas) - state.ready
        ratio = used / max(1, state.ready) / target
        if abs(ratio - 1) <= TOLERANCE:
            return count
        assumed = used if ratio > 1 else used + starting * target  # pods that start count against the change
        again = assumed / max(1, count) / target
        return count if (again > 1) != (ratio > 1) else math.ceil(count * again)

    return want


def by_queue(world: World, target: float) -> Policy:
    """Scale on answers in progress, those that wait included.

    Args:
        world: slots of a replica.
        target: answers a replica, as a share of its slots.
    """

    def want(state: State) -> int:
        each, count = target * world.slots, len(state.replicas)
        open_answers = state.busy + state.waiting
        return count if abs(open_answers / each / count - 1) <= TOLERANCE else math.ceil(open_answers / each)

    return want


def by_ttft(world: World, target: float) -> Policy:
    """Scale on the time to the first token.

    Args:
        world: what users were promised.
        target: 95th percentile to keep, as a share of that.
    """

    def want(state: State) -> int:
        ratio, count = state.ttft_p95_s / (target * world.target_s), len(state.replicas)
        return count if not state.ttft_p95_s or abs(ratio - 1) <= TOLERANCE else math.ceil(count * ratio)

    return want


POLICIES: dict[str, tuple[Callable[[World, float], Policy], tuple[float, float, float]]] = {
    "cpu": (by_cpu, (0.7, 0.5, 0.3)),
    "queue": (by_queue, (0.7, 0.5, 0.3)),
    "ttft": (by_ttft, (0.75, 0.6, 0.5)),
}
"""Each with its targets, the usual one first."""


@dataclass
class Outcome:
    """What came of a run."""

    requests: int = 0
    over: int = 0
    """Requests whose first token came too late."""
    replica_s: float = 0.0

    def add(self, other: Outcome) -> None:
        """Add another run."""
        self.requests += other.requests
        self.over += other.over
        self.replica_s += other.replica_s


@dataclass(order=True)
class _Event:
    at_s: float
    order: int
    what: str = field(compare=False)
    replica: Replica | None = field(compare=False, default=None)


class Simulation:
    """One service under one policy.

    Args:
        world: what does not depend on the policy.
        policy: how many replicas it wants.
        services: measured answers.
        seed: fixes which of them each request is.
    """

    def __init__(self, world: World, policy: Policy, services: Services, seed: int) -> None:
        self._world = world
        self._policy = policy
        self._services = services
        self._draw = random.Random(seed)
        self._replicas = [Replica(0.0, 0.0) for _ in range(world.least)]
        self._line: deque[tuple[float, tuple[float, float]]] = deque()
        self._events: list[_Event] = []
        self._order = itertools.count()
        self._firsts: deque[tuple[float, float]] = deque()
        self._wanted: deque[tuple[float, int]] = deque()
        self._busy_s = self._counted_s = 0.0
        self._outcome = Outcome()

    def run(self, arrivals: Sequence[float]) -> Outcome:
        """Replay arrivals and return what came of them.

        Args:
            arrivals: moments in seconds, in order.
        """
        for at_s in arrivals:
            self._plan(at_s, "arrival")
        self._plan(TICK_S, "tick")
        now_s, open_arrivals = 0.0, len(arrivals)
        while self._events:
            event = heapq.heappop(self._events)
            self._count_busy(now_s := event.at_s)
            if event.what == "arrival":
                open_arrivals -= 1
                self._line.append((now_s, self._draw.choice(self._services)))
            elif event.what == "end" and event.replica is not None:
                event.replica.busy -= 1
                if event.replica.leaves and not event.replica.busy:
                    self._remove(event.replica, now_s)
            elif event.what == "tick" and (open_arrivals or self._line or any(each.busy for each in self._replicas)):
                self._scale(now_s)
                self._plan(now_s + TICK_S, "tick")
            self._serve(now_s)
        for replica in list(self._replicas):
            self._remove(replica, now_s)
        return self._outcome

    def _plan(self, at_s: float, what: str, replica: Replica | None = None) -> None:
        heapq.heappush(self._events, _Event(at_s, next(self._order), what, replica))

    def _count_busy(self, now_s: float) -> None:
        self._busy_s += sum(each.busy for each in self._replicas) * (now_s - self._counted_s)
        self._counted_s = now_s

    def _serve(self, now_s: float) -> None:
        """Give the answers that wait to free slots, of the replica with the fewest answers first."""
        while self._line:
            free = [
                each
                for each in self._replicas
                if each.ready_s <= now_s and not each.leaves and each.busy < self._world.slots
            ]
            if not free:
                return
            replica = min(free, key=lambda each: each.busy)
            came_s, (first_s, total_s) = self._line.popleft()
            replica.busy += 1
            self._plan(now_s + total_s, "end", replica)
            ttft_s = now_s - came_s + first_s
            self._firsts.append((now_s + first_s, ttft_s))
            self._outcome.requests += 1
            self._outcome.over += ttft_s > self._world.target_s

    def _scale(self, now_s: float) -> None:
        staying = [each for each in self._replicas if not each.leaves]
        wanted = min(max(self._policy(self._state(now_s, staying)), self._world.least), self._world.most)
        self._wanted.append((now_s, wanted))
        while self._wanted[0][0] < now_s - STABLE_S:
            self._wanted.popleft()
        count = len(staying)
        if wanted > count:
            for _ in range(min(wanted, max(2 * count, count + 4)) - count):
                self._replicas.append(Replica(now_s, now_s + self._world.start_s))
                self._plan(now_s + self._world.start_s, "ready")
        elif (kept := max(each for _, each in self._wanted)) < count:
            for replica in sorted(staying, key=lambda each: (each.ready_s <= now_s, each.busy))[: count - kept]:
                replica.leaves = True
                if not replica.busy:
                    self._remove(replica, now_s)

    def _state(self, now_s: float, staying: list[Replica]) -> State:
        while self._firsts and self._firsts[0][0] < now_s - TTFT_WINDOW_S:
            self._firsts.popleft()
        seen = sorted(ttft_s for at_s, ttft_s in self._firsts if at_s <= now_s)
        state = State(
            staying,
            len(self._line),
            sum(each.busy for each in self._replicas),
            self._busy_s / TICK_S / self._world.slots,
            sum(each.ready_s <= now_s for each in staying),
            seen[math.ceil(0.95 * len(seen)) - 1] if seen else 0.0,
        )
        self._busy_s = 0.0
        return state

    def _remove(self, replica: Replica, now_s: float) -> None:
        self._replicas.remove(replica)
        self._outcome.replica_s += now_s - replica.asked_s


def shapes(seed: int, length_s: float = 2 * HOUR_S) -> dict[str, list[float]]:
    """Return arrivals of several shapes, in seconds.

    Args:
        seed: fixes them.
        length_s: of each.
    """
    rates: dict[str, Callable[[float], float]] = {
        "steady": lambda _: 2.0,
        "day": lambda at_s: 2.0 + 1.8 * math.sin(2 * math.pi * at_s / length_s),
        "burst": lambda at_s: 8.0 if length_s / 2 <= at_s < length_s / 2 + 300 else 1.0,
        "spikes": lambda at_s: 6.0 if at_s % 1200 < 60 else 1.0,
    }
    return {name: _thinned(rate, 8.0, length_s, random.Random(f"{name} {seed}")) for name, rate in rates.items()}


def _thinned(rate: Callable[[float], float], highest: float, length_s: float, draw: random.Random) -> list[float]:
    """Return moments of a Poisson process whose rate changes, by thinning one of the highest rate."""
    moments, at_s = [], 0.0
    while (at_s := at_s + draw.expovariate(highest)) < length_s:
        if draw.random() < rate(at_s) / highest:
            moments.append(at_s)
    return moments


def read_services(path: Path) -> list[tuple[float, float]]:
    """Return the answers of a recorded trace that ended well: seconds to the first token, and to the end."""
    rows = [line.split("\t") for line in path.read_text().splitlines()[1:]]
    return [(float(row[3]), float(row[4])) for row in rows if row[1] == "ok"]


def main() -> None:
    """Simulate, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="repetitions of each shape (default: 5)")
    parser.add_argument("--target-s", type=float, default=2.0, help="promised time to the first token (default: 2)")
    parser.add_argument("--slots", type=int, default=2, help="answers at the same time, of a replica (default: 2)")
    parser.add_argument("--start-s", type=float, default=60.0, help="until a new replica is ready (default: 60)")
    parser.add_argument("--cpu-at-full", type=float, default=0.95, help="CPU of a busy replica, 0 to 1 (default: 0.95)")
    parser.add_argument("--services", type=Path, default=SERVICES, help="a recorded trace: what answers need")
    parser.add_argument("--trace", type=Path, help="a recorded trace: when requests come, instead of the shapes")
    parser.add_argument("--speed", type=float, default=1.0, help="moments of --trace follow each other so much faster")
    args = parser.parse_args()
    world = World(args.slots, args.start_s, args.target_s, args.cpu_at_full)
    services = read_services(args.services)
    by_shape: dict[str, dict[str, dict[str, float]]] = {}
    by_target: dict[str, dict[str, dict[str, float]]] = {name: {} for name in POLICIES}
    for name, (make, targets) in POLICIES.items():
        for target in targets:
            total, shaped = Outcome(), {}
            for seed in range(1, args.seeds + 1):
                moments = (
                    {"trace": [each / args.speed for each in read_trace(args.trace)]} if args.trace else shapes(seed)
                )
                for shape, arrivals in moments.items():
                    outcome = Simulation(world, make(world, target), services, seed).run(arrivals)
                    total.add(outcome)
                    shaped.setdefault(shape, Outcome()).add(outcome)
            by_target[name][f"{target:g}"] = told(total)
            if target == targets[0]:
                by_shape[name] = {shape: told(outcome) for shape, outcome in shaped.items()}
            print(f"{name:<6} target {target:<5g} {by_target[name][f'{target:g}']}")
    usual = {name: by_target[name][f"{targets[0]:g}"] for name, (_, targets) in POLICIES.items()}
    results.keep(
        {
            "bench": "autoscale",
            "over_target_pct": {name: each["over_target_pct"] for name, each in usual.items()},
            "replica_hours": {name: each["replica_hours"] for name, each in usual.items()},
            "by_shape": by_shape,
            "by_target": by_target,
            "target_s": args.target_s,
            "seeds": args.seeds,
            "services": len(services),
            "slots": args.slots,
            "start_s": args.start_s,
            "cpu_at_full": args.cpu_at_full,
        }
    )


def told(outcome: Outcome) -> dict[str, float]:
    """Return an outcome as the result keeps it."""
    return {
        "over_target_pct": round(100 * outcome.over / outcome.requests, 2),
        "replica_hours": round(outcome.replica_s / HOUR_S, 2),
    }


if __name__ == "__main__":
    main()

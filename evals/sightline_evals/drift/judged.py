"""A run: what a battery measured, with a state for each measurement and the verdict over all of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sightline_evals.drift import sequence, verdict
from sightline_evals.drift.battery import Battery
from sightline_evals.drift.sequence import Evidence, State
from sightline_evals.drift.signals import Measurement
from sightline_evals.gate import ExitCode

TOO_LITTLE: Final = "too_little_data"
_OUTCOMES: Final = {
    ExitCode.PASS: "no drift",
    ExitCode.BELOW: "drift",
    ExitCode.INCONCLUSIVE: "too little data",
}


@dataclass(frozen=True)
class Judged:
    """A measurement and what is held of it.

    Attributes:
        measurement: what was measured.
        shown: what this window shows.
        state: behind this window.
    """

    measurement: Measurement
    shown: Evidence
    state: State

    @property
    def is_drift(self) -> bool:
        """Whether this is an alarm."""
        return self.state is State.DRIFT

    @property
    def label(self) -> str:
        """The state in a word."""
        return TOO_LITTLE if self.shown is Evidence.UNKNOWN else str(self.state)


@dataclass(frozen=True, kw_only=True)
class Run:
    """Everything that a run says.

    Attributes:
        id: sent with every result.
        battery: what was measured.
        judged: each measurement with its state; alarms first, then the smallest p-value.
        changes: rows of the question `drift/changes`, the newest first.
        moved: rows of the question `drift/moved_documents`, of the first comparison.
        code: how the process should end.
        sentence: the verdict.
        shortage: that there are too few canaries for an alarm; empty where there are enough, or none.
    """

    id: str
    battery: Battery
    judged: tuple[Judged, ...]
    changes: tuple[Mapping[str, Any], ...]
    moved: tuple[Mapping[str, Any], ...]
    code: ExitCode
    sentence: str
    shortage: str = ""

    @property
    def outcome(self) -> str:
        """The verdict in a word or three."""
        return _OUTCOMES.get(self.code, "failed")


def evidence_of(measured: Measurement) -> Evidence:
    """What a measurement shows by itself."""
    return sequence.evidence(measured.p_adjusted, matters=measured.matters)


def judge(battery: Battery, before: Battery | None = None) -> tuple[Judged, ...]:
    """Give each measurement its state: alarms first, then the smallest p-value.

    Args:
        battery: this window's.
        before: of the window before, which confirms what is suspected.
    """
    earlier = {each.id: evidence_of(each) for each in before.measurements} if before else {}
    judged = []
    for measured in battery.measurements:
        shown = evidence_of(measured)
        # Only a suspicion is confirmed: whether the window before was measured must not matter for anything else.
        history = [earlier[measured.id]] if shown is Evidence.WEAK and measured.id in earlier else []
        judged.append(Judged(measured, shown, sequence.fold([*history, shown])))
    judged.sort(key=lambda each: (not each.is_drift, _p(each.measurement), each.measurement.id))
    return tuple(judged)


def _p(measured: Measurement) -> float:
    return 2.0 if measured.p_adjusted is None else measured.p_adjusted


def needs_confirmation(judged: Sequence[Judged]) -> bool:
    """Whether the window before could turn a suspicion into an alarm."""
    return any(each.shown is Evidence.WEAK for each in judged)


def code_of(battery: Battery, judged: Sequence[Judged], *, strict: bool) -> ExitCode:
    """How a run ends: 1 with an alarm or a mismatch, 4 where nothing could be tested and that is asked for, else 0."""
    if battery.planned.mismatches or any(each.is_drift for each in judged):
        return ExitCode.BELOW
    if strict and all(each.shown is Evidence.UNKNOWN for each in judged):
        return ExitCode.INCONCLUSIVE
    return ExitCode.PASS


def run_of(
    run_id: str,
    battery: Battery,
    judged: Sequence[Judged],
    *,
    changes: Sequence[Mapping[str, Any]] = (),
    moved: Sequence[Mapping[str, Any]] = (),
    strict: bool = False,
    canaries_asked: int = 0,
) -> Run:
    """Put a run together.

    Args:
        run_id: tells it from others.
        battery: what was measured.
        judged: with its states.
        changes: rows of the question `drift/changes`.
        moved: rows of the question `drift/moved_documents`.
        strict: nothing tested is no pass.
        canaries_asked: canaries that this run asked; 0 where it asked none.
    """
    alarms = [each.measurement for each in judged if each.is_drift]
    suspected = [each.measurement for each in judged if each.state is State.SUSPECTED]
    tested = [each.measurement for each in judged if each.shown is not Evidence.UNKNOWN]
    sentence = verdict.sentence(battery, alarms=alarms, suspected=suspected, tested=tested, changes=changes)
    return Run(
        id=run_id,
        battery=battery,
        judged=tuple(judged),
        changes=tuple(changes),
        moved=tuple(moved),
        code=code_of(battery, judged, strict=strict),
        sentence=sentence,
        shortage=verdict.canary_shortage(battery, canaries_asked),
    )

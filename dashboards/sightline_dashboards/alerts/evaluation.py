"""One evaluation of a rules file: what the store says of each rule, and the phase that follows."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from sightline_dashboards.alerts import conditions, machine, readings
from sightline_dashboards.alerts.conditions import Observation, Verdict
from sightline_dashboards.alerts.machine import State, Status, Timing
from sightline_dashboards.alerts.phases import Phase
from sightline_dashboards.alerts.rules import STORE_AWAY, Rule, RulesFile
from sightline_store.errors import QueryFailed, StoreBusy
from sightline_store.questions.asking import Asks

_LOG = logging.getLogger("sightline.alerts")

_OPEN: Final = frozenset({Status.PENDING, Status.FIRING})


def timing(rule: Rule) -> Timing:
    """How long things have to last for a rule."""
    return Timing(pending_s=rule.pending_s, clear_for_s=rule.clear_for, cool_down_s=rule.cool_down)


def evaluate(client: Asks, file: RulesFile, states: Mapping[str, Phase], now: datetime) -> Iterator[Phase]:
    """The phase of each rule, one after another, and of rules that are open and no longer in the file.

    Args:
        client: the store.
        file: the rules.
        states: the newest phase of each rule, by name.
        now: the moment, on a full second, which is what a phase keeps.

    Raises:
        StoreUnavailable: nothing answers.
    """
    for rule in file.rules:
        yield _phase(client, file, rule, states.get(rule.name), now)
    yield from _removed(file, states, now)


def advanced(rule: Rule, before: State, found: Observation, now: datetime) -> State:
    """The state of a rule after an observation."""
    return machine.step(before, found.verdict, now, timing(rule), found.value, is_above=rule.is_above)


def _phase(client: Asks, file: RulesFile, rule: Rule, before: Phase | None, now: datetime) -> Phase:
    found = _observed(client, rule, now)
    state = advanced(rule, before.state if before else State(since=now), found, now)
    return Phase(
        rule=rule.name,
        state=state,
        seen_at=now,
        value=found.value,
        threshold=rule.threshold,
        events=found.events,
        severity=str(rule.severity),
        channels=_channels(file, rule, state, before),
        sentence=_sentence(found, state, before),
        definition=rule.definition(),
    )


def _observed(client: Asks, rule: Rule, now: datetime) -> Observation:
    """What a rule's windows hold; a question that this store cannot answer leaves the rule as it is."""
    try:
        series, end_s = readings.current(client, rule, now)
    except (StoreBusy, QueryFailed) as exc:
        _LOG.warning("rule %s was not evaluated: %s", rule.name, exc)
        return Observation(Verdict.UNKNOWN, None, 0.0, lambda: f"{rule.metric}: the store did not answer this question")
    return conditions.observe(rule, series, end_s)


def _sentence(found: Observation, state: State, before: Phase | None) -> str:
    """What was found; while a rule fires, what was found when it was breached last, which is why it fires."""
    if before and before.state.status is state.status is Status.FIRING and found.verdict is not Verdict.BREACHED:
        return before.sentence
    return found.sentence


def _channels(file: RulesFile, rule: Rule, state: State, before: Phase | None) -> tuple[str, ...]:
    """Those of the file, and, until it is over, those that were told of the episode, so that each hears of its end."""
    wanted = file.channels_of(rule)
    if before is None or before.state.status not in {Status.FIRING, Status.RESOLVED}:
        return wanted
    if state.status is Status.RESOLVED:
        return before.channels
    goes_on = before.key[1:] == (state.episode, str(state.status))
    return tuple(dict.fromkeys((*before.channels, *wanted))) if goes_on else wanted


def _removed(file: RulesFile, states: Mapping[str, Phase], now: datetime) -> Iterator[Phase]:
    known = {rule.name for rule in file.rules} | {STORE_AWAY}
    for name, before in states.items():
        if name not in known and before.state.status in _OPEN:
            words = "The rules file has this rule no longer."
            yield replace(before, state=machine.ended(before.state, now), seen_at=now, sentence=words)

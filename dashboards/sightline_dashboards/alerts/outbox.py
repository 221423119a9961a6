"""Who has to be told what, now. A channel that does not take a message is tried again, and nothing is lost silently.

A phase that is kept and a channel of it that was not told is a message that waits: so a message waits from the INSERT
that made the phase, whatever happens to the process. That a rule is resolved is told after that it fires. After
`MOST_ATTEMPTS` a message is abandoned; that stands in the journal, on the page and in the log.

A silence keeps messages back. What still fires when it ends is told then; what came and went in it is told to nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from sightline_dashboards.alerts.errors import DeliveryFailed
from sightline_dashboards.alerts.journal import Journal
from sightline_dashboards.alerts.machine import Status
from sightline_dashboards.alerts.messages import Message
from sightline_dashboards.alerts.phases import Delivery, Kept, Phase, Told

_LOG = logging.getLogger("sightline.alerts")

FIRST_WAIT_S: Final = 15.0
LONGEST_WAIT_S: Final = 900.0
MOST_ATTEMPTS: Final = 200
"""About two days with the longest wait between attempts."""
LONGEST_ASKED_S: Final = 3600.0
"""The longest time that a receiver can ask to wait: an alert of yesterday helps nobody."""


class Sender(Protocol):
    """A channel."""

    def send(self, message: Message) -> None:
        """Tell people, or raise DeliveryFailed."""
        ...


@dataclass(frozen=True)
class Due:
    """Something to do about a message: send it, or only keep what became of it."""

    phase: Phase
    fired: Phase | None
    delivery: Delivery


def due(kept: Kept, now: datetime) -> Iterator[Due]:
    """The messages that can go now, in order, and those that will never be sent."""
    firing = {(phase.rule, phase.state.episode): phase for phase in kept.phases if phase.state.status is Status.FIRING}
    over = {(phase.rule, phase.state.episode) for phase in kept.phases if phase.state.status is Status.RESOLVED}
    for phase in kept.phases:
        episode = (phase.rule, phase.state.episode)
        silent = any(silence.holds(phase.rule, now) for silence in kept.silences)
        for channel in dict.fromkeys(phase.channels):
            delivery = kept.deliveries.get((phase.key, channel)) or Delivery(
                phase=phase.key, channel=channel, told=Told.WAITING
            )
            if delivery.told is not Told.WAITING or delivery.next_at > now:
                continue
            if phase.state.status is Status.FIRING:
                if not silent:
                    yield Due(phase, phase, delivery)
                elif episode in over:
                    yield Due(phase, phase, replace(delivery, told=Told.SILENCED))
                continue
            fired = firing.get(episode)
            before = kept.deliveries.get((fired.key, channel)) if fired else None
            if before and before.told is Told.WAITING and before.next_at > now:
                continue
            if (before and before.told is Told.SILENCED) or (fired and before is None and silent):
                yield Due(phase, fired, replace(delivery, told=Told.SILENCED))
            else:
                yield Due(phase, fired, delivery)


def deliver(
    journal: Journal,
    channels: Mapping[str, Sender],
    compose: Callable[[Phase, Phase | None], Message],
    now: datetime,
    may_send: Callable[[], bool] = lambda: True,
) -> None:
    """Send what is due, and keep what became of it.

    Args:
        journal: says what is due, and keeps what became of it.
        channels: by name.
        compose: makes the message of a phase; the second one is the episode's firing phase.
        now: the moment.
        may_send: asked before each message; False when another process has taken over.

    Raises:
        StoreError: what became of a message could not be kept; it goes again, with the same id.
    """
    stuck: set[str] = set()
    for item in due(journal.kept(now), now):
        delivery = item.delivery
        if delivery.told is not Told.WAITING:
            journal.record([delivery])
            continue
        if delivery.channel in stuck or not may_send():
            continue
        sender = channels.get(delivery.channel)
        if sender is None:
            _LOG.error("%s of %s: the rules file has no channel %s any more", *_named(item), delivery.channel)
            journal.record([replace(delivery, told=Told.ABANDONED, problem="the rules file has no such channel")])
            continue
        attempts = delivery.attempts + 1
        try:
            _send(sender, compose(item.phase, item.fired))
        except DeliveryFailed as exc:
            stuck.add(delivery.channel)
            journal.record([_failed(replace(delivery, attempts=attempts), item, exc, now)])
        else:
            journal.record([replace(delivery, told=Told.SENT, attempts=attempts, problem="")])


def _send(sender: Sender, sent: Message) -> None:
    """Send; a defect of one channel is a failure of it, and the others are told all the same."""
    try:
        sender.send(sent)
    except DeliveryFailed:
        raise
    except Exception as exc:
        _LOG.exception("a channel failed in an unknown way")
        raise DeliveryFailed(f"{type(exc).__name__}, see the evaluator's log") from exc


def wait_s(attempts: int) -> float:
    """Seconds to wait after so many attempts."""
    return float(min(FIRST_WAIT_S * 2 ** min(attempts - 1, 20), LONGEST_WAIT_S))


def _failed(delivery: Delivery, item: Due, exc: DeliveryFailed, now: datetime) -> Delivery:
    told = Told.ABANDONED if delivery.attempts >= MOST_ATTEMPTS else Told.WAITING
    level = logging.ERROR if told is Told.ABANDONED else logging.WARNING
    words = "given up after %d attempts" if told is Told.ABANDONED else "attempt %d failed and is repeated"
    _LOG.log(level, f"%s of %s to %s: {words}: %s", *_named(item), delivery.channel, delivery.attempts, exc)
    pause = timedelta(seconds=max(wait_s(delivery.attempts), min(exc.retry_after_s, LONGEST_ASKED_S)))
    return replace(delivery, told=told, next_at=now + pause, problem=str(exc)[:500])


def _named(item: Due) -> tuple[str, str]:
    return str(item.phase.state.status), item.phase.rule

"""Admits calls under their limits, and charges what they used when they end, however they end.

Before the model is asked, a call reserves as many tokens as it may cost at most, by estimate. When it ends, what it
really used is charged instead. A reservation whose process died expires, so that a crash blocks nobody.

While the ledger is away, `SIGHTLINE_APP_LIMITS_WHEN_AWAY` decides. `open` admits without a check. What such calls use,
and what calls used whose end the ledger missed, is remembered here and charged when it is back; each charge has the id
of its call, so none counts twice.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import sightline
from sightline import semconv
from sightline_app.errors import LimitReached, LimitsUnavailable, StateAway
from sightline_app.limits import attributes, headers
from sightline_app.limits.access import Caller
from sightline_app.limits.budget_use import BudgetUse
from sightline_app.limits.ledgers import Ledger
from sightline_app.limits.rules import BUDGETS, Charge, Decision, Limits

_log = logging.getLogger("sightline.app.state")
_GUARD = "limits"
_UNCHECKED = "limits cannot be checked now, and SIGHTLINE_APP_LIMITS_WHEN_AWAY=closed admits nobody without"
_MAX_OWED = 10_000
_OWED_S = 5 * 3600.0
"""Shorter than the ledger remembers calls: a charge that may have arrived must not arrive again later."""


@dataclass(frozen=True)
class _Owed:
    charge: Charge
    used: int
    since_s: float


class Admission:
    """A call that was admitted; `settle` ends it."""

    def __init__(self, limiter: Limiter, caller: Caller, charge: Charge | None, decision: Decision | None) -> None:
        self._limiter = limiter
        self._caller = caller
        self._charge = charge
        self._settled = False
        self.headers = headers.fields(decision) if decision else {}
        """Header fields of the response."""

    async def settle(self, used: int) -> None:
        """Charge what the call used, once; a second call does nothing. Never raises because of the ledger.

        Args:
            used: input and output tokens; 0 gives back what was reserved.
        """
        if self._settled or self._charge is None:
            return
        self._settled = True
        decision = await self._limiter.charge(self._charge, used)
        sightline.annotate_request(
            {attributes.LIMIT_CHARGED_TOKENS: used, **(_budgets(self._caller, decision) if decision else {})}
        )


class Limiter:
    """Admits calls.

    Args:
        ledger: where rates and budgets are counted.
        admits_when_away: whether calls go on unchecked while the ledger does not answer.
        clock: seconds that never go back.
    """

    def __init__(self, ledger: Ledger, *, admits_when_away: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.ledger = ledger
        self.admits_when_away = admits_when_away
        self.use = BudgetUse(clock)
        """How far budgets are used up."""
        self._clock = clock
        self._owed: deque[_Owed] = deque(maxlen=_MAX_OWED)

    @property
    def owed(self) -> int:
        """Calls whose charge waits for the ledger."""
        return len(self._owed)

    async def admit(self, caller: Caller, tokens: int) -> Admission:
        """Admit a call that costs at most about `tokens`. A caller without limits is admitted without a step.

        Raises:
            LimitReached: 429 when a rate or a budget is used up, 413 when the call is larger than a whole limit.
            LimitsUnavailable: the ledger is away and nobody is admitted without it.
        """
        if caller.key_id:
            sightline.annotate_request({attributes.API_KEY_ID: caller.key_id})
        if caller.limits == Limits():
            return Admission(self, caller, None, None)
        users = (caller.reads_as, caller.user or "")
        charge = Charge(uuid.uuid4().hex, caller.owner, users, caller.limits, tokens)
        admission = await self._admit(caller, charge)
        if isinstance(admission, Admission):
            return admission
        raise admission

    async def count(self, caller: Caller) -> dict[str, str]:
        """Count a request that asks no model: against the rate of requests alone, and without a span.

        Returns:
            header fields of the response.

        Raises:
            LimitReached: 429 when the rate is used up.
            LimitsUnavailable: the ledger is away and nobody is admitted without it.
        """
        rate = Limits(requests_per_minute=caller.limits.requests_per_minute)
        if rate == Limits():
            return {}
        charge = Charge(uuid.uuid4().hex, caller.owner, (caller.reads_as, caller.user or ""), rate, 0)
        try:
            decision = await self.ledger.reserve(charge)
        except StateAway as exc:
            if self.admits_when_away:
                return {}
            raise LimitsUnavailable(_UNCHECKED) from exc
        if decision.refused_by:
            raise _refusal(decision, charge)
        return headers.fields(decision)

    @sightline.guardrail(_GUARD, capture="recorded")
    async def _admit(self, caller: Caller, charge: Charge) -> Admission | LimitReached | LimitsUnavailable:
        """Return a refusal instead of raising it: the stage did its work, so its span is no error."""
        told: dict[str, object] = {attributes.LIMIT_RESERVED_TOKENS: charge.tokens}
        try:
            decision = await self.ledger.reserve(charge)
        except StateAway as exc:
            admits = self.admits_when_away
            told |= {
                attributes.LIMIT_DECISION: "unchecked" if admits else "refused",
                attributes.LIMIT_REASON: "state_away",
            }
            _tell(told, flagged=not admits)
            _log.debug("not checked: %s", exc)
            if admits:
                return Admission(self, caller, charge, None)
            return LimitsUnavailable(_UNCHECKED)
        self.use.note(decision)
        if not decision.refused_by:
            _tell(told | {attributes.LIMIT_DECISION: "allowed"} | _budgets(caller, decision), flagged=False)
            return Admission(self, caller, charge, decision)
        told |= {attributes.LIMIT_DECISION: "refused", attributes.LIMIT_REASON: decision.refused_by}
        _tell(told | _budgets(caller, decision), flagged=True)
        return _refusal(decision, charge)

    async def charge(self, charge: Charge, used: int) -> Decision | None:
        """Charge a call; None, and a note of what is owed, while the ledger is away."""
        try:
            decision = await self.ledger.settle(charge, used)
        except StateAway as exc:
            self._owe(charge, used)
            _log.debug("charged later: %s", exc)
            return None
        except asyncio.CancelledError:
            self._owe(charge, used)
            raise
        self.use.note(decision, used)
        return decision

    def _owe(self, charge: Charge, used: int) -> None:
        if len(self._owed) == _MAX_OWED:
            _log.error("more than %d charges wait for Redis: the oldest is forgotten", _MAX_OWED)
        self._owed.append(_Owed(charge, used, self._clock()))

    async def charge_owed(self) -> None:
        """Charge what waits for the ledger; stops at the first failure and goes on at the next call."""
        while self._owed:
            owed = self._owed[0]
            if self._clock() - owed.since_s < _OWED_S:
                try:
                    decision = await self.ledger.settle(owed.charge, owed.used)
                except StateAway:
                    return
                self.use.note(decision, owed.used)
            if self._owed and self._owed[0] is owed:
                self._owed.popleft()

    async def keep_charging(self, interval_s: float) -> None:
        """Charge what is owed again and again, until cancelled."""
        while True:
            await asyncio.sleep(interval_s)
            await self.charge_owed()


def _tell(told: dict[str, object], *, flagged: bool) -> None:
    """Write a decision onto its own span and onto the request's."""
    reason = told.get(attributes.LIMIT_REASON)
    sightline.annotate({**told, semconv.GUARDRAIL_FLAGGED: flagged, semconv.GUARDRAIL_REASON: reason})
    sightline.annotate_request(told)


def _budgets(caller: Caller, decision: Decision) -> dict[str, object]:
    """Attributes of the budgets; arrays in one order."""
    found = [standing for standing in decision.standings if standing.name in BUDGETS]
    if not found:
        return {}
    owners = [caller.user_owner if standing.name.startswith("user_") else caller.owner for standing in found]
    return {
        semconv.BUDGET_NAME: [standing.name for standing in found],
        semconv.BUDGET_OWNER: owners,
        semconv.BUDGET_LIMIT: [standing.limit for standing in found],
        semconv.BUDGET_USED: [standing.used for standing in found],
    }


def _refusal(decision: Decision, charge: Charge) -> LimitReached:
    name = decision.refused_by
    limit = next(standing.limit for standing in decision.standings if standing.name == name)
    if decision.never:
        return LimitReached(
            f"this request may cost {charge.tokens} tokens; {name}={limit} never admits it",
            kind=f"{name}_too_small",
            status=413,
            headers=headers.fields(decision),
        )
    seconds = max(1, -(-decision.wait_ms // 1000))
    return LimitReached(
        f"the limit {name}={limit} is reached; retry in {seconds} s",
        kind=name,
        status=429,
        headers=headers.fields(decision),
    )

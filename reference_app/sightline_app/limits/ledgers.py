"""Where rates and budgets are counted: in Redis, or in this process alone. Both decide alike, each step as one.

`scripts/ledger.lua` says how; `ProcessLedger` does the same in Python, and a test compares their decisions.
"""

from __future__ import annotations

import datetime
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sightline_app.limits.rules import NAMES, Charge, Decision
from sightline_app.state.redis_link import RedisLink

_SCRIPT = Path(__file__).with_name("scripts") / "ledger.lua"
_MINUTE_US = 60_000_000
_DAY_US = 86_400_000_000
_CALL_KEPT_US = 6 * 3600 * 1_000_000
_SWEEP_EVERY = 1000


class Ledger(Protocol):
    """Reserves and charges. Each method raises `StateAway` when it cannot know."""

    kind: str
    """`redis` or `process`."""

    async def reserve(self, charge: Charge) -> Decision:
        """Admit a call and reserve its tokens, or say which limit refuses it. Nothing is taken for a refused one."""

    async def settle(self, charge: Charge, used: int) -> Decision:
        """Charge what a call really used, in place of what was reserved. A second time changes nothing.

        A reservation that was never made, or has expired, is charged all the same.
        """


class RedisLedger:
    """Counts in Redis, by its clock, for all processes of the app.

    Args:
        link: the server.
        hold_s: seconds after which the reservation of a call that never ended is void.
        clock: microseconds since 1970; None takes Redis's own clock.
    """

    kind = "redis"

    def __init__(self, link: RedisLink, hold_s: float, clock: Callable[[], int] | None = None) -> None:
        self._run = link.script(_SCRIPT)
        self._hold_ms = int(hold_s * 1000)
        self._clock = clock

    async def reserve(self, charge: Charge) -> Decision:
        """Admit a call and reserve its tokens, or say which limit refuses it."""
        return await self._do("reserve", charge, charge.tokens)

    async def settle(self, charge: Charge, used: int) -> Decision:
        """Charge what a call really used."""
        return await self._do("settle", charge, used)

    async def _do(self, step: str, charge: Charge, tokens: int) -> Decision:
        now_us = "" if self._clock is None else self._clock()
        arguments = [step, charge.id, now_us, tokens, charge.tokens, self._hold_ms, *charge.limits.values]
        return Decision.read(await self._run(charge.keys, arguments), charge.limits)


@dataclass
class _Hold:
    tokens: int
    periods: tuple[int, int]
    ends_us: int


@dataclass
class _Account:
    """Spent tokens and reservations of an owner or a user, for the day and for the month."""

    periods: list[int] = field(default_factory=lambda: [-1, -1])
    spent: list[int] = field(default_factory=lambda: [0, 0])
    holds: dict[str, _Hold] = field(default_factory=dict)

    def used(self, which: int, now: int) -> int:
        spent = self.spent[which] if self.periods[which] >= now else 0
        return spent + sum(hold.tokens for hold in self.holds.values() if hold.periods[which] >= now)

    def charge(self, call: str, tokens: int, now: tuple[int, int]) -> None:
        hold = self.holds.pop(call, None)
        for which in (0, 1):
            if self.periods[which] < now[which]:
                self.periods[which], self.spent[which] = now[which], 0
            if (hold.periods if hold else now)[which] >= self.periods[which]:
                self.spent[which] += tokens


class ProcessLedger:
    """Counts in this process: for one process without Redis. No step waits for anything, so each one is atomic.

    Args:
        hold_s: seconds after which the reservation of a call that never ended is void.
        clock: microseconds since 1970.
    """

    kind = "process"

    def __init__(self, hold_s: float, clock: Callable[[], int] = lambda: time.time_ns() // 1000) -> None:
        self._hold_us = int(hold_s * 1_000_000)
        self._clock = clock
        self._full_us: dict[tuple[str, int], int] = {}
        self._accounts: dict[str, _Account] = {}
        self._calls: dict[str, tuple[str, int]] = {}
        self._steps = 0

    async def reserve(self, charge: Charge) -> Decision:
        """Admit a call and reserve its tokens, or say which limit refuses it."""
        now_us, periods = self._now(charge)
        refusals: list[tuple[bool, float, int]] = []
        if charge.id not in self._calls:
            for rate, amount in enumerate((1, charge.tokens)):
                limit = charge.limits.values[rate]
                if (
                    limit
                    and (over := self._debt_us(charge, rate, now_us) + _MINUTE_US / limit * amount - _MINUTE_US) > 0
                ):
                    refusals.append((amount > limit, over, rate))
            for number, account, which in self._budgets(charge):
                limit = charge.limits.values[number]
                if account.used(which, periods[which]) + charge.tokens > limit:
                    refusals.append((charge.tokens > limit, _ends_us(now_us)[which] - now_us, number))
            if not refusals:
                self._take(charge, 0, 1, now_us)
                self._take(charge, 1, charge.tokens, now_us)
                for account in self._limited(charge):
                    account.holds[charge.id] = _Hold(charge.tokens, periods, now_us + self._hold_us)
                self._calls[charge.id] = ("held", now_us)
        # Of equals the first, as in the script.
        worst = max(refusals, key=lambda refusal: (refusal[0], refusal[1], -refusal[2]), default=None)
        return self._decision(charge, now_us, periods, worst)

    async def settle(self, charge: Charge, used: int) -> Decision:
        """Charge what a call really used."""
        now_us, periods = self._now(charge)
        state = self._calls.get(charge.id, ("", 0))[0]
        if state != "settled":
            for account in self._limited(charge):
                account.charge(charge.id, used, periods)
            self._take(charge, 1, used - charge.tokens if state == "held" else used, now_us)
            self._calls[charge.id] = ("settled", now_us)
        return self._decision(charge, now_us, periods, None)

    def _now(self, charge: Charge) -> tuple[int, tuple[int, int]]:
        now_us = self._clock()
        self._steps += 1
        if self._steps % _SWEEP_EVERY == 0:
            self._sweep(now_us)
        for account in self._limited(charge):
            account.holds = {call: hold for call, hold in account.holds.items() if hold.ends_us > now_us}
        return now_us, _periods(now_us)

    def _sweep(self, now_us: int) -> None:
        """Forget what no longer counts."""
        day, month = _periods(now_us)
        self._calls = {call: kept for call, kept in self._calls.items() if now_us - kept[1] < _CALL_KEPT_US}
        self._full_us = {rate: full_us for rate, full_us in self._full_us.items() if full_us > now_us}
        self._accounts = {
            name: account for name, account in self._accounts.items() if account.used(0, day) or account.used(1, month)
        }

    def _limited(self, charge: Charge) -> list[_Account]:
        values = charge.limits.values
        return [
            self._accounts.setdefault(charge.keys[1 + 2 * place], _Account())
            for place in (0, 1)
            if values[2 + 2 * place] or values[3 + 2 * place]
        ]

    def _budgets(self, charge: Charge) -> list[tuple[int, _Account, int]]:
        """Number of the limit, account, and which of its periods."""
        return [
            (number, self._accounts.setdefault(charge.keys[1 + 2 * ((number - 2) // 2)], _Account()), number % 2)
            for number in range(2, len(NAMES))
            if charge.limits.values[number]
        ]

    def _debt_us(self, charge: Charge, rate: int, now_us: int) -> int:
        return max(self._full_us.get((charge.keys[0], rate), 0) - now_us, 0)

    def _take(self, charge: Charge, rate: int, amount: int, now_us: int) -> None:
        limit = charge.limits.values[rate]
        if limit and amount:
            full_us = self._full_us.get((charge.keys[0], rate), 0)
            full_us = max(full_us, now_us) if amount > 0 else full_us
            self._full_us[charge.keys[0], rate] = math.floor(full_us + _MINUTE_US / limit * amount)

    def _decision(
        self, charge: Charge, now_us: int, periods: tuple[int, int], worst: tuple[bool, float, int] | None
    ) -> Decision:
        count, limits = len(NAMES), charge.limits.values
        left, whole, used = [0] * count, [0] * count, [0] * count
        for rate in (0, 1):
            if limits[rate]:
                debt_us = self._debt_us(charge, rate, now_us)
                left[rate] = max(0, int((_MINUTE_US - debt_us) / _MINUTE_US * limits[rate] + 1e-6))
                whole[rate], used[rate] = -(-debt_us // 1000), limits[rate] - left[rate]
        for number, account, which in self._budgets(charge):
            used[number] = account.used(which, periods[which])
            left[number] = max(0, limits[number] - used[number])
            whole[number] = -(-(_ends_us(now_us)[which] - now_us) // 1000)
        refused = [0, 0, 0, 0] if worst is None else [0, worst[2] + 1, int(-(-worst[1] // 1000)), int(worst[0])]
        return Decision.read([*refused, *left, *whole, *used], charge.limits)


def _periods(now_us: int) -> tuple[int, int]:
    """Numbers of the day and of the month; both rise by one from each to the next."""
    day = now_us // _DAY_US
    date = datetime.date(1970, 1, 1) + datetime.timedelta(days=day)
    return day, date.year * 12 + date.month - 1


def _ends_us(now_us: int) -> tuple[int, int]:
    """When the day and the month end."""
    day, month = _periods(now_us)
    following = datetime.date((month + 1) // 12, (month + 1) % 12 + 1, 1)
    return (day + 1) * _DAY_US, (following - datetime.date(1970, 1, 1)).days * _DAY_US

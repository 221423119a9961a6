"""Where conversations are kept: in Redis, or in this process alone. Both do each step as one.

In Redis a conversation is one hash, so it expires as a whole:

======== ==================================================================
last     highest number given to a turn
w<n>     turn n waits for its answer; when it began, in ms of Redis's clock
t<n>     turn n, finished, as JSON
folded   turns up to this number are in the summary only
summary  of those, as JSON
m<n>     the turn that could not become turn n any more; its new number
======== ==================================================================
"""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from sightline_app.conversation.turns import Conversation, Folding, Turn
from sightline_app.state.redis_link import RedisLink

_SCRIPTS = Path(__file__).with_name("scripts")
_MAX_SESSIONS = 1000


class Seen(NamedTuple):
    """A conversation as it was after a step."""

    number: int
    """Of the turn that the step was about."""
    now_ms: int
    """The store's clock."""
    conversation: Conversation


class ConversationStore(Protocol):
    """Keeps conversations by key. Each method raises `StateAway` when the store does not answer."""

    kind: str
    """`redis` or `process`."""

    async def begin(self, key: str) -> Seen:
        """Give the next turn its number."""

    async def finish(self, key: str, number: int, turn: Turn) -> Seen:
        """Keep a finished turn; a second call for it changes nothing.

        The number in the answer is another one where the turn had been taken for abandoned, or where its number went to
        two turns because the store lost its last writes.
        """

    async def withdraw(self, key: str, number: int) -> None:
        """Give a number up: there will be no turn."""

    async def fold(self, key: str, folding: Folding) -> bool:
        """Replace the oldest turns by a summary; False if the conversation changed since it was read."""

    async def forget(self, key: str) -> None:
        """Remove a conversation."""


class RedisConversations:
    """Conversations in Redis, shared by all processes of the app.

    Args:
        link: the server.
        ttl_s: seconds after the last step at which a conversation expires.
    """

    kind = "redis"

    def __init__(self, link: RedisLink, ttl_s: float) -> None:
        self._link = link
        self._ttl_ms = max(1, int(ttl_s * 1000))
        self._begin = link.script(_SCRIPTS / "begin.lua")
        self._finish = link.script(_SCRIPTS / "finish.lua")
        self._fold = link.script(_SCRIPTS / "fold.lua")

    async def begin(self, key: str) -> Seen:
        """Give the next turn its number."""
        return _read(await self._begin([key], [self._ttl_ms]))

    async def finish(self, key: str, number: int, turn: Turn) -> Seen:
        """Keep a finished turn."""
        return _read(await self._finish([key], [number, turn.as_json(), self._ttl_ms]))

    async def withdraw(self, key: str, number: int) -> None:
        """Give a number up."""
        await self._link.delete_field(key, f"w{number}")

    async def fold(self, key: str, folding: Folding) -> bool:
        """Replace the oldest turns by a summary."""
        arguments: list[str | int] = [folding.after, folding.up_to, folding.present, json.dumps(folding.summary)]
        return bool(await self._fold([key], arguments))

    async def forget(self, key: str) -> None:
        """Remove a conversation."""
        await self._link.delete(key)


@dataclass
class _Kept:
    conversation: Conversation
    expires_s: float


class ProcessConversations:
    """Conversations in this process: for one process without Redis. The least recent ones beyond 1,000 are forgotten.

    No step waits for anything, so the event loop makes each one atomic.

    Args:
        ttl_s: seconds after the last step at which a conversation expires.
        clock: seconds that never go back.
    """

    kind = "process"

    def __init__(self, ttl_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._ttl_s = ttl_s
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    async def begin(self, key: str) -> Seen:
        """Give the next turn its number."""
        found = self._find(key)
        number = found.last + 1
        return self._keep(key, number, replace(found, last=number, waiting={**found.waiting, number: self._now_ms()}))

    async def finish(self, key: str, number: int, turn: Turn) -> Seen:
        """Keep a finished turn."""
        found = self._find(key)
        waiting = {n: began for n, began in found.waiting.items() if n != number}
        if number <= found.folded or found.turns.get(number, turn) != turn:
            number = found.last + 1
        turns = {**found.turns, number: turn}
        return self._keep(key, number, replace(found, last=max(found.last, number), turns=turns, waiting=waiting))

    async def withdraw(self, key: str, number: int) -> None:
        """Give a number up."""
        found = self._find(key)
        self._keep(key, number, replace(found, waiting={n: s for n, s in found.waiting.items() if n != number}))

    async def fold(self, key: str, folding: Folding) -> bool:
        """Replace the oldest turns by a summary."""
        found = self._find(key)
        numbers = range(folding.after + 1, folding.up_to + 1)
        if (
            not found.last
            or found.folded != folding.after
            or folding.present != "".join(str(int(n in found.turns)) for n in numbers)
        ):
            return False
        self._keep(
            key,
            folding.up_to,
            replace(
                found,
                folded=folding.up_to,
                summary=folding.summary,
                turns={n: turn for n, turn in found.turns.items() if n > folding.up_to},
                waiting={n: began for n, began in found.waiting.items() if n > folding.up_to},
            ),
        )
        return True

    async def forget(self, key: str) -> None:
        """Remove a conversation."""
        self._kept.pop(key, None)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

    def _find(self, key: str) -> Conversation:
        kept = self._kept.get(key)
        return kept.conversation if kept and kept.expires_s > self._clock() else Conversation()

    def _keep(self, key: str, number: int, conversation: Conversation) -> Seen:
        self._kept[key] = _Kept(conversation, self._clock() + self._ttl_s)
        self._kept.move_to_end(key)
        while len(self._kept) > _MAX_SESSIONS:
            self._kept.popitem(last=False)
        return Seen(number, self._now_ms(), conversation)


def _read(answer: Sequence[Any]) -> Seen:
    """Read what begin.lua and finish.lua return."""
    number, now_ms, flat = answer
    fields = flat if isinstance(flat, dict) else dict(zip(flat[::2], flat[1::2], strict=True))
    turns = {int(name[1:]): Turn.from_json(text) for name, text in fields.items() if name[0] == "t"}
    waiting = {int(name[1:]): int(began) for name, began in fields.items() if name[0] == "w"}
    summary = json.loads(fields["summary"]) if "summary" in fields else ""
    folded = int(fields.get("folded", 0))
    return Seen(number, now_ms, Conversation(int(fields["last"]), folded, summary, turns, waiting))

"""A request's part in its conversation: the history before its question, and its turn afterwards.

While the store is away, questions are answered all the same: the history is the one that the request brought along, the
turn is not kept, and both the answer and the spans say so (`Memory.AWAY`). A turn that could not begin still ends well
if the store is back by then.
"""

from __future__ import annotations

import enum
import logging
from collections.abc import Sequence

import sightline
from sightline import semconv
from sightline_app import prompt
from sightline_app.conversation.session_key import SessionKey
from sightline_app.conversation.stores import ConversationStore, Seen
from sightline_app.conversation.turns import Turn, folding, history
from sightline_app.errors import StateAway
from sightline_app.settings import StateSettings

MEMORY = "sightline_app.conversation.memory"
"""Attribute: where the conversation is kept, a `Memory`."""
TURN = "sightline_app.conversation.turn"
"""Attribute: number of the turn in its conversation, from 1."""
HISTORY = "sightline_app.conversation.history"
"""Attribute: whose earlier turns went into the prompt: stored, request (sent by the caller) or none."""

_log = logging.getLogger("sightline.app.state")


class Memory(enum.StrEnum):
    """Where a conversation is kept."""

    REDIS = "redis"
    PROCESS = "process"
    """In this process alone."""
    AWAY = "away"
    """Nowhere: the store did not answer."""
    NONE = "none"
    """Nowhere: the request belongs to no session."""


class OpenTurn:
    """The turn of one request, from `begin` to `finish` or `withdraw`, whichever comes first."""

    def __init__(self, sessions: Sessions, key: SessionKey | None, sent: Sequence[prompt.Message]) -> None:
        self._sessions = sessions
        self._key = key
        self._ended = False
        self.session = key.session if key else None
        self.memory = Memory.NONE if key is None else Memory(sessions.store.kind)
        self.number: int | None = None
        """Of the turn; None while it has none."""
        self.history: list[prompt.Message] = list(sent)
        """Messages before the question, oldest first."""
        self.is_kept = False
        """Whether the store acknowledged the finished turn."""

    async def begin(self) -> None:
        """Take a number and the stored history, if there is a session; never raises because of the store."""
        if self._key is not None:
            await self._begin(self._key)

    @sightline.trace("conversation.load", capture="recorded")
    async def _begin(self, key: SessionKey) -> None:
        """The history that the request brought along stays where the conversation has none."""
        source = "request" if self.history else "none"
        try:
            seen = await self._sessions.store.begin(key.name)
        except StateAway as exc:
            self._note_away(exc)
        else:
            self.number = seen.number
            stored = self._sessions.history(seen)
            if stored:
                self.history, source = stored, "stored"
        told = {
            MEMORY: str(self.memory),
            TURN: self.number,
            HISTORY: source,
        }
        sightline.annotate(told)
        sightline.annotate_request(told)

    @sightline.trace("conversation.store", capture="recorded")
    async def _finish(self, key: SessionKey, turn: Turn) -> None:
        try:
            if self.number is None:
                self.number = (await self._sessions.store.begin(key.name)).number
            seen = await self._sessions.store.finish(key.name, self.number, turn)
        except StateAway as exc:
            self._note_away(exc)
        else:
            self.number, self.is_kept = seen.number, True
            self.memory = Memory(self._sessions.store.kind)
            await self._sessions.fold(key.name, seen)
        told = {MEMORY: str(self.memory), TURN: self.number}
        sightline.annotate(told)
        sightline.annotate_request(told)

    async def finish(self, turn: Turn) -> None:
        """Keep the turn; never raises because of the store."""
        if not self._ended and self._key is not None:
            self._ended = True
            await self._finish(self._key, turn)

    async def withdraw(self) -> None:
        """Keep nothing of this turn: the question was refused or could not be answered at all."""
        if not self._ended and self._key is not None:
            self._ended = True
            if self.number is not None:
                try:
                    await self._sessions.store.withdraw(self._key.name, self.number)
                except StateAway as exc:
                    self._note_away(exc)

    def _note_away(self, exc: StateAway) -> None:
        self.memory = Memory.AWAY
        sightline.annotate({semconv.ERROR_TYPE: "state_away"})
        _log.debug("a conversation goes on without its memory: %s", exc)

    def told(self) -> dict[str, object]:
        """What the client reads of its conversation; empty without a session."""
        if self._key is None:
            return {}
        return {"session": self.session, "turn": self.number, "memory": str(self.memory)}


class Sessions:
    """Opens the turns of requests.

    Args:
        store: where conversations are kept.
        settings: bounds of what is kept and of what goes into a prompt.
        waits_s: longest time that an answer takes; a turn that waits longer was abandoned.
    """

    def __init__(self, store: ConversationStore, settings: StateSettings, waits_s: float) -> None:
        self.store = store
        self._settings = settings
        self._waits_ms = int(waits_s * 1000)

    def open(self, key: SessionKey | None, sent: Sequence[prompt.Message]) -> OpenTurn:
        """Return the turn of a request.

        Args:
            key: whose turn; None without a session.
            sent: the history that the request brought along.
        """
        return OpenTurn(self, key, sent)

    async def forget(self, key: SessionKey) -> None:
        """Remove a conversation.

        Raises:
            StateAway: the store did not do it.
        """
        await self.store.forget(key.name)

    def history(self, seen: Seen) -> list[prompt.Message]:
        """Return the stored messages for a prompt."""
        settings = self._settings
        return history(seen.conversation, settings.history_tokens, settings.summary_tokens, prompt.MAX_HISTORY_MESSAGES)

    async def fold(self, key: str, seen: Seen) -> None:
        """Put the oldest turns into the summary when there are too many.

        A conversation that changed meanwhile is left to the next turn, one whose store is away, too.
        """
        settings = self._settings
        due = folding(
            seen.conversation,
            seen.now_ms,
            max_turns=settings.session_turns,
            max_bytes=settings.session_max_bytes,
            summary_tokens=settings.summary_tokens,
            waits_ms=self._waits_ms,
        )
        if due is not None:
            try:
                await self.store.fold(key, due)
            except StateAway as exc:
                _log.debug("a conversation was not shortened: %s", exc)

"""Who sends which question: tenants, users and sessions, with further turns in sessions whose last answer is there."""

from __future__ import annotations

import random
import uuid
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass

from sightline_app.quality import Known


@dataclass
class Conversation:
    """One session of one user; the app keeps its turns."""

    tenant: str
    user: str
    session: str
    turns: int = 0
    """Questions that were sent."""
    last: Known | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Header fields of its requests."""
        return {"x-tenant-id": self.tenant, "x-user-id": self.user, "x-session-id": self.session}


class Conversations:
    """Gives each request its question and its session.

    A request never waits for another one's answer: where no session of its tenant is free, it begins a new one.

    Args:
        questions: they are drawn from.
        tenants: names, drawn evenly.
        users_per_tenant: users of each.
        max_turns: questions of one session; with 1, every request is a session of its own.
        seed: fixes all draws.
    """

    def __init__(
        self, questions: Sequence[Known], tenants: Sequence[str], users_per_tenant: int, max_turns: int, seed: int
    ) -> None:
        self._questions = questions
        self._tenants = tenants
        self._users = users_per_tenant
        self._max_turns = max_turns
        self._draw = random.Random(seed)  # noqa: S311  # nothing secret
        self._free: defaultdict[str, deque[Conversation]] = defaultdict(deque)

    def next(self) -> tuple[Conversation, Known]:
        """Return who asks next, and what."""
        # Every request draws the same numbers, whichever sessions are free, so that a seed gives the same questions.
        tenant, user = self._draw.choice(self._tenants), self._draw.randint(1, self._users)
        drawn, session = self._draw.choice(self._questions), uuid.UUID(int=self._draw.getrandbits(128)).hex
        free = self._free[tenant]
        conversation = free.popleft() if free else Conversation(tenant, f"{tenant}-user-{user}", session)
        follow_up = conversation.last.follow_up if conversation.last else None
        conversation.last = follow_up or drawn
        conversation.turns += 1
        return conversation, conversation.last

    def answered(self, conversation: Conversation) -> None:
        """Let a session whose answer is whole have its next turn; one that failed has none."""
        if conversation.turns < self._max_turns:
            self._free[conversation.tenant].append(conversation)

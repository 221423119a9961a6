"""Answers a question, for each kind of connection alike: who asks, what it may cost, its conversation, its events."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from typing import Any

import sightline
from sightline import semconv
from sightline_app.api.answers import Answer, events_of
from sightline_app.api.chat_request import read_question, read_session
from sightline_app.api.index_in_use import IndexInUse
from sightline_app.api.live_stream import LiveStream, LiveStreams, Owner
from sightline_app.conversation.session_key import SessionKey
from sightline_app.conversation.sessions import Sessions
from sightline_app.errors import Stopping
from sightline_app.limits.access import Access, Caller
from sightline_app.limits.call_estimate import most_tokens
from sightline_app.limits.limiter import Limiter
from sightline_app.scaling.drain import Drain
from sightline_app.settings import AppSettings


class Chat:
    """Begins answers.

    Args:
        settings: limits of questions and conversations.
        access: who may ask.
        serving: the pipeline.
        sessions: earlier turns.
        limiter: rates and budgets.
        streams: where the events of answers wait for their clients.
    """

    def __init__(
        self,
        settings: AppSettings,
        access: Access,
        *,
        serving: IndexInUse,
        sessions: Sessions,
        limiter: Limiter,
        streams: LiveStreams,
    ) -> None:
        self._settings = settings
        self._access = access
        self._serving = serving
        self._sessions = sessions
        self._limiter = limiter
        self._streams = streams
        self._answers: weakref.WeakSet[Answer] = weakref.WeakSet()
        self._counting = threading.Lock()  # metrics are read on a thread of their own, too
        self.drain = Drain(settings.api.drain_s, lambda: self.open_answers, streams.stop)
        """How the app stops."""

    @property
    def open_answers(self) -> int:
        """Answers in progress."""
        with self._counting:
            return sum(not each.has_ended for each in self._answers)

    @property
    def waiting_answers(self) -> int:
        """Answers that wait for the model's first token."""
        with self._counting:
            return sum(each.waits_for_model for each in self._answers)

    def caller(self, headers: Mapping[str, str]) -> Caller:
        """Say who asks, before anything else is read.

        Args:
            headers: of the request, by lower-case name.

        Raises:
            RequestRefused: the caller may not ask.
        """
        caller = self._access.caller(headers)
        sightline.identify(user=caller.user, tenant=caller.tenant)
        return caller

    async def begin(self, caller: Caller, headers: Mapping[str, str], body: dict[str, Any]) -> tuple[Answer, Owner]:
        """Do everything that comes before the model.

        Args:
            caller: who asks.
            headers: of the request, by lower-case name.
            body: the question.

        Returns:
            the answer, and who may read it.

        Raises:
            RequestRefused: the caller may not ask this, or not now.
            Unavailable: the vector store, the embeddings endpoint or the limits are away, or the app is stopping.
        """
        if self.drain.has_begun:
            raise Stopping("the app is stopping; another process of it answers")
        settings = self._settings
        session = read_session(headers, body)
        sightline.identify(session=session)
        question = read_question(body, caller.reads_as, settings.max_question_chars)
        sightline.annotate_request({semconv.INPUT: question.text})
        cost = most_tokens(question, settings, has_session=session is not None)
        admission = await self._limiter.admit(caller, cost)
        turn = self._sessions.open(SessionKey(caller.reads_as, session) if session else None, question.history)
        answer = Answer(question, turn, admission, settings.state.answer_max_chars)
        with self._counting:
            self._answers.add(answer)
        await answer.begin(self._serving.pipeline)
        return answer, Owner(caller.reads_as, caller.key_id, session)

    def stream(self, answer: Answer, owner: Owner) -> LiveStream:
        """Let the model answer; the events wait for whoever reads the stream."""
        return self._streams.start(owner, lambda stream: events_of(answer, stream.path))

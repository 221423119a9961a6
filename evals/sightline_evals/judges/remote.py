"""A model at any OpenAI-compatible endpoint as the judge.

Prompts and parsing are RAGAS's own (JSON mode of instructor). Every failure comes out as one of the package's
`JudgeError` classes; the openai client retries transient errors (connections, 408, 429, 5xx), instructor asks again
where an answer does not have the requested form.
"""

from __future__ import annotations

import logging
from typing import Any

from sightline_evals.errors import (
    JudgeError,
    JudgeInvalid,
    JudgeRefused,
    JudgeTimeout,
    JudgeTruncated,
    JudgeUnavailable,
    UsageError,
)
from sightline_evals.settings import JudgeSettings

_RETRYABLE_STATUS = frozenset({408, 409, 425, 429})


class RemoteJudge:
    """Judges with the model that `settings` name.

    Raises:
        UsageError: no model is named, or neither an endpoint nor a key.
    """

    def __init__(self, settings: JudgeSettings) -> None:
        if not settings.model:
            raise UsageError("a remote judge needs a model: set SIGHTLINE_JUDGE_MODEL, or use --judge offline")
        if not settings.base_url and not settings.api_key:
            raise UsageError(
                "a remote judge needs an endpoint or a key: set SIGHTLINE_JUDGE_BASE_URL, for example "
                "http://127.0.0.1:8081/v1, or SIGHTLINE_JUDGE_API_KEY for the hosted OpenAI API"
            )
        self._settings = settings
        self._client: Any = None
        self._llm: Any = None

    @property
    def name(self) -> str:
        """The model's name."""
        return self._settings.model

    @property
    def version(self) -> str:
        """The prompts' version: RAGAS's own. Which model the endpoint serves under its name is not known here."""
        return "ragas-0.4.3"

    def llm(self) -> Any:
        """The model as RAGAS model; made on the first call."""
        if self._llm is None:
            from sightline_evals.judges import ragas_adapter  # noqa: F401, I001, PLC0415 - turns RAGAS's tracking off first
            from openai import AsyncOpenAI  # noqa: PLC0415 - takes a second, needed by this judge only
            from ragas.llms import llm_factory  # noqa: PLC0415

            # Every failure is recorded in its score; instructor would log it again for each attempt.
            logging.getLogger("instructor").setLevel(logging.CRITICAL)
            self._client = AsyncOpenAI(
                base_url=self._settings.base_url or None,
                api_key=self._settings.api_key or "none",
                timeout=self._settings.timeout_s,
                max_retries=self._settings.retries,
            )
            self._llm = llm_factory(
                self._settings.model,
                client=self._client,
                max_tokens=self._settings.max_tokens,
                max_retries=self._settings.retries,
            )
        return self._llm

    def judge_error_of(self, exc: BaseException) -> JudgeError | None:
        """The `JudgeError` for an exception, from the chain of its causes."""
        import instructor  # noqa: PLC0415 - loaded with the model
        import openai  # noqa: PLC0415
        import pydantic  # noqa: PLC0415

        where = self._settings.base_url or "the OpenAI API"
        chain = _chain(exc)
        for cause in chain:
            if isinstance(cause, openai.APITimeoutError):
                return JudgeTimeout(
                    f"{where} did not answer within SIGHTLINE_JUDGE_TIMEOUT_S={self._settings.timeout_s:g}"
                )
            if isinstance(cause, openai.APIStatusError):
                kind = (
                    JudgeUnavailable
                    if cause.status_code >= 500 or cause.status_code in _RETRYABLE_STATUS
                    else JudgeRefused
                )
                return kind(f"{where} answered {cause.status_code}: {_short(cause.message)}")
            if isinstance(cause, openai.APIConnectionError):
                return JudgeUnavailable(f"no endpoint answers at {where}: {_short(cause.__cause__ or cause)}")
            if type(cause).__name__ == "IncompleteOutputException":
                return JudgeTruncated(
                    f"the answer was cut off; raise SIGHTLINE_JUDGE_MAX_TOKENS from {self._settings.max_tokens}"
                )
        for cause in chain:
            if isinstance(cause, pydantic.ValidationError | openai.OpenAIError | ValueError) or (
                type(cause).__module__.split(".")[0] == instructor.__name__
            ):
                return JudgeInvalid(f"the answer does not have the requested form: {_short(cause)}")
        return None

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()


def _chain(exc: BaseException) -> list[BaseException]:
    """An exception and its causes, outermost first; stops at a cycle."""
    chain: list[BaseException] = []
    visited: set[int] = set()
    current: BaseException | None = exc
    while current is not None and id(current) not in visited:
        visited.add(id(current))
        chain.append(current)
        current = current.__cause__ or current.__context__
    return chain


def _short(message: object, limit: int = 200) -> str:
    text = " ".join(str(message).split()) or type(message).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"

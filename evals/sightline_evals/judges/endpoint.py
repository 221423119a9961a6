"""One OpenAI-compatible endpoint as a run uses it: turns, retries, refused parameters, budget, cache.

* A rate limit (429, or 503 with Retry-After) is no failure: the call waits and is made again, without using up its
  tries, and the run's calls slow down to what the endpoint takes (`limiter`). Only where nothing but refusals came for
  `rate_limit_wait_s` does it count as failed.
* Other transient failures (no connection, no answer in time, 408, 409, 425, 5xx) are tried again `retries` times, with
  growing pauses. Of an endpoint that never answered anything, a call that ran into its time limit is not made again.
* A parameter that the endpoint refuses (400 or 422 that names it) is left out, once for the whole run, and the call is
  made again; the longest answer has two names, ``max_tokens`` and ``max_completion_tokens``, which are both tried.

Source: https://platform.openai.com/docs/api-reference/chat/create, https://platform.openai.com/docs/guides/error-codes
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar, cast

from sightline_evals.errors import (
    JudgeError,
    JudgeInvalid,
    JudgeRefused,
    JudgeTimeout,
    JudgeTruncated,
    JudgeUnavailable,
)
from sightline_evals.judges.budget import Budget
from sightline_evals.judges.limiter import Limiter
from sightline_evals.settings import JudgeSettings

Answered = TypeVar("Answered")

_TRANSIENT: Final = frozenset({408, 409, 425})
_OTHER_NAME: Final = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_LONGEST_BACKOFF_S: Final = 8.0


class Endpoint:
    """Asks one endpoint for completions and embeddings.

    Args:
        settings: address, model, limits.
        budget: counts what is spent, and stops calls.
        concurrency: calls at once, at most.
        base_url: another address than the settings'.
    """

    def __init__(
        self, settings: JudgeSettings, budget: Budget, *, concurrency: int = 4, base_url: str | None = None
    ) -> None:
        from openai import AsyncOpenAI  # noqa: PLC0415 - takes a second, needed by remote judges only

        self._settings = settings
        self._budget = budget
        self._limiter = Limiter(concurrency, patience_s=settings.rate_limit_wait_s)
        self._where = base_url or settings.base_url or "the OpenAI API"
        self._client = AsyncOpenAI(
            base_url=base_url or settings.base_url or None,
            api_key=settings.api_key or "none",
            timeout=settings.timeout_s,
            max_retries=0,
        )
        self._parameters: dict[str, Any] = {"response_format": {"type": "json_object"}}
        if settings.max_tokens_parameter in _OTHER_NAME:
            self._parameters[settings.max_tokens_parameter] = settings.max_tokens
        for name, value in (("temperature", settings.temperature), ("top_p", settings.top_p)):
            if value is not None:
                self._parameters[name] = value
        self._refused: set[str] = set()
        self._has_answered = False

    async def complete(self, messages: Sequence[dict[str, str]]) -> str:
        """The text that the model answers.

        Raises:
            JudgeError: a subclass says what went wrong.
            BudgetReached: the budget does not allow the call.
        """

        async def call() -> Any:
            parameters = dict(self._parameters)
            with self._budget.call("".join(message["content"] for message in messages)):
                try:
                    return await self._client.chat.completions.create(
                        model=self._settings.model,
                        messages=cast("Any", list(messages)),  # the client wants a type for each role
                        **parameters,
                    )
                except Exception as exc:
                    self._leave_out_refused(exc, parameters)
                    raise

        return self._text_of(await self._made(call))

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """The embeddings of some texts, float[len(texts)][dimensions].

        Raises:
            JudgeError: a subclass says what went wrong.
            BudgetReached: the budget does not allow the call.
        """

        async def call() -> Any:
            with self._budget.call("".join(texts)):
                return await self._client.embeddings.create(
                    model=self._settings.embedding_model, input=list(texts), encoding_format="float"
                )

        answer = await self._made(call)
        try:
            vectors = [list(map(float, row.embedding)) for row in answer.data]
        except (AttributeError, TypeError, ValueError) as exc:
            raise JudgeInvalid(f"{self._where} did not answer with embeddings: {_short(exc)}") from exc
        if len(vectors) != len(texts):
            raise JudgeInvalid(f"{self._where} answered {len(vectors)} embeddings for {len(texts)} texts")
        self._count(answer)
        return vectors

    def count_cached(self) -> None:
        """Count an answer that was not asked for, because it was known."""
        self._budget.cached_calls += 1

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _made(self, call: Callable[[], Awaitable[Answered]]) -> Answered:
        """The answer of a call, made again as the module says."""
        tries = 0
        while True:
            began_at = await self._limiter.begin()
            try:
                answer = await call()
            except _ParameterLeftOut:
                continue
            except Exception as exc:
                failure = self._failure_of(exc)
                if failure is None:
                    raise
                wait_s = _asked_to_wait_s(exc)
                if _is_rate_limit(exc, wait_s):
                    self._limiter.refused(began_at, wait_s)
                    if self._limiter.is_hopeless(wait_s):
                        raise failure from exc
                    continue
                tries += 1
                if tries > self._settings.retries or not self._is_worth_trying(failure):
                    raise failure from exc
            else:
                self._has_answered = True
                self._limiter.succeeded()
                return answer
            finally:
                self._limiter.end()
            await asyncio.sleep(random.uniform(0.5, 1) * min(_LONGEST_BACKOFF_S, 2**tries / 2))  # noqa: S311

    def _is_worth_trying(self, failure: JudgeError) -> bool:
        if isinstance(failure, JudgeTimeout):
            return self._has_answered
        return isinstance(failure, JudgeUnavailable)

    def _leave_out_refused(self, exc: Exception, sent: dict[str, Any]) -> None:
        """Raise `_ParameterLeftOut` where the endpoint refused one of the parameters that were sent."""
        if getattr(exc, "status_code", 0) not in {400, 422}:
            return
        body = getattr(exc, "body", None)
        named = str(body.get("param") or "") if isinstance(body, dict) else ""
        message = _message_of(exc)
        refused = next((name for name in sent if name == named.split(".")[0]), "") or next(
            (name for name in sent if name in message), ""
        )
        if not refused:
            return
        self._refused.add(refused)
        value = self._parameters.pop(refused, None)
        other = _OTHER_NAME.get(refused, refused)
        if value is not None and other not in self._refused:
            self._parameters[other] = value
        raise _ParameterLeftOut(refused) from exc

    def _text_of(self, completion: Any) -> str:
        try:
            choice = completion.choices[0]
            text, ending = choice.message.content, choice.finish_reason
        except (AttributeError, IndexError, TypeError) as exc:
            raise JudgeInvalid(
                f"the answer of {self._where} does not have the requested form: no completion, but {_short(completion)}"
            ) from exc
        self._count(completion)
        if ending == "length":
            raise JudgeTruncated(
                f"the answer was cut off; raise SIGHTLINE_JUDGE_MAX_TOKENS from {self._settings.max_tokens}"
            )
        if not text:
            refusal = getattr(choice.message, "refusal", None)
            raise JudgeInvalid(f"the answer is empty{f': {_short(refusal)}' if refusal else ''}")
        return str(text)

    def _count(self, answer: Any) -> None:
        usage = getattr(answer, "usage", None)
        self._budget.spent(
            int(getattr(usage, "prompt_tokens", 0) or 0), int(getattr(usage, "completion_tokens", 0) or 0)
        )

    def _failure_of(self, exc: Exception) -> JudgeError | None:
        import openai  # noqa: PLC0415 - loaded with the client

        if isinstance(exc, openai.APITimeoutError):
            return JudgeTimeout(
                f"{self._where} did not answer within SIGHTLINE_JUDGE_TIMEOUT_S={self._settings.timeout_s:g}"
            )
        if isinstance(exc, openai.APIStatusError):
            is_transient = exc.status_code >= 500 or exc.status_code in _TRANSIENT or _is_rate_limit(exc, None)
            kind = JudgeUnavailable if is_transient else JudgeRefused
            return kind(f"{self._where} answered {exc.status_code}: {_short(_message_of(exc))}")
        if isinstance(exc, openai.APIConnectionError):
            return JudgeUnavailable(f"no endpoint answers at {self._where}: {_short(exc.__cause__ or exc)}")
        if isinstance(exc, openai.OpenAIError | ValueError):
            return JudgeInvalid(f"the answer of {self._where} does not have the requested form: {_short(exc)}")
        return None


class _ParameterLeftOut(Exception):
    """The endpoint refused a parameter, which is not sent any more."""


def _message_of(exc: Exception) -> str:
    """What the endpoint says of an error, without the client's own words."""
    body = getattr(exc, "body", None)
    if isinstance(body, dict):
        inner = body.get("error", body)
        if isinstance(inner, dict) and isinstance(inner.get("message"), str):
            return str(inner["message"])
    return str(getattr(exc, "message", exc))


def _is_rate_limit(exc: Exception, wait_s: float | None) -> bool:
    """Whether a call came too early; an account without credit answers 429 too, and no waiting helps there."""
    status = getattr(exc, "status_code", 0)
    if status == 429:
        return getattr(exc, "code", None) != "insufficient_quota"
    return status == 503 and wait_s is not None


def _asked_to_wait_s(exc: Exception) -> float | None:
    """Seconds that the answer asks to wait; None where it does not say."""
    headers = getattr(getattr(exc, "response", None), "headers", None) or {}
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        text = headers.get("retry-after", "")
        if not text:
            return None
        if text.strip().replace(".", "", 1).isdigit():
            return float(text)
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _short(message: object, limit: int = 200) -> str:
    text = " ".join(str(message).split()) or type(message).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"

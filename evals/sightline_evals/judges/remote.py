"""A model at any OpenAI-compatible endpoint as the judge.

Prompts are RAGAS's own. Every failure comes out as one of the package's `JudgeError` classes; what is tried again, and
when, stands in `endpoint`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from sightline_evals.errors import JudgeError, JudgeInvalid, UsageError
from sightline_evals.judges.answer_cache import AnswerCache
from sightline_evals.judges.budget import Budget, Price
from sightline_evals.settings import JudgeSettings
from sightline_store.prices import price_book

VERSION: Final = "ragas-0.4.3-2"
"""RAGAS's prompts, and how they are sent. Which model an endpoint serves under its name is not known here."""


class RemoteJudge:
    """Judges with the model that `settings` name.

    Args:
        settings: model, address, limits.
        budget: counts what is spent, and stops calls; without one nothing is limited.
        cache: answers that were paid already.
        concurrency: calls at once, at most.

    Raises:
        UsageError: no model is named, or neither an endpoint nor a key.
    """

    def __init__(
        self,
        settings: JudgeSettings,
        budget: Budget | None = None,
        cache: AnswerCache | None = None,
        concurrency: int = 4,
    ) -> None:
        if not settings.model:
            raise UsageError("a remote judge needs a model: set SIGHTLINE_JUDGE_MODEL, or use --judge offline")
        if not settings.base_url and not settings.api_key:
            raise UsageError(
                "a remote judge needs an endpoint or a key: set SIGHTLINE_JUDGE_BASE_URL, for example "
                "http://127.0.0.1:8081/v1, or SIGHTLINE_JUDGE_API_KEY for the hosted OpenAI API"
            )
        self._settings = settings
        self._cache = cache
        self._concurrency = concurrency
        self.budget = budget or Budget(price_of(settings))
        self._endpoints: list[Any] = []
        self._llm: Any = None
        self._embeddings_at: Any = None

    @property
    def name(self) -> str:
        """The model's name."""
        return self._settings.model

    @property
    def version(self) -> str:
        """`VERSION`."""
        return VERSION

    def llm(self) -> Any:
        """The model as RAGAS model; made on the first call."""
        if self._llm is None:
            from sightline_evals.judges.ragas_adapter import EndpointLLM  # noqa: PLC0415 - imports RAGAS

            settings = self._settings
            identity = (
                settings.base_url,
                settings.model,
                VERSION,
                *map(str, (settings.temperature, settings.top_p, settings.max_tokens)),
            )
            self._llm = EndpointLLM(self._endpoint(""), identity, self._cache, settings.retries)
        return self._llm

    def embeddings(self) -> Any:
        """New RAGAS embeddings of SIGHTLINE_JUDGE_EMBEDDING_MODEL, for one score."""
        from sightline_evals.judges.ragas_adapter import EndpointEmbeddings  # noqa: PLC0415 - imports RAGAS

        if self._embeddings_at is None:
            self._embeddings_at = self._endpoint(self._settings.embedding_base_url)
        return EndpointEmbeddings(self._embeddings_at)

    def judge_error_of(self, exc: BaseException) -> JudgeError | None:
        """The `JudgeError` for an exception, from the chain of its causes."""
        chain = _chain(exc)
        known = next((cause for cause in chain if isinstance(cause, JudgeError)), None)
        if known is not None:
            return known
        invalid = next((cause for cause in chain if isinstance(cause, ValueError)), None)
        return None if invalid is None else JudgeInvalid(f"the answer does not have the requested form: {invalid}")

    async def close(self) -> None:
        """Close the connections."""
        for endpoint in self._endpoints:
            await endpoint.close()
        if self._cache is not None:
            self._cache.close()

    def _endpoint(self, base_url: str) -> Any:
        from sightline_evals.judges import ragas_adapter  # noqa: F401, PLC0415 - turns RAGAS's tracking off first
        from sightline_evals.judges.endpoint import Endpoint  # noqa: PLC0415 - imports the openai client

        endpoint = Endpoint(self._settings, self.budget, concurrency=self._concurrency, base_url=base_url or None)
        self._endpoints.append(endpoint)
        return endpoint


def price_of(settings: JudgeSettings) -> Price | None:
    """The price of the judge's model: the settings', else the price list's by the model's name; None where unknown."""
    if settings.input_price_usd is not None and settings.output_price_usd is not None:
        return Price(settings.input_price_usd, settings.output_price_usd)
    if not settings.model:
        return None
    provider = "" if settings.base_url else "openai"
    try:
        periods = price_book.quote(f"{provider}/{settings.model}").periods
    except ImportError:
        return None
    now = datetime.now(UTC)
    rate = next((period.rate for period in reversed(periods) if period.valid_from <= now), None)
    if rate is None or rate.input is None or rate.output is None:
        return None
    return Price(float(rate.input), float(rate.output))


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

"""The bridge to RAGAS 0.4: judges as RAGAS models, and a recorder around any of them.

Importing this module imports RAGAS, which takes seconds and 200 MB: only the scorers do, and only when a run begins.
RAGAS sends usage data to its vendor unless RAGAS_DO_NOT_TRACK is ``true`` before its first call, so it is set here,
before the import, whatever the environment says.

A RAGAS metric hands its model one prompt text and a response class. Classes of different metrics share names, so a
`StatementJudge` selects by the fields of the response and the keys of the input, which is JSON at the prompt's end.

Source: https://github.com/vibrantlabsai/ragas, ``prompt/metrics/base_prompt.py`` and ``metrics/collections`` of v0.4.3
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, TypeVar

os.environ["RAGAS_DO_NOT_TRACK"] = "true"

import ragas.llms.base
from pydantic import BaseModel, ValidationError
from ragas.embeddings.base import BaseRagasEmbedding
from ragas.llms.base import InstructorBaseRagasLLM
from ragas.metrics.collections import (
    AnswerRelevancy,
    ContextPrecisionWithoutReference,
    ContextPrecisionWithReference,
    ContextRecall,
    FactualCorrectness,
    Faithfulness,
    NoiseSensitivity,
    ResponseGroundedness,
    SemanticSimilarity,
)
from ragas.metrics.collections.base import BaseMetric
from ragas.prompt.metrics.base_prompt import BasePrompt

from sightline_evals.errors import JudgeInvalid
from sightline_evals.judges.answer_cache import AnswerCache
from sightline_evals.judges.endpoint import Endpoint
from sightline_evals.judges.model_text import json_objects
from sightline_evals.judges.offline import OfflineJudge
from sightline_evals.judges.statement_judge import StatementJudge

__all__ = [
    "AnswerRelevancy",
    "ContextPrecisionWithReference",
    "ContextPrecisionWithoutReference",
    "ContextRecall",
    "EndpointEmbeddings",
    "EndpointLLM",
    "FactualCorrectness",
    "Faithfulness",
    "NoStatements",
    "NoiseSensitivity",
    "Recorder",
    "ResponseGroundedness",
    "SemanticSimilarity",
    "StatementRagasLLM",
    "prompt_input",
    "prompts_sha256",
]

# Even with tracking off RAGAS makes an event for each call of a model, which writes a lasting user id into the home
# folder.
vars(ragas.llms.base)["LLMUsageEvent"] = dict

Answer = TypeVar("Answer", bound=BaseModel)

_INPUT_MARK: Final = "Now perform the same with the following input\ninput: "
_RATINGS: Final = (0, 1, 2)
_WRONG_FORM: Final = (
    "Your answer does not have the requested form: {reason}. Answer again, with the JSON object alone and nothing else."
)


class NoStatements(Exception):
    """The judge found no statement in a text, so there is nothing that could be supported or not."""


def prompt_input(prompt: str) -> dict[str, Any]:
    """The input of a RAGAS prompt, out of the text that RAGAS made of it.

    Raises:
        ValueError: the prompt is not of the form that RAGAS 0.4 writes.
    """
    # The mark is written once, after the examples; user text follows it as JSON, where a line break is "\\n", so
    # no answer or passage can hold the mark itself.
    mark_position = prompt.rfind(_INPUT_MARK)
    if mark_position < 0:
        raise ValueError("not a prompt of RAGAS 0.4: the mark before its input is missing")
    prompt_values, _ = json.JSONDecoder().raw_decode(prompt, mark_position + len(_INPUT_MARK))
    if not isinstance(prompt_values, dict):
        raise ValueError("the input of a RAGAS prompt must be a JSON object")  # noqa: TRY004
    return prompt_values


class StatementRagasLLM(InstructorBaseRagasLLM):
    """Answers the prompts of Faithfulness, ContextPrecision (both) and ContextRecall with a `StatementJudge`."""

    is_async = True  # read by RAGAS; the answers are computed in place and never wait

    def __init__(self, judge: StatementJudge) -> None:
        self._judge = judge

    def generate(self, prompt: str, response_model: type[Answer]) -> Answer:
        """Answer one prompt.

        Raises:
            NotImplementedError: the prompt is of a metric that this judge does not support.
        """
        prompt_values = prompt_input(prompt)
        response_fields, input_keys = frozenset(response_model.model_fields), frozenset(prompt_values)
        match sorted(response_fields), sorted(input_keys):
            case ["statements"], ["context", "statements"]:
                return response_model.model_validate(
                    {"statements": self._verdicts(prompt_values["statements"], prompt_values["context"])}
                )
            case ["statements"], ["answer", "question"]:
                return response_model.model_validate({"statements": self._judge.statements(prompt_values["answer"])})
            case ["reason", "verdict"], ["answer", "context", "question"]:
                useful, reason = self._judge.useful(
                    prompt_values["question"], prompt_values["context"], prompt_values["answer"]
                )
                return response_model.model_validate({"reason": reason, "verdict": int(useful)})
            case ["classifications"], ["answer", "context", "question"]:
                verdicts = self._verdicts(self._judge.statements(prompt_values["answer"]), prompt_values["context"])
                classifications = [{**verdict, "attributed": verdict["verdict"]} for verdict in verdicts]
                return response_model.model_validate({"classifications": classifications})
        raise NotImplementedError(
            f"{self._judge.name} has no answer of the form {sorted(response_fields)} to an input of "
            f"{sorted(input_keys)}; use a model as judge: SIGHTLINE_JUDGE_MODEL"
        )

    async def agenerate(self, prompt: str, response_model: type[Answer]) -> Answer:
        """Answer one prompt; the same as `generate`."""
        return self.generate(prompt, response_model)

    def _verdicts(self, statements: list[str], context: str) -> list[dict[str, Any]]:
        evidence_by_statement = zip(statements, self._judge.evidences(statements, context), strict=True)
        return [
            {"statement": statement, "reason": evidence.reason(), "verdict": int(self._judge.supported(evidence))}
            for statement, evidence in evidence_by_statement
        ]


class EndpointLLM(InstructorBaseRagasLLM):
    """Answers prompts with the model of an `Endpoint`.

    An answer that does not have the requested form is told so and asked again, in the same conversation.

    Args:
        endpoint: where the model is.
        identity: what tells its answers from those of other judges: address, model, version, parameters.
        cache: answers that were paid already; None for no such memory.
        retries: how often an answer of another form is asked again.
    """

    is_async = True

    def __init__(self, endpoint: Endpoint, identity: Sequence[str], cache: AnswerCache | None, retries: int) -> None:
        self._endpoint = endpoint
        self._identity = tuple(identity)
        self._cache = cache
        self._retries = retries

    def generate(self, prompt: str, response_model: type[Answer]) -> Answer:
        """Not to be had: the endpoint is asked asynchronously only."""
        raise NotImplementedError("use agenerate()")

    async def agenerate(self, prompt: str, response_model: type[Answer]) -> Answer:
        """Answer one prompt."""
        return await self.answer(prompt, response_model, 0)

    async def answer(self, prompt: str, response_model: type[Answer], repetition: int) -> Answer:
        """Answer one prompt.

        Args:
            prompt: as RAGAS wrote it.
            response_model: form of the answer.
            repetition: how often it was asked before for the same score, which wants another answer each time.

        Raises:
            JudgeError: a subclass says what went wrong.
        """
        key = AnswerCache.key(*self._identity, prompt, repetition)
        cached = None if self._cache is None else self._cache.get(key)
        if cached is not None:
            self._endpoint.count_cached()
            return response_model.model_validate_json(cached)
        messages = [{"role": "user", "content": prompt}]
        for tries_left in range(self._retries, -1, -1):
            text = await self._endpoint.complete(messages)
            try:
                answer = _parsed(text, response_model)
            except ValueError as exc:
                reason = " ".join(str(exc).split())[:300]
                if not tries_left:
                    raise JudgeInvalid(f"the answer does not have the requested form: {reason}") from exc
                messages = [
                    {"role": "user", "content": prompt},
                    {"role": "assistant", "content": text},
                    {"role": "user", "content": _WRONG_FORM.format(reason=reason)},
                ]
                continue
            if self._cache is not None:
                self._cache.put(key, answer.model_dump_json())
            return answer
        raise AssertionError("unreachable: the last try raises")


class EndpointEmbeddings(BaseRagasEmbedding):
    """Embeddings of an `Endpoint`. RAGAS asks some of them synchronously: `prepare` fetches those before.

    Args:
        endpoint: where the embedding model is.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__()
        self._endpoint = endpoint
        self._prepared: dict[str, list[float]] = {}

    async def prepare(self, *texts: str) -> None:
        """Fetch the embeddings of texts for `embed_text`."""
        self._prepared.update(zip(texts, await self._endpoint.embed(texts), strict=True))

    def embed_text(self, text: str, **_: Any) -> list[float]:
        """The embedding of a prepared text."""
        return self._prepared[text]

    async def aembed_text(self, text: str, **_: Any) -> list[float]:
        """The embedding of a text."""
        return (await self._endpoint.embed([text]))[0]

    async def aembed_texts(self, texts: list[str], **_: Any) -> list[list[float]]:
        """The embeddings of some texts."""
        return await self._endpoint.embed(texts)


class Recorder(InstructorBaseRagasLLM):
    """Passes the prompts of one score on to another model, keeps its answers and rejects invalid ones.

    RAGAS accepts a verdict of 7 as yes, averages over the statements that the model returned, leaves a rating out that
    could not be had, and divides by the statements of an answer that has none; each would make a wrong score, so the
    first two are `JudgeInvalid` here, a failure is kept in `failure`, and the last is `NoStatements`.

    Attributes:
        answers: the model's answers, in their order.
        failure: the first exception of the model, which RAGAS may have swallowed.
    """

    is_async = True

    def __init__(self, llm: InstructorBaseRagasLLM, *, needs_statements: bool = False) -> None:
        self._llm = llm
        self._needs_statements = needs_statements
        self._asked: Counter[str] = Counter()
        self.answers: list[dict[str, Any]] = []
        self.failure: Exception | None = None

    def generate(self, prompt: str, response_model: type[Answer]) -> Answer:
        """Generate an answer, check it and keep it."""
        return self._checked(prompt, self._llm.generate(prompt, response_model))

    async def agenerate(self, prompt: str, response_model: type[Answer]) -> Answer:
        """Generate an answer, check it and keep it."""
        if self.failure is not None:
            raise self.failure
        try:
            if isinstance(self._llm, EndpointLLM):
                answer = await self._llm.answer(prompt, response_model, self._asked[prompt])
                self._asked[prompt] += 1
            else:
                answer = await self._llm.agenerate(prompt, response_model)
            return self._checked(prompt, answer)
        except Exception as exc:
            self.failure = exc
            raise

    def _checked(self, prompt: str, answer: Answer) -> Answer:
        verdicts = answer.model_dump()
        rows = verdicts.get("classifications", verdicts.get("statements", [verdicts]))
        for row in rows:
            for key in ("verdict", "attributed"):
                if isinstance(row, dict) and key in row and row[key] not in (0, 1):
                    raise JudgeInvalid(f"the judge's {key} is {row[key]!r}; needs 0 or 1")
        if "rating" in verdicts and verdicts["rating"] not in _RATINGS:
            raise JudgeInvalid(f"the judge's rating is {verdicts['rating']!r}; needs 0, 1 or 2")
        statements = prompt_input(prompt).get("statements")
        if statements is not None and len(rows) != len(statements):
            raise JudgeInvalid(f"the judge gave {len(rows)} verdicts on {len(statements)} statements")
        if statements is None and self._needs_statements and not verdicts.get("statements", True):
            raise NoStatements
        self.answers.append(verdicts)
        return answer


def _parsed(text: str, response_model: type[Answer]) -> Answer:
    """The answer of the requested form that a model's text holds.

    Raises:
        ValueError: it holds none.
    """
    reason: Exception = ValueError(f"there is no JSON object in {text[:100]!r}")
    for found in json_objects(text):
        try:
            return response_model.model_validate(found)
        except ValidationError as exc:
            reason = exc
    raise reason


def prompts_sha256(metric: type[BaseMetric]) -> str:
    """Hash of what a metric tells its judge: instructions, examples and forms of its prompts, without any sample.

    Returns:
        64 hex digits; "" for a metric without prompts.
    """
    parts = [_told(prompt) for _, prompt in sorted(vars(_unused(metric)).items()) if isinstance(prompt, BasePrompt)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest() if parts else ""


def _told(prompt: BasePrompt[Any, Any]) -> str:
    """What a prompt says with an empty sample."""
    fields = prompt.input_model.model_fields.items()
    return str(
        prompt.to_string(prompt.input_model(**{name: "" if field.annotation is str else [] for name, field in fields}))
    )


class _NoEmbeddings(BaseRagasEmbedding):
    """Embeddings that nobody asks."""

    def embed_text(self, text: str, **_: Any) -> list[float]:
        raise NotImplementedError

    async def aembed_text(self, text: str, **_: Any) -> list[float]:
        raise NotImplementedError


def _unused(metric: type[BaseMetric]) -> BaseMetric:
    """A metric that is not asked anything."""
    parts: dict[str, Any] = {"llm": StatementRagasLLM(OfflineJudge()), "embeddings": _NoEmbeddings()}
    wanted = inspect.signature(metric).parameters
    return metric(**{name: part for name, part in parts.items() if name in wanted})

"""The bridge to RAGAS 0.4: the offline judge as a RAGAS model, and a recorder around any of them.

Importing this module imports RAGAS, which takes seconds and 200 MB: only the scorers do, and only when a run begins.
RAGAS sends usage data to its vendor unless RAGAS_DO_NOT_TRACK is ``true`` before its first call, so it is set here,
before the import, whatever the environment says.

A RAGAS metric hands its model one prompt text and a response class. Classes of different metrics share names, so the
offline judge selects by the fields of the response and the keys of the input, which is JSON at the prompt's end.

Source: https://github.com/vibrantlabsai/ragas, ``prompt/metrics/base_prompt.py`` and ``metrics/collections`` of v0.4.3
"""

from __future__ import annotations

import json
import os
from typing import Any, TypeVar

os.environ["RAGAS_DO_NOT_TRACK"] = "true"

import ragas.llms.base
from pydantic import BaseModel
from ragas.llms.base import InstructorBaseRagasLLM
from ragas.metrics.collections import (
    ContextPrecisionWithoutReference,
    ContextPrecisionWithReference,
    ContextRecall,
    Faithfulness,
)

from sightline_evals.errors import JudgeInvalid
from sightline_evals.judges.offline import OfflineJudge

__all__ = [
    "ContextPrecisionWithReference",
    "ContextPrecisionWithoutReference",
    "ContextRecall",
    "Faithfulness",
    "OfflineRagasLLM",
    "Recorder",
    "prompt_input",
]

# Even with tracking off RAGAS makes an event for each call of a model, which writes a lasting user id into the home
# folder.
vars(ragas.llms.base)["LLMUsageEvent"] = dict

Answer = TypeVar("Answer", bound=BaseModel)

_INPUT_MARK = "Now perform the same with the following input\ninput: "


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


class OfflineRagasLLM(InstructorBaseRagasLLM):
    """Answers the prompts of Faithfulness, ContextPrecision (both) and ContextRecall with an `OfflineJudge`."""

    is_async = True  # read by RAGAS; the answers are computed in place and never wait

    def __init__(self, judge: OfflineJudge) -> None:
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
            f"the offline judge has no answer of the form {sorted(response_fields)} to an input of "
            f"{sorted(input_keys)}; use a model as judge: SIGHTLINE_JUDGE_MODEL"
        )

    async def agenerate(self, prompt: str, response_model: type[Answer]) -> Answer:
        """Answer one prompt; the same as `generate`."""
        return self.generate(prompt, response_model)

    def _verdicts(self, statements: list[str], context: str) -> list[dict[str, Any]]:
        evidence_by_statement = [(statement, self._judge.evidence(statement, context)) for statement in statements]
        return [
            {"statement": statement, "reason": evidence.reason(), "verdict": int(self._judge.supported(evidence))}
            for statement, evidence in evidence_by_statement
        ]


class Recorder(InstructorBaseRagasLLM):
    """Passes prompts on to another model, keeps its answers for the explanation and rejects invalid ones.

    RAGAS accepts a verdict of 7 as yes and averages over the statements that the model returned; both would make a
    wrong score, so both are `JudgeInvalid` here.
    """

    is_async = True

    def __init__(self, llm: InstructorBaseRagasLLM) -> None:
        self._llm = llm
        self.answers: list[dict[str, Any]] = []

    def generate(self, prompt: str, response_model: type[Answer]) -> Answer:
        """Generate an answer, check it and keep it."""
        return self._checked(prompt, self._llm.generate(prompt, response_model))

    async def agenerate(self, prompt: str, response_model: type[Answer]) -> Answer:
        """Generate an answer, check it and keep it."""
        return self._checked(prompt, await self._llm.agenerate(prompt, response_model))

    def _checked(self, prompt: str, answer: Answer) -> Answer:
        verdicts = answer.model_dump()
        rows = verdicts.get("classifications", verdicts.get("statements", [verdicts]))
        for row in rows:
            for key in ("verdict", "attributed"):
                if isinstance(row, dict) and key in row and row[key] not in (0, 1):
                    raise JudgeInvalid(f"the judge's {key} is {row[key]!r}; needs 0 or 1")
        statements = prompt_input(prompt).get("statements")
        if statements is not None and len(rows) != len(statements):
            raise JudgeInvalid(f"the judge gave {len(rows)} verdicts on {len(statements)} statements")
        self.answers.append(verdicts)
        return answer

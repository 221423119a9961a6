"""Judges: words, a classifier of pairs, a model at an OpenAI-compatible endpoint, or a panel of several.

A judge gives RAGAS its answers through `llm()`; `name` and `version` travel with every score, because scores of two
judges do not compare. RAGAS is imported by `llm()` and not before: it takes seconds and 200 MB.
"""

from __future__ import annotations

from typing import Any, Protocol

from sightline_evals.errors import JudgeError


class Judge(Protocol):
    """Interface of a judge."""

    @property
    def name(self) -> str:
        """Name of the judge, for example ``offline lexical`` or the model's name."""

    @property
    def version(self) -> str:
        """Rises with every change that can move a score."""

    def llm(self) -> Any:
        """The judge as RAGAS model, an `InstructorBaseRagasLLM`; the same one every time."""

    def judge_error_of(self, exc: BaseException) -> JudgeError | None:
        """The `JudgeError` for an exception raised through `llm()`; None where the judge did not fail."""

    async def close(self) -> None:
        """Close its connections."""

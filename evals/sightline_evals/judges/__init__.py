"""Who judges: a model at an OpenAI-compatible endpoint, or the words alone.

A judge gives RAGAS its answers through `llm()`; `name` and `version` travel with every score, because scores of two
judges do not compare. RAGAS is imported by `llm()` and not before: it takes seconds and 200 MB.
"""

from __future__ import annotations

from typing import Any, Protocol

from sightline_evals.errors import JudgeError


class Judge(Protocol):
    """What the scorers need of a judge."""

    @property
    def name(self) -> str:
        """Who it is, for example ``offline lexical`` or the model's name."""

    @property
    def version(self) -> str:
        """Rises with every change that can move a score."""

    def llm(self) -> Any:
        """The judge as RAGAS wants it, an `InstructorBaseRagasLLM`; the same one every time."""

    def translated(self, exc: BaseException) -> JudgeError | None:
        """What an exception out of `llm()` means; None where it is no failure of the judge."""

    async def close(self) -> None:
        """Close its connections."""

"""Judges that give each statement a probability, in this process: by words (`offline`) or by a classifier (`onnx`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final, Protocol

from sightline_evals.errors import JudgeError
from sightline_evals.judges.statements import statements

DEFAULT_THRESHOLD: Final = 0.5
"""Probability from which a statement counts as unsupported, where nothing says another."""


class Evidence(Protocol):
    """Evidence against one statement."""

    @property
    def p_unsupported(self) -> float:
        """Probability, 0 to 1, that the statement is not supported."""

    def reason(self) -> str:
        """The evidence as a short text for a person."""


class StatementJudge(ABC):
    """A judge whose verdicts come from probabilities. All its answers are computed in place and never wait.

    Attributes:
        threshold: a statement counts as unsupported from this probability on.
    """

    threshold: float
    _llm: Any = None

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of the judge in scores."""

    @property
    @abstractmethod
    def version(self) -> str:
        """Rises with every change that can move a score."""

    @abstractmethod
    def evidence(self, statement: str, context: str) -> Evidence:
        """Evidence against one statement in one context."""

    @abstractmethod
    def useful(self, question: str, context: str, answer: str) -> tuple[bool, str]:
        """Whether a context helped to arrive at an answer, and why, for a person."""

    def evidences(self, texts: Sequence[str], context: str) -> list[Evidence]:
        """Evidence against each of some statements; some judges are quicker with all of them at once."""
        return [self.evidence(text, context) for text in texts]

    def statements(self, text: str) -> list[str]:
        """The checkable statements of an answer; none for an answer that only declines."""
        return statements(text)

    def supported(self, evidence: Evidence) -> bool:
        """The verdict at this judge's threshold."""
        return evidence.p_unsupported < self.threshold

    def llm(self) -> Any:
        """The judge as RAGAS model."""
        if self._llm is None:
            from sightline_evals.judges.ragas_adapter import StatementRagasLLM  # noqa: PLC0415 - imports RAGAS

            self._llm = StatementRagasLLM(self)
        return self._llm

    def judge_error_of(self, exc: BaseException) -> JudgeError | None:
        """The exception where it is a `JudgeError`; any other failure is a defect and keeps its own type."""
        return exc if isinstance(exc, JudgeError) else None

    @abstractmethod
    async def close(self) -> None:
        """Give back what it holds."""

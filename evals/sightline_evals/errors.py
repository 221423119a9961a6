"""What can go wrong in an evaluation run, and which exit code it becomes.

::

    EvalsError
    ├── UsageError            a flag or a setting is invalid: exit code 2, trying again does not help
    │   ├── DatasetError      a line of the dataset cannot be used; `path` and `line` say which
    │   └── ReportError       a run's report cannot be used; `path` says which
    ├── ScoreError            a score could not be had: it becomes NaN with this class's name as its error type
    │   ├── JudgeError            the judge failed
    │   │   ├── JudgeUnavailable  the endpoint does not answer or is overloaded (429, 5xx): trying again can help
    │   │   ├── JudgeTimeout      the answer did not come in time: trying again can help
    │   │   ├── JudgeRefused      the endpoint refuses the request (401, 404, 400): trying again does not help
    │   │   ├── JudgeTruncated    the answer was cut off at max_tokens: raise SIGHTLINE_JUDGE_MAX_TOKENS
    │   │   ├── JudgeInvalid      the answer does not have the requested form
    │   │   └── JudgeGivenUp      not called, because the judge failed too often in a row
    │   ├── NotAnswered           the application gave no answer to the question
    │   ├── BudgetReached         not called, because the run's budget is used up
    │   └── DeadlineReached       not scored, because the run's time is used up
    ├── SourceUnavailable     documents or embeddings cannot be read: exit code 3, trying again can help
    ├── ScoresNotSent         the collector did not accept the scores: exit code 3, trying again can help
    └── RunNotKept            the folder of the run's results cannot be used: exit code 3
"""

from __future__ import annotations

from pathlib import Path


class EvalsError(Exception):
    """Root of this package's errors."""


class UsageError(EvalsError):
    """A flag or a setting is invalid."""


class DatasetError(UsageError):
    """A dataset cannot be used.

    Attributes:
        path: the file.
        line: number of the line, from 1; 0 for the file as a whole.
        reason: what is wrong, and what was expected.
    """

    def __init__(self, path: Path, line: int, reason: str) -> None:
        self.path = path
        self.line = line
        self.reason = reason
        super().__init__(f"{path}:{line}: {reason}" if line else f"{path}: {reason}")


class ReportError(UsageError):
    """A report of `sightline-evals run --json` cannot be used.

    Attributes:
        path: the file.
        reason: what is wrong, and what was expected.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}")


class ScoreError(EvalsError):
    """A score could not be had."""


class JudgeError(ScoreError):
    """The judge failed."""


class JudgeUnavailable(JudgeError):
    """The judge does not answer or is overloaded."""


class JudgeTimeout(JudgeError):
    """The judge did not answer in time."""


class JudgeRefused(JudgeError):
    """The judge refuses the request."""


class JudgeTruncated(JudgeError):
    """The judge's answer was cut off."""


class JudgeInvalid(JudgeError):
    """The judge's answer is not what was asked for."""


class JudgeGivenUp(JudgeError):
    """The judge was not called, because it failed too often in a row."""


class NotAnswered(ScoreError):
    """The application gave no answer to the question."""


class BudgetReached(ScoreError):
    """The run's budget is used up."""


class DeadlineReached(ScoreError):
    """The run's time is used up."""


class SourceUnavailable(EvalsError):
    """A server that documents or embeddings are read from does not answer as it should.

    Attributes:
        url: what was asked.
        reason: what came of it.
    """

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        self.reason = reason
        super().__init__(f"{url}: {reason}")


class ScoresNotSent(EvalsError):
    """The collector did not take the scores."""


class RunNotKept(EvalsError):
    """The folder of the run's results cannot be used."""

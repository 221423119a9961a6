"""Several judges as one: the first two are asked, and the others only where these disagree.

How their scores become one stands in `scoring.votes`. Name and version hold those of all members, so scores of two
panels, or of a panel and of one of its members, never compare by mistake.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, Final

from sightline_evals.errors import JudgeError, UsageError
from sightline_evals.judges import Judge

VERSION: Final = "panel-1"
"""Rises with every change to how scores of members become one."""
DISAGREEMENT: Final = 0.2
"""Difference of the first two members' scores beyond which the others are asked."""


class PanelJudge:
    """A panel of judges.

    Args:
        members: two or more, in the order in which they are asked.
        disagreement: difference of the first two scores, 0 to 1, beyond which the others are asked.

    Raises:
        UsageError: there are too few members, two are the same, or the difference is out of its range.
    """

    def __init__(self, members: Sequence[Judge], disagreement: float = DISAGREEMENT) -> None:
        if len(members) < 2:
            raise UsageError("a panel needs two judges or more")
        if not 0 <= disagreement <= 1:
            raise UsageError(f"--disagreement is {disagreement:g}; needs 0 to 1")
        names = [member.name for member in members]
        if len(set(names)) < len(names):
            raise UsageError(f"a panel needs judges that differ, not {', '.join(names)}")
        self.members = tuple(members)
        self.disagreement = disagreement

    @property
    def name(self) -> str:
        """The names of all members."""
        return f"panel({', '.join(member.name for member in self.members)})"

    @property
    def version(self) -> str:
        """`VERSION`, beyond which difference further members are asked, and the members' versions."""
        versions = ", ".join(member.version for member in self.members)
        return f"{VERSION}({self.disagreement:g}; {versions})"

    def llm(self) -> Any:
        """The RAGAS models of all members, loaded: a panel has none of its own."""
        return tuple(member.llm() for member in self.members)

    def judge_error_of(self, exc: BaseException) -> JudgeError | None:
        """What a member says of an exception of its own."""
        found = (member.judge_error_of(exc) for member in self.members)
        return next((error for error in found if error is not None), None)

    async def close(self) -> None:
        """Close the connections of all members, whichever of them fails."""
        async with contextlib.AsyncExitStack() as all_of_them:
            for member in self.members:
                all_of_them.push_async_callback(member.close)


def members_of(judge: Judge) -> tuple[Judge, ...]:
    """The members of a panel; of any other judge the judge itself."""
    return judge.members if isinstance(judge, PanelJudge) else (judge,)

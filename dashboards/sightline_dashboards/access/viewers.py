"""Viewers, and what each may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Role(Enum):
    """The role of a viewer; each may do what the one before may."""

    VIEWER = "viewer"
    """Looks at pages."""
    REVIEWER = "reviewer"
    """Reviews answers."""
    EDITOR = "editor"
    """Keeps views for everybody."""

    def may(self, needed: Role) -> bool:
        """Whether this role includes another."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True)
class Viewer:
    """Somebody who looks at the dashboards.

    Attributes:
        name: of who signed in; '' where there is no sign-in.
        role: what they may do.
        tenant: the only tenant whose data they see; '' is all.
        content: whether they read prompts, answers and passages.
    """

    name: str
    role: Role
    tenant: str = ""
    content: bool = True


EVERYBODY = Viewer("", Role.EDITOR)
"""Who looks at dashboards without sign-in."""

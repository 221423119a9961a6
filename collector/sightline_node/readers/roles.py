"""The roles of clients, and the settings that a reader's statements run with.

A setting of ClickHouse can name a file, a host or another dialect, and there are two thousand of them: a reader may
change those listed in `reader_allowed.toml` and no other, and may tighten the caps, never loosen them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from sightline_node.readers.reader_allowed import allowed


class Role(Enum):
    """The role of a client."""

    READER = "reader"
    """Reads the tables; reaches neither the host nor the network."""
    ADMIN = "admin"
    """Everything that the engine can do."""


@dataclass(frozen=True)
class Caller:
    """Who sends a statement, and what of the tables that client may read.

    Attributes:
        role: what its key allows.
        tenant: the only tenant whose rows a reader sees; '' is all.
        content: whether a reader sees what people and models wrote.
    """

    role: Role
    tenant: str = ""
    content: bool = True

    @property
    def label(self) -> str:
        """Begins the inner ids of the client's statements and sessions: two callers never share one."""
        limits = (self.tenant.encode().hex(), "" if self.content else "hidden")
        return "_".join((self.role.value, *limits)).rstrip("_")


READER_LIMITS: Mapping[str, str] = {
    "max_execution_time": "300",
    "max_memory_usage": str(1024**3),
    "max_temporary_data_on_disk_size_for_query": str(4 * 1024**3),
}
"""The most that one statement of a reader may take: seconds, bytes of memory, bytes spilled to disk."""


def reader_limits(engine_memory_bytes: int) -> Mapping[str, str]:
    """Caps of one statement of a reader on an engine with so much memory."""
    most = min(int(READER_LIMITS["max_memory_usage"]), engine_memory_bytes * 3 // (4 * READERS_AT_ONCE))
    # Beyond it a GROUP BY or a sort goes on in files of the data folder. A large table of groups is 256 small ones that
    # grow one at a time; sets and joins stand beside it.
    spill = str(most // 2)
    return {
        **READER_LIMITS,
        "max_memory_usage": str(most),
        "max_bytes_before_external_group_by": spill,
        "max_bytes_before_external_sort": spill,
    }


READERS_AT_ONCE = 2
"""Statements of readers that run at once: together they may take three quarters of the engine's memory, and the rest is
for INSERTs and merges. Fewer with more memory each, since a question that goes on in files takes longer."""

_WHOLE_NUMBER = re.compile(r"(\d{1,19})(?:\.0*)?", re.ASCII)
_CEILINGS = {"max_block_size": "65536"}
"""The most that a reader may set. The node holds one block of an answer in memory where it completes its types."""

_CHOICES = {
    "readonly": frozenset({"1", "2"}),
    "timeout_overflow_mode": frozenset({"throw", "break"}),
}


def objection(name: str, value: str | None, limits: Mapping[str, str] = READER_LIMITS) -> str:
    """Why a reader may not change a setting; '' where it may.

    Args:
        name: of the setting.
        value: as text, None where it is no literal or puts the default back.
        limits: the caps of a reader's statement.
    """
    if most := limits.get(name) or _CEILINGS.get(name):
        return "" if 1 <= _whole_number(value) <= int(most) else f"may be 1 to {most}, a whole number"
    if name in _CHOICES:
        return "" if value in _CHOICES[name] else f"may be {' or '.join(sorted(_CHOICES[name]))}"
    if name in allowed().settings or (name in allowed().ignored_settings and name != "log_comment"):
        return ""
    return "is not for a reader to change"


def _whole_number(value: str | None) -> int:
    """The number that the engine takes such a text for; 0 where it is no plain whole number.

    The engine cuts fractions off, and 0 means no limit: `0.5` would lift a cap.
    """
    match = _WHOLE_NUMBER.fullmatch(value or "")
    return int(match[1]) if match else 0

"""The roles of clients, and the settings that a reader's statements run with.

A setting of ClickHouse can name a file, a host or another dialect, and there are two thousand of them: a reader may
change those listed in `reader_allowed.toml` and no other, and may tighten the caps, never loosen them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import Enum
from xml.sax.saxutils import escape

from sightline_node.readers.reader_allowed import allowed
from sightline_store.quoting import quote_identifier


class Role(Enum):
    """The role of a client."""

    READER = "reader"
    """Reads the tables; reaches neither the host nor the network."""
    ADMIN = "admin"
    """Everything that the engine can do."""


READER_LIMITS: Mapping[str, str] = {
    "max_execution_time": "300",
    "max_memory_usage": str(1024**3),
    "max_temporary_data_on_disk_size_for_query": str(4 * 1024**3),
}
"""The most that one statement of a reader may take: seconds, bytes of memory, bytes spilled to disk."""


def reader_limits(engine_memory_bytes: int) -> Mapping[str, str]:
    """Caps of one statement of a reader on an engine with so much memory."""
    most = min(int(READER_LIMITS["max_memory_usage"]), engine_memory_bytes * 3 // (4 * READERS_AT_ONCE))
    spill = str(most * 3 // 4)  # beyond it a GROUP BY or a sort goes on in files of the data folder
    return {
        **READER_LIMITS,
        "max_memory_usage": str(most),
        "max_bytes_before_external_group_by": spill,
        "max_bytes_before_external_sort": spill,
    }


READERS_AT_ONCE = 2
"""Statements of readers that run at once: together they may take three quarters of the engine's memory, and the rest is
for INSERTs and merges. Fewer with more memory each, since a question that goes on in files takes longer."""

READER_ROLE = "sightline_reader"
"""The engine's own role that a reader's statements run in."""

_ADMIN_ROLE = "sightline_admin"

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


def users_xml(databases: Iterable[str]) -> str:
    """The engine's users and roles: a reader's statements run in a role that may read tables and nothing else.

    Args:
        databases: those whose tables a reader may read.

    Source: https://clickhouse.com/docs/operations/access-rights
    """
    tables = [f"{quote_identifier(database)}.*" for database in databases]
    grants = [
        *(f"GRANT SELECT, dictGet ON {table}" for table in tables),
        *(f"GRANT SELECT ON system.{quote_identifier(name)}" for name in sorted(allowed().system_tables)),
        "GRANT SELECT ON information_schema.*",
        "GRANT SELECT ON INFORMATION_SCHEMA.*",
        "GRANT SHOW DATABASES ON default.*",  # the current database of a client that names none
        "GRANT CREATE TEMPORARY TABLE ON *.*",  # for external tables
    ]
    queries = "".join(f"<query>{escape(grant)}</query>" for grant in grants)
    return (
        "<clickhouse><profiles><default/></profiles><quotas><default/></quotas><roles>"
        f"<{_ADMIN_ROLE}><grants><query>GRANT ALL ON *.* WITH GRANT OPTION</query></grants></{_ADMIN_ROLE}>"
        f"<{READER_ROLE}><grants>{queries}</grants></{READER_ROLE}></roles>"
        "<users><default><password/><networks><ip>::/0</ip></networks><profile>default</profile>"
        f"<quota>default</quota><grants><query>GRANT {_ADMIN_ROLE}, {READER_ROLE}</query></grants></default></users>"
        "</clickhouse>\n"
    )

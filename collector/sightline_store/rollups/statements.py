"""How rollups send what they insert, and the versions of it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from sightline_store.client import Client
from sightline_store.questions.conditions import filled, sql_text

VERSIONS_A_MICROSECOND = 1024
"""A version is a moment of the store's clock and some chance: two processes never have the same one."""

COMMIT_WITHIN_S = 3600
"""What took longer is not committed: `keeping` may have removed its rows."""


def new_version(client: Client) -> int:
    """A version that is greater than all of a microsecond before."""
    return client.now_us() * VERSIONS_A_MICROSECOND + secrets.randbelow(VERSIONS_A_MICROSECOND)


def run(client: Client, file: str, params: Mapping[str, Any]) -> None:
    """Run a statement. Lists stand in its text: a parameter travels in the address, which is short."""
    text = filled(sql_text(file), {"scored": sql_text("parts/of_scored.sql")})
    for name, value in params.items():
        if isinstance(value, list):
            text = re.sub(rf"\{{{name}:[^}}]*\}}", str(value), text)
    client.query_bytes(text, {k: v for k, v in params.items() if not isinstance(v, list)}, "TSV")


def day_of(moment_s: int) -> date:
    """The day, in UTC, of a moment in epoch seconds."""
    return datetime.fromtimestamp(moment_s, UTC).date()

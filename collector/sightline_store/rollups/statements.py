"""How rollups send what they insert."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from sightline_store.client import Client
from sightline_store.questions.conditions import filled, sql_text


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

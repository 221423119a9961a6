"""Ask roles whether they are ready, and for their counters."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

# Roles listen on this machine or at addresses that the settings name: a proxy never stands in between.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _get(url: str, timeout_s: float) -> tuple[int, bytes]:
    try:
        with _OPENER.open(url, timeout=timeout_s) as answer:
            return int(answer.status), answer.read()
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, b""
    except (OSError, http.client.HTTPException, ValueError):
        return 0, b""


def _accepts(url: str, timeout_s: float) -> bool:
    place = urlsplit(url)
    try:
        with socket.create_connection((place.hostname or "", place.port or 0), timeout_s):
            return True
    except OSError:
        return False


async def is_healthy(url: str, timeout_s: float = 2.0) -> bool:
    """Say whether the address answers with a 2xx status, or accepts (`tcp://`), within the time limit (seconds)."""
    if url.startswith("tcp://"):
        return await asyncio.to_thread(_accepts, url, timeout_s)
    status, _ = await asyncio.to_thread(_get, url, timeout_s)
    return 200 <= status < 300


async def fetch_json(url: str, timeout_s: float = 10.0) -> Mapping[str, Any] | None:
    """Return the JSON object behind an address, or None when none came within the time limit (seconds)."""
    status, body = await asyncio.to_thread(_get, url, timeout_s)
    if status != 200:
        return None
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None

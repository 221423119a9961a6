"""Serves the MCP server over HTTP, behind the gates and within the limits of every port, until SIGTERM or SIGINT."""

from __future__ import annotations

import logging
from typing import Any

from sightline_mcp.errors import NotStarted
from sightline_mcp.key_gate import KeyGate
from sightline_mcp.keys import KeyRing
from sightline_mcp.settings import McpSettings
from sightline_roles import serving

_STOP_GRACE_S = 2
_log = logging.getLogger("sightline.mcp")


def run(app: Any, settings: McpSettings, path: str) -> None:
    """Serve until a signal comes.

    Args:
        app: the ASGI application.
        settings: where, for whom, and how much.
        path: where the application answers, for the log.

    Raises:
        KeysUnusable: the file of keys cannot be read or trusted.
        SettingInvalid: the address cannot be listened on.
        NotStarted: the application did not start.
    """
    ring = None if settings.keys_file is None else KeyRing(settings.keys_file)
    opened = serving.listen(settings)
    if ring is None:
        _log.warning("no %s: everybody on this machine may ask", settings.variable("keys_file"))
    elif not len(ring):
        _log.warning("%s holds no key: `sightline-mcp keys create` makes the first one", settings.keys_file)
    _log.info("MCP on http://%s:%d%s", settings.host, opened.getsockname()[1], path)
    if not serving.run(KeyGate(app, ring, settings.tenant), opened, settings, grace_s=_STOP_GRACE_S):
        raise NotStarted("the server did not start: the lines above say why")

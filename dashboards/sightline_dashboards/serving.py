"""Runs Streamlit's ASGI application behind the gate, on a server with limits, until SIGTERM or SIGINT.

Source: https://docs.streamlit.io/develop/api-reference/configuration/st.app (an ASGI server of one's own)
"""

from __future__ import annotations

from pathlib import Path

import streamlit

from sightline_dashboards import warming
from sightline_dashboards.access.gate import ProxyGate
from sightline_dashboards.access.sign_in import configure_oidc
from sightline_dashboards.document import Document
from sightline_dashboards.settings import AccessSettings, DashboardSettings
from sightline_roles import serving

_PING_S = 30
_STOP_GRACE_S = 2
_WEBSOCKET = {"ws_ping_interval": _PING_S, "ws_ping_timeout": _PING_S, "ws_per_message_deflate": False}


def run(page: Path, settings: DashboardSettings, access: AccessSettings) -> None:
    """Serve until a signal comes.

    Args:
        page: Streamlit's script; its options have been set.
        settings: where, and how much.
        access: for whom.

    Raises:
        SettingInvalid: the address cannot be listened on.
        OSError: the application did not start; the log says why.
    """
    warming.warm()
    opened = serving.listen(settings)
    if access.sign_in == "oidc":
        configure_oidc(access, settings.port)
    app = Document(streamlit.App(page))
    gated = ProxyGate(app, access) if access.sign_in == "header" else app
    if not serving.run(gated, opened, settings, grace_s=_STOP_GRACE_S, links=True, websocket=_WEBSOCKET):
        raise OSError("Streamlit did not start")

"""The parts of the pages that are about access: signing in and out, and why somebody sees nothing."""

from __future__ import annotations

import logging
import secrets
import tempfile
from html import escape
from importlib.util import find_spec
from pathlib import Path

import streamlit as st

from sightline_dashboards.access import current
from sightline_dashboards.access.errors import NotAllowed
from sightline_dashboards.access.viewers import Viewer
from sightline_dashboards.settings import AccessSettings

_LOG = logging.getLogger("sightline.dashboards")


def require_viewer() -> Viewer | None:
    """Who looks at this page; None where nobody may, which the page then says instead of anything else."""
    settings = current.policy().settings
    try:
        viewer = current.viewer()
    except NotAllowed as exc:
        current.forget_others(None)
        identity = current.signed_in(settings)
        if identity is not None:
            _LOG.warning("access refused: user=%r why=%r", identity.name, str(exc))
        _show_refusal(settings, "" if identity is None else str(exc))
        return None
    current.forget_others(viewer)
    if viewer.name:
        _show_viewer(settings, viewer)
    return viewer


def configure_oidc(settings: AccessSettings, port: int) -> None:
    """Tell Streamlit's sign-in about the provider, before it serves.

    Streamlit reads this from a file of secrets. It gets one that is removed as soon as it has been read.

    Raises:
        OSError: Authlib is not installed, or Streamlit does not take the settings.

    Source: https://docs.streamlit.io/develop/api-reference/user/st.login
    """
    if find_spec("authlib") is None:
        raise OSError('signing in at a provider needs Authlib: pip install "streamlit[auth]"')
    from streamlit import config  # noqa: PLC0415
    from streamlit.runtime.secrets import secrets_singleton  # noqa: PLC0415

    values = {
        "redirect_uri": settings.redirect_url(port),
        "cookie_secret": settings.cookie_secret or secrets.token_urlsafe(48),
        "client_id": settings.oidc_client_id,
        "client_secret": settings.oidc_client_secret,
        "server_metadata_url": settings.oidc_metadata_url,
    }
    with tempfile.TemporaryDirectory(prefix="sightline-") as folder:  # with mode 700
        file = Path(folder) / "secrets.toml"
        file.write_text("[auth]\n" + "".join(f"{name} = {_toml(value)}\n" for name, value in values.items()))
        config.set_option("secrets.files", [str(file)])
        if not secrets_singleton.load_if_toml_exists():
            raise OSError("Streamlit did not take the settings of the sign-in")


def _show_refusal(settings: AccessSettings, why: str) -> None:
    """Say that nobody is signed in, or why who is sees nothing."""
    st.html('<h1 class="sl-title">Sightline</h1>')
    if why:
        st.html(f'<div class="sl-away" role="alert"><b>You may not see these pages:</b> {escape(why)}.</div>')
        if settings.sign_in == "oidc":
            st.button("Sign out", on_click=st.logout)
    elif settings.sign_in == "oidc":
        st.button("Sign in", type="primary", on_click=st.login)
    else:
        st.html('<div class="sl-away" role="alert">The proxy in front of the dashboards named nobody.</div>')


def _show_viewer(settings: AccessSettings, viewer: Viewer) -> None:
    limits = [viewer.role.value, *([f"tenant {viewer.tenant}"] if viewer.tenant else [])]
    limits += [] if viewer.content else ["without prompts and answers"]
    with st.sidebar:
        st.html(f'<p class="sl-note">{escape(viewer.name)}: {escape(", ".join(limits))}</p>')
        if settings.sign_in == "oidc":
            st.button("Sign out", type="tertiary", on_click=st.logout)


def _toml(text: str) -> str:
    """A TOML string."""
    escaped = "".join(f"\\u{ord(letter):04x}" if letter in '"\\' or ord(letter) < 32 else letter for letter in text)
    return f'"{escaped}"'

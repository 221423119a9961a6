"""Who looks at the page that is being made, and the store as they see it.

It is asked anew in every run and in every fragment: what has changed in the file of rules holds at once.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import streamlit as st

from sightline_dashboards.access import rules
from sightline_dashboards.access.errors import AccessInvalid, NotAllowed
from sightline_dashboards.access.rules import Identity, Rule
from sightline_dashboards.access.store_keys import Limits, Stores
from sightline_dashboards.access.toml_file import TomlFile
from sightline_dashboards.access.viewers import EVERYBODY, Role, Viewer
from sightline_dashboards.settings import AccessSettings
from sightline_store.client import Client
from sightline_store.settings import StoreSettings

_LOG = logging.getLogger("sightline.dashboards")
_SEEN_BY = "sightline_viewer"


@dataclass(frozen=True)
class Policy:
    """The settings of access, and the files that they name."""

    settings: AccessSettings
    stores: Stores
    rules_file: TomlFile[list[Rule]] | None


def load(settings: AccessSettings, store: StoreSettings) -> Policy:
    """Read the files that the settings name.

    Raises:
        AccessInvalid: one of them cannot be used.
    """
    rules_file = None
    if settings.access_file is not None:
        rules_file = TomlFile(AccessSettings.variable("access_file"), settings.access_file, rules.read)
    return Policy(settings, Stores(store, settings.store_keys_file), rules_file)


@st.cache_resource(show_spinner=False)
def policy() -> Policy:
    """The policy of this process; it is the same for all viewers."""
    return load(AccessSettings.from_env(), StoreSettings.from_env())


def viewer() -> Viewer:
    """Who looks at this page.

    Raises:
        NotAllowed: nobody is signed in, or the rules let them see nothing.
    """
    held = policy()
    if held.settings.sign_in == "none":
        return EVERYBODY
    identity = signed_in(held.settings)
    if identity is None:
        raise NotAllowed("nobody is signed in")
    if held.rules_file is None:  # the settings require it
        raise NotAllowed("there are no rules of access")
    try:
        found = rules.viewer(held.rules_file.get(), identity)
    except AccessInvalid as exc:
        _LOG.error("%s", exc)
        raise NotAllowed("the rules of access cannot be read: the log of the dashboards says why") from exc
    if found is None:
        raise NotAllowed(f"no rule of access is for {identity.name}")
    return found


def client() -> Client:
    """The store as the viewer of this page sees it.

    Raises:
        NotAllowed: nobody is signed in, or there is no key of the store for their limits.
    """
    seen_by = viewer()
    return policy().stores.client(Limits(seen_by.tenant, seen_by.content))


def may(needed: Role) -> bool:
    """Whether the viewer of this page may do what a role may.

    Raises:
        NotAllowed: nobody is signed in.
    """
    return viewer().role.may(needed)


def forget_others(seen_by: Viewer | None) -> None:
    """Empty the session where somebody else, or the same person with other rights, has used it before.

    Args:
        seen_by: who uses it now; None for nobody who may see anything.
    """
    before = st.session_state.get(_SEEN_BY)
    if before not in {None, seen_by}:
        st.session_state.clear()
    st.session_state[_SEEN_BY] = seen_by


def signed_in(settings: AccessSettings) -> Identity | None:
    """Who has signed in, None for nobody."""
    return _by_header(settings) if settings.sign_in == "header" else _by_oidc(settings)


def _by_header(settings: AccessSettings) -> Identity | None:
    """Who the proxy names; the gate has seen to it that a trusted proxy sent the headers."""
    name = str(st.context.headers.get(settings.user_header) or "").strip()
    groups = str(st.context.headers.get(settings.groups_header) or "")
    listed = [group for part in groups.split(",") if (group := part.strip())]
    return Identity(name, {"groups": listed}) if name else None


def _by_oidc(settings: AccessSettings) -> Identity | None:
    if not st.user.get("is_logged_in"):
        return None
    claims: dict[str, Any] = dict(st.user.to_dict())
    name = claims.get(settings.oidc_user_claim)
    if not isinstance(name, str) or not name:
        return None
    if settings.oidc_user_claim == "email" and claims.get("email_verified") is False:
        return None
    return Identity(name, claims)

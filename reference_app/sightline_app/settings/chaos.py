"""Settings of the faults that can be put into a running app on purpose."""

from __future__ import annotations

from dataclasses import dataclass

from sightline_app.settings.base import OwnSettings
from sightline_roles.settings import setting


@dataclass(frozen=True, kw_only=True)
class ChaosSettings(OwnSettings):
    """Whether `sightline-app chaos` may put faults into `sightline-app`."""

    secret_key: str | None = setting(
        "SIGHTLINE_APP_CHAOS_KEY",
        None,
        "Key with which `sightline-app chaos` may put faults into the running app, for a while; the same variable is "
        "read by both. Where callers need API keys, that of an editor or a service is needed as well",
        secret=True,
        default_text="unset: no fault can be put in",
    )

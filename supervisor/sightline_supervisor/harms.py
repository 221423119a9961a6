"""What the demo can break on purpose: the harms of `sightline-app chaos`, for two minutes."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Final

from sightline_supervisor.role import Step

HARMS: Final = (
    "passages-lost",
    "embedding-precision",
    "embedding-words",
    "stale-tenant",
    "slow-search",
    "model-swapped",
    "context-cut",
    "burst",
    "injected-document",
    "redis-away",
    "weaviate-away",
)
"""Their names."""
_FOR_S: Final = "120"


def chaos_env() -> dict[str, str]:
    """Return what lets the command put faults into the application: a secret of both, for this run."""
    return {"SIGHTLINE_APP_CHAOS_KEY": secrets.token_urlsafe(24)}


def break_step(harm: str, env: Mapping[str, str]) -> Step:
    """Return the command that does a harm and undoes it, also when it is stopped early.

    Args:
        harm: one of `HARMS`.
        env: of the application.
    """
    command = ("sightline-app", "chaos", harm, "--for", _FOR_S)
    return Step("chaos", f"breaking on purpose for {_FOR_S} s: {harm}", command, env, extra="app")

"""What can be wrong in the pipeline of a running app, as `PUT /v1/chaos` takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from sightline_app.embeddings.precision import Precision
from sightline_app.errors import RequestRefused
from sightline_roles.host_check import is_loopback

PATH: Final = "/v1/chaos"
"""Where an app takes faults."""
KEY_FIELD: Final = "x-chaos-key"
"""Field of the request that holds `SIGHTLINE_APP_CHAOS_KEY`."""
MOST_S: Final = 3600.0
"""Longest time that faults may hold, in seconds."""
WORDS: Final = "words"
"""Value of `Faults.embedding`: questions are embedded by their words alone."""
_EMBEDDINGS: Final = ("", WORDS, *(str(each) for each in Precision))
_MOST: Final = {"search_delay_s": 60.0, "context_passages": 100, "context_chars": 100_000}


@dataclass(frozen=True)
class Faults:
    """Faults that hold at the same time; the default is none."""

    search_delay_s: float = 0.0
    """Seconds that each search takes longer."""
    stale_tenant: str = ""
    """Tenant whose searches miss every second passage, as those of a copy that is no longer kept up to date."""
    embedding: str = ""
    """How questions are embedded instead, while the passages keep their vectors: `words`, or a precision."""
    model_url: str = ""
    """OpenAI-compatible endpoint on this machine that answers instead."""
    model_name: str = ""
    """Its model."""
    context_passages: int = 0
    """Passages that the model gets at most; 0 is no limit."""
    context_chars: int = 0
    """Characters of each; 0 is no limit."""

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Faults:
        """Read a body.

        Raises:
            RequestRefused: a field is unknown, or its value cannot be.
        """
        defaults = asdict(cls())
        for name, value in body.items():
            if name not in defaults:
                raise _invalid(name, f"is none of {', '.join(defaults)}")
            wanted = (int, float) if isinstance(defaults[name], float) else type(defaults[name])
            if isinstance(value, bool) or not isinstance(value, wanted):
                raise _invalid(name, f"must be a {type(defaults[name]).__name__}")
            if not isinstance(value, str) and not 0 <= value <= _MOST[name]:
                raise _invalid(name, f"must be from 0 to {_MOST[name]:g}")
        found = cls(**body)
        if found.embedding not in _EMBEDDINGS:
            raise _invalid("embedding", f"must be one of {', '.join(_EMBEDDINGS[1:])}")
        if bool(found.model_url) != bool(found.model_name):
            raise _invalid("model_url", "and model_name belong together")
        if found.model_url and not is_loopback(urlsplit(found.model_url).hostname or ""):
            raise _invalid("model_url", "must be an address of loopback")  # prompts must not leave the machine
        return found


def _invalid(name: str, problem: str) -> RequestRefused:
    return RequestRefused(f"{name!r} {problem}", kind="invalid_faults")

"""Settings of the HTTP interface: streams, their resumption, WebSockets, and the page that describes it all."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sightline_app.settings.base import OwnSettings
from sightline_roles.settings import lower_names, setting

_ORIGIN = re.compile(r"https?://[^/?#\s]+")


def _are_origins(origins: tuple[str, ...]) -> bool:
    return all(_ORIGIN.fullmatch(each) for each in origins)


@dataclass(frozen=True, kw_only=True)
class ApiSettings(OwnSettings):
    """How `sightline-app` streams answers, and whose pages may ask."""

    heartbeat_s: float = setting(
        "SIGHTLINE_APP_STREAM_HEARTBEAT_S",
        15.0,
        "Seconds of silence in a stream after which a comment is sent, so that proxies keep the connection; 0 is never",
        at_least=0,
    )
    resume_s: float = setting(
        "SIGHTLINE_APP_STREAM_RESUME_S",
        15.0,
        "Seconds that an answer goes on without its client, and that a stream's events are kept after its end; 0 "
        "cancels an answer as soon as its client is gone",
        at_least=0,
        at_most=3600,
    )
    buffer_bytes: int = setting(
        "SIGHTLINE_APP_STREAM_BUFFER_BYTES",
        262_144,
        "Size of the newest events of a stream that are kept for its client; an answer waits for a client that reads "
        "slowly, and drops the oldest events of one that is gone",
        at_least=1024,
    )
    drain_s: float = setting(
        "SIGHTLINE_APP_DRAIN_S",
        3.0,
        "Seconds that answers which run have to end after SIGTERM, while new questions are answered 503. Whoever stops "
        "the app must wait a few seconds longer before it is killed: SIGHTLINE_STOP_TIMEOUT_S, "
        "`terminationGracePeriodSeconds` in Kubernetes",
        at_least=0,
        at_most=3600,
    )
    allowed_origins: tuple[str, ...] = setting(
        "SIGHTLINE_APP_ALLOWED_ORIGINS",
        (),
        "Origins beside the app's own whose pages may ask, such as https://www.example.org; commas between. They need "
        "it for WebSockets: the app sends no CORS headers",
        read=lower_names,
        check=_are_origins,
        need="origins with a scheme and without a path, such as https://www.example.org",
    )
    docs: bool = setting(
        "SIGHTLINE_APP_DOCS",
        True,
        "Whether `/docs` and `/openapi.json` are served; both are open, since they hold nothing of this installation",
    )

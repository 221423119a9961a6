"""Settings of `sightline-weaviate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sightline_app.settings.base import CACHE_DIR, OwnSettings
from sightline_roles.settings import setting

_WEAVIATE_DIR = Path(".sightline/weaviate")


@dataclass(frozen=True, kw_only=True)
class WeaviateSettings(OwnSettings):
    """Settings of `sightline-weaviate`."""

    url: str | None = setting("WEAVIATE_URL", None, "A Weaviate that already runs somewhere: then nothing is started")
    host: str = setting("SIGHTLINE_WEAVIATE_HOST", "127.0.0.1", "Address of the HTTP interface")
    port: int = setting("SIGHTLINE_WEAVIATE_PORT", 8079, "HTTP port", at_least=1, at_most=65535)
    grpc_port: int = setting(
        "SIGHTLINE_WEAVIATE_GRPC_PORT",
        50051,
        "gRPC port. Weaviate binds it on all interfaces and has no setting against that",
        at_least=1,
        at_most=65535,
    )
    data_dir: Path = setting("SIGHTLINE_WEAVIATE_DATA_DIR", _WEAVIATE_DIR, "Folder of Weaviate's data")
    cache_dir: Path = setting(
        "SIGHTLINE_CACHE_DIR",
        CACHE_DIR,
        "Where a downloaded or built server is kept (`bin/weaviate-server`)",
    )
    start_timeout_s: float = setting(
        "SIGHTLINE_WEAVIATE_START_TIMEOUT_S", 120.0, "Longest wait until the server says it is ready, in seconds"
    )

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the variable."""
        super().__post_init__()
        if self.port == self.grpc_port:
            raise self.invalid("grpc_port", f"another port than {self.variable('port')}")

# ruff: noqa: RUF009 - `_setting` only wraps `dataclasses.field`
"""Where the roles listen and keep their data, read once from the environment and the command line.

A command line option wins over its environment variable, which wins over the default. The same variables are what the
roles themselves read, so a role that is started by hand beside the supervisor finds the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from sightline_supervisor.errors import SettingInvalid


def _setting(variable: str, default: Any) -> Any:
    return field(default=default, metadata={"env": variable})


@dataclass(frozen=True)
class SupervisorSettings:
    """Settings of `sightline up` and `sightline demo`; `docs/settings.md` lists them all."""

    data_dir: Path = _setting("SIGHTLINE_DATA_DIR", Path(".sightline"))
    """Folder for everything that is kept: store, spool, index, logs. Default `.sightline` in the working directory."""
    store_url: str | None = _setting("SIGHTLINE_STORE_URL", None)
    """A ClickHouse to use instead of the embedded store. Default unset: the embedded store is started."""
    store_host: str = _setting("SIGHTLINE_STORE_HOST", "127.0.0.1")
    """Address that the embedded store binds. Default 127.0.0.1."""
    store_port: int = _setting("SIGHTLINE_STORE_PORT", 8123)
    """Port of the embedded store. Default 8123."""
    store_data_dir: Path | None = _setting("SIGHTLINE_STORE_DATA_DIR", None)
    """Folder of the embedded store. Default `store` in the data folder."""
    collector_host: str = _setting("SIGHTLINE_COLLECTOR_HOST", "127.0.0.1")
    """Address that the collector binds. Default 127.0.0.1."""
    collector_port: int = _setting("SIGHTLINE_COLLECTOR_HTTP_PORT", 4318)
    """Port of the collector for OTLP over HTTP. Default 4318."""
    collector_grpc_port: int = _setting("SIGHTLINE_COLLECTOR_GRPC_PORT", 4317)
    """Port of the collector for OTLP over gRPC. Default 4317."""
    collector_spool_dir: Path | None = _setting("SIGHTLINE_COLLECTOR_SPOOL_DIR", None)
    """Folder of the collector's spool. Default `spool` in the data folder."""
    dashboards_host: str = _setting("SIGHTLINE_DASHBOARDS_HOST", "127.0.0.1")
    """Address that the dashboards bind. Default 127.0.0.1."""
    dashboards_port: int = _setting("SIGHTLINE_DASHBOARDS_PORT", 8501)
    """Port of the dashboards. Default 8501."""
    app_host: str = _setting("SIGHTLINE_APP_HOST", "127.0.0.1")
    """Address that the reference application binds. Default 127.0.0.1."""
    app_port: int = _setting("SIGHTLINE_APP_PORT", 8000)
    """Port of the reference application. Default 8000."""
    app_data_dir: Path | None = _setting("SIGHTLINE_APP_DATA_DIR", None)
    """Folder of the reference application's embedding. Default `app` in the data folder."""
    model_host: str = _setting("SIGHTLINE_MODEL_HOST", "127.0.0.1")
    """Address that the local model server binds. Default 127.0.0.1."""
    model_port: int = _setting("SIGHTLINE_MODEL_PORT", 8081)
    """Port of the local model server. Default 8081."""
    openai_base_url: str | None = _setting("OPENAI_BASE_URL", None)
    """An OpenAI-compatible model to use. Default unset: the local model server is started."""
    weaviate_url: str | None = _setting("WEAVIATE_URL", None)
    """A Weaviate to use. Default unset: a local one is started."""
    weaviate_host: str = _setting("SIGHTLINE_WEAVIATE_HOST", "127.0.0.1")
    """Address of the local Weaviate. Default 127.0.0.1."""
    weaviate_port: int = _setting("SIGHTLINE_WEAVIATE_PORT", 8079)
    """Port of the local Weaviate for HTTP. Default 8079."""
    weaviate_grpc_port: int = _setting("SIGHTLINE_WEAVIATE_GRPC_PORT", 50051)
    """Port of the local Weaviate for gRPC. Default 50051."""
    weaviate_data_dir: Path | None = _setting("SIGHTLINE_WEAVIATE_DATA_DIR", None)
    """Folder of the local Weaviate. Default `weaviate` in the data folder."""
    priced_as: str | None = _setting("SIGHTLINE_PRICED_AS", None)
    """Provider and model whose prices are put on tokens. Default: openai/gpt-4o-mini when the local model is used."""
    ready_timeout_s: float = _setting("SIGHTLINE_READY_TIMEOUT_S", 120.0)
    """Longest wait for one role to answer its health check, in seconds. Default 120."""
    stop_timeout_s: float = _setting("SIGHTLINE_STOP_TIMEOUT_S", 5.0)
    """Time that a role has to end after SIGTERM before it is killed, in seconds. Default 5."""

    def __post_init__(self) -> None:
        for name in ("store", "collector", "collector_grpc", "dashboards", "app", "model", "weaviate", "weaviate_grpc"):
            port = getattr(self, f"{name}_port")
            if not 1 <= port <= 65535:
                raise SettingInvalid(self.variable(f"{name}_port"), str(port), "a port number from 1 to 65535")
        for name in ("ready_timeout_s", "stop_timeout_s"):
            if getattr(self, name) <= 0:
                raise SettingInvalid(self.variable(name), str(getattr(self, name)), "a number of seconds above 0")

    @classmethod
    def from_env(cls, env: Mapping[str, str], **options: Any) -> SupervisorSettings:
        """Read the settings.

        Args:
            env: the environment; an empty variable counts as unset.
            options: values from the command line by field name; None counts as not given.

        Raises:
            SettingInvalid: a value cannot be used; names its variable.
        """
        values: dict[str, Any] = {}
        for each in fields(cls):
            option, text = options.get(each.name), env.get(each.metadata["env"], "").strip()
            if option is not None:
                values[each.name] = option
            elif text:
                values[each.name] = _parse(str(each.type), each.metadata["env"], text)
        return cls(**values)

    @classmethod
    def variable(cls, name: str) -> str:
        """Return the environment variable behind a field."""
        return next(str(each.metadata["env"]) for each in fields(cls) if each.name == name)

    def folder(self, name: str) -> Path:
        """Return the absolute folder of a role's data: `store`, `collector_spool`, `app` or `weaviate`."""
        chosen: Path | None = getattr(self, f"{name}_dir" if name == "collector_spool" else f"{name}_data_dir")
        return (chosen or self.data_dir / name.removeprefix("collector_")).resolve()

    @property
    def store_address(self) -> str:
        """URL of the ClickHouse in use."""
        return self.store_url or f"http://{connectable(self.store_host)}:{self.store_port}"

    @property
    def collector_address(self) -> str:
        """URL of the collector, which is also the OTLP endpoint."""
        return f"http://{connectable(self.collector_host)}:{self.collector_port}"

    @property
    def dashboards_address(self) -> str:
        """URL of the dashboards."""
        return f"http://{connectable(self.dashboards_host)}:{self.dashboards_port}"

    @property
    def app_address(self) -> str:
        """URL of the reference application."""
        return f"http://{connectable(self.app_host)}:{self.app_port}"

    @property
    def model_address(self) -> str:
        """URL of the OpenAI-compatible API in use."""
        return self.openai_base_url or f"http://{connectable(self.model_host)}:{self.model_port}/v1"

    @property
    def weaviate_address(self) -> str:
        """URL of the Weaviate in use."""
        return self.weaviate_url or f"http://{connectable(self.weaviate_host)}:{self.weaviate_port}"


def connectable(host: str) -> str:
    """Return the host that reaches a server on this machine which binds `host`; IPv6 addresses get their brackets."""
    if host in ("", "0.0.0.0"):  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    if host == "::":
        return "[::1]"
    return f"[{host}]" if ":" in host else host


def _parse(kind: str, variable: str, text: str) -> Any:
    try:
        if kind.startswith("int"):
            return int(text)
        if kind.startswith("float"):
            return float(text)
    except ValueError as exc:
        raise SettingInvalid(variable, text, "a whole number" if kind.startswith("int") else "a number") from exc
    return Path(text) if kind.startswith("Path") else text

"""Where the roles listen and keep their data, read once from the environment and the command line.

A command line option wins over its environment variable, which wins over the default. The same variables are what the
roles themselves read, so a role that is started by hand beside the supervisor finds the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sightline_roles.settings import Settings, is_http_url, setting
from sightline_supervisor.errors import SettingInvalid


@dataclass(frozen=True, kw_only=True)
class SupervisorSettings(Settings):
    """Where `sightline up` and `sightline demo` start their roles, and which services they use instead of their own."""

    data_dir: Path = setting(
        "SIGHTLINE_DATA_DIR", Path(".sightline"), "Folder for everything that is kept: store, spool, index, logs"
    )
    store_url: str | None = setting(
        "SIGHTLINE_STORE_URL",
        None,
        "A ClickHouse to use instead of the embedded store",
        default_text="unset: the embedded store is started",
    )
    store_host: str = setting("SIGHTLINE_STORE_HOST", "127.0.0.1", "Address that the embedded store binds")
    store_port: int = setting("SIGHTLINE_STORE_PORT", 8123, "Port of the embedded store", at_least=1, at_most=65535)
    store_data_dir: Path | None = setting(
        "SIGHTLINE_STORE_DATA_DIR", None, "Folder of the embedded store", default_text="`store` in the data folder"
    )
    collector_host: str = setting("SIGHTLINE_COLLECTOR_HOST", "127.0.0.1", "Address that the collector binds")
    collector_port: int = setting(
        "SIGHTLINE_COLLECTOR_HTTP_PORT", 4318, "Port of the collector for OTLP over HTTP", at_least=1, at_most=65535
    )
    collector_grpc_port: int = setting(
        "SIGHTLINE_COLLECTOR_GRPC_PORT", 4317, "Port of the collector for OTLP over gRPC", at_least=1, at_most=65535
    )
    collector_spool_dir: Path | None = setting(
        "SIGHTLINE_COLLECTOR_SPOOL_DIR",
        None,
        "Folder of the collector's spool",
        default_text="`spool` in the data folder",
    )
    dashboards_host: str = setting(
        "SIGHTLINE_DASHBOARDS_HOST",
        "127.0.0.1",
        "Address that the dashboards bind; beyond loopback they start only with a sign-in (docs/access.md)",
    )
    dashboards_port: int = setting(
        "SIGHTLINE_DASHBOARDS_PORT", 8501, "Port of the dashboards", at_least=1, at_most=65535
    )
    app_host: str = setting("SIGHTLINE_APP_HOST", "127.0.0.1", "Address that the reference application binds")
    app_port: int = setting("SIGHTLINE_APP_PORT", 8000, "Port of the reference application", at_least=1, at_most=65535)
    app_data_dir: Path | None = setting(
        "SIGHTLINE_APP_DATA_DIR",
        None,
        "Folder of the reference application's embedding",
        default_text="`app` in the data folder",
    )
    model_host: str = setting("SIGHTLINE_MODEL_HOST", "127.0.0.1", "Address that the local model server binds")
    model_port: int = setting("SIGHTLINE_MODEL_PORT", 8081, "Port of the local model server", at_least=1, at_most=65535)
    model: str | None = setting(
        "SIGHTLINE_MODEL",
        None,
        "Model of the local model server: `smollm2`, or `extractive`, which is no language model",
        choices=("smollm2", "extractive"),
        default_text="`smollm2`; `extractive` where that cannot be installed",
    )
    openai_base_url: str | None = setting(
        "OPENAI_BASE_URL",
        None,
        "An OpenAI-compatible model to use",
        default_text="unset: the local model server is started",
    )
    weaviate_url: str | None = setting(
        "WEAVIATE_URL", None, "A Weaviate to use", default_text="unset: a local one is started"
    )
    weaviate_host: str = setting("SIGHTLINE_WEAVIATE_HOST", "127.0.0.1", "Address of the local Weaviate")
    weaviate_port: int = setting(
        "SIGHTLINE_WEAVIATE_PORT", 8079, "Port of the local Weaviate for HTTP", at_least=1, at_most=65535
    )
    weaviate_grpc_port: int = setting(
        "SIGHTLINE_WEAVIATE_GRPC_PORT", 50051, "Port of the local Weaviate for gRPC", at_least=1, at_most=65535
    )
    weaviate_data_dir: Path | None = setting(
        "SIGHTLINE_WEAVIATE_DATA_DIR",
        None,
        "Folder of the local Weaviate",
        default_text="`weaviate` in the data folder",
    )
    redis_secret_url: str | None = setting(
        "REDIS_URL", None, "A Redis to use", default_text="unset: a local one is started", secret=True
    )
    redis_host: str = setting("SIGHTLINE_REDIS_HOST", "127.0.0.1", "Address of the local Redis")
    redis_port: int = setting("SIGHTLINE_REDIS_PORT", 8078, "Port of the local Redis", at_least=1, at_most=65535)
    redis_data_dir: Path | None = setting(
        "SIGHTLINE_REDIS_DATA_DIR", None, "Folder of the local Redis", default_text="`redis` in the data folder"
    )
    priced_as: str | None = setting(
        "SIGHTLINE_PRICED_AS",
        None,
        "Provider and model whose prices are put on tokens",
        default_text="openai/gpt-4o-mini when the local model is used",
    )
    alerts: bool = setting(
        "SIGHTLINE_ALERTS", True, "Whether alert rules are evaluated: `sightline-dashboards alerts run` is a role"
    )
    alerts_state_dir: Path | None = setting(
        "SIGHTLINE_ALERTS_STATE_DIR", None, "Folder of the evaluator's file", default_text="`alerts` in the data folder"
    )
    alerts_dashboards_url: str | None = setting(
        "SIGHTLINE_ALERTS_DASHBOARDS_URL",
        None,
        "Where the dashboards are for a reader's browser: messages link to them",
        default_text="the address of the dashboards that are started",
        check=is_http_url,
        need="an address such as http://127.0.0.1:8501",
    )
    drift_window_s: int = setting(
        "SIGHTLINE_DRIFT_WINDOW_S",
        86_400,
        "Length of the windows of traffic between which drift is looked for, in seconds; 0 looks for none",
        at_least=0,
    )
    ready_timeout_s: float = setting(
        "SIGHTLINE_READY_TIMEOUT_S", 120.0, "Longest wait for one role to answer its health check, in seconds", above=0
    )
    stop_timeout_s: float = setting(
        "SIGHTLINE_STOP_TIMEOUT_S",
        5.0,
        "Time that a role has to end after SIGTERM before it is killed, in seconds",
        above=0,
    )

    @classmethod
    def error(cls, variable: str, value: str, need: str) -> Exception:
        """The supervisor's own error."""
        return SettingInvalid(variable, value, need)

    def folder(self, name: str) -> Path:
        """Return the absolute folder of a role: `store`, `collector_spool`, `app`, `weaviate`, `redis`, `alerts`."""
        setting_name = {"collector_spool": "collector_spool_dir", "alerts": "alerts_state_dir"}
        chosen: Path | None = getattr(self, setting_name.get(name, f"{name}_data_dir"))
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

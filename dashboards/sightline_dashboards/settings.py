"""Settings of the dashboards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sightline_roles.port_settings import PortSettings
from sightline_roles.settings import Settings, is_http_url, setting


@dataclass(frozen=True, kw_only=True)
class DashboardSettings(PortSettings):
    """Where the pages are served; which store they ask is in `StoreSettings`.

    Each open page holds one connection.
    """

    prefix = "SIGHTLINE_DASHBOARDS_"

    port: int = setting("SIGHTLINE_DASHBOARDS_PORT", 8501, "Port to listen on", at_least=1, at_most=65535)


@dataclass(frozen=True, kw_only=True)
class AlertSettings(Settings):
    """Rules, and how people are told: `sightline-dashboards alerts`. Addresses of channels are in the rules file."""

    rules: Path | None = setting(
        "SIGHTLINE_ALERTS_RULES", None, "Rules file (YAML)", default_text="the rules that Sightline ships"
    )
    dashboards_url: str = setting(
        "SIGHTLINE_ALERTS_DASHBOARDS_URL",
        "http://127.0.0.1:8501",
        "Where the dashboards are for a reader's browser: messages link to them",
        check=is_http_url,
        need="an address such as http://127.0.0.1:8501",
    )
    interval_s: float = setting(
        "SIGHTLINE_ALERTS_INTERVAL_S", 60.0, "Seconds between two evaluations of all rules", at_least=1, at_most=3600
    )
    lease_s: float = setting(
        "SIGHTLINE_ALERTS_LEASE_S",
        60.0,
        "Seconds after which another evaluator takes over from one that died; the same for all evaluators of a store",
        at_least=1,
        at_most=3600,
    )
    state_dir: Path = setting(
        "SIGHTLINE_ALERTS_STATE_DIR",
        Path.home() / ".local" / "state" / "sightline",
        "Folder of the file in which an evaluator remembers that the store is away, and whom it told",
    )
    smtp_host: str = setting("SIGHTLINE_ALERTS_SMTP_HOST", "", "Mail server for channels of the kind email")
    smtp_port: int = setting("SIGHTLINE_ALERTS_SMTP_PORT", 587, "Its port", at_least=1, at_most=65535)
    smtp_security: str = setting(
        "SIGHTLINE_ALERTS_SMTP_SECURITY",
        "starttls",
        "How the connection is encrypted; `none` is for a server on the same machine",
        choices=("starttls", "tls", "none"),
    )
    smtp_ca_file: Path | None = setting(
        "SIGHTLINE_ALERTS_SMTP_CA_FILE",
        None,
        "Certificates (PEM) that the mail server's is checked by",
        default_text="the system's",
    )
    smtp_user: str = setting("SIGHTLINE_ALERTS_SMTP_USER", "", "User at the mail server; none logs in as nobody")
    smtp_password: str = setting("SIGHTLINE_ALERTS_SMTP_PASSWORD", "", "That user's password", read=str, secret=True)
    smtp_from: str = setting(
        "SIGHTLINE_ALERTS_SMTP_FROM",
        "sightline@localhost",
        "Sender of the mails",
        check=lambda text: text.count("@") == 1 and not set(text) & set(" ,<>\r\n"),
        need="a mail address such as sightline@example.org",
    )

"""Settings of the dashboards."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from sightline_roles.host_check import is_loopback
from sightline_roles.port_settings import PortSettings
from sightline_roles.settings import Settings, is_http_url, setting

_MIN_SECRET_CHARS = 24


@dataclass(frozen=True, kw_only=True)
class DashboardSettings(PortSettings):
    """Where the pages are served; which store they ask is in `StoreSettings`.

    Each open page holds one connection.
    """

    prefix = "SIGHTLINE_DASHBOARDS_"

    port: int = setting("SIGHTLINE_DASHBOARDS_PORT", 8501, "Port to listen on", at_least=1, at_most=65535)
    views_file: Path = setting(
        "SIGHTLINE_DASHBOARDS_VIEWS_FILE",
        Path.home() / ".local" / "state" / "sightline" / "views.json",
        "File of the saved views; processes on one machine may share it",
    )


def _are_networks(texts: tuple[str, ...]) -> bool:
    try:
        return bool([ipaddress.ip_network(text) for text in texts])
    except ValueError:
        return False


@dataclass(frozen=True, kw_only=True)
class AccessSettings(Settings):
    """Who may look at the dashboards, and at what of them (docs/access.md)."""

    sign_in: str = setting(
        "SIGHTLINE_DASHBOARDS_SIGN_IN",
        "none",
        "How viewers sign in: `none` shows everything to everybody who reaches the port; `oidc` at an OpenID Connect "
        "provider; `header` at a proxy in front, which names them in a header",
        choices=("none", "oidc", "header"),
    )
    open_to_network: bool = setting(
        "SIGHTLINE_DASHBOARDS_OPEN_TO_NETWORK",
        False,
        "Serve everything, prompts and answers included, to everybody who reaches the port, without sign-in, also "
        "where it listens beyond loopback",
    )
    access_file: Path | None = setting(
        "SIGHTLINE_DASHBOARDS_ACCESS_FILE",
        None,
        "File (TOML) that says which role, tenant and rights each person has; needed with sign-in",
    )
    store_keys_file: Path | None = setting(
        "SIGHTLINE_STORE_KEYS_FILE",
        None,
        "File (TOML, its owner's alone) with the key of the store for each tenant, and for those without content; for "
        "the dashboards and `sightline-mcp`",
    )
    public_url: str = setting(
        "SIGHTLINE_DASHBOARDS_PUBLIC_URL",
        "",
        "Where browsers reach the dashboards, for `oidc`: the provider sends them back to its /oauth2callback",
        read=lambda text: text.strip().rstrip("/"),
        check=is_http_url,
        need="an address such as https://sightline.example.org",
        default_text="http://localhost: and the port",
    )
    oidc_metadata_url: str = setting(
        "SIGHTLINE_DASHBOARDS_OIDC_METADATA_URL",
        "",
        "The provider's discovery document, which ends in /.well-known/openid-configuration",
        check=is_http_url,
        need="an address such as https://login.example.org/.well-known/openid-configuration",
    )
    oidc_client_id: str = setting("SIGHTLINE_DASHBOARDS_OIDC_CLIENT_ID", "", "Name of the dashboards at the provider")
    oidc_client_secret: str = setting(
        "SIGHTLINE_DASHBOARDS_OIDC_CLIENT_SECRET", "", "Their secret at the provider", read=str, secret=True
    )
    oidc_user_claim: str = setting(
        "SIGHTLINE_DASHBOARDS_OIDC_USER_CLAIM",
        "email",
        "Claim that names a person; of `email`, only addresses count that the provider does not call unverified",
    )
    cookie_secret: str = setting(
        "SIGHTLINE_DASHBOARDS_COOKIE_SECRET",
        "",
        "Signs the cookies of who has signed in: at least 24 characters, the same for all processes",
        read=str,
        secret=True,
        default_text="a new one at each start, which ends every sign-in",
    )
    user_header: str = setting(
        "SIGHTLINE_DASHBOARDS_USER_HEADER",
        "x-forwarded-user",
        "Header in which a trusted proxy names the person; it must remove what a browser sends under that name",
        read=lambda text: text.strip().lower(),
    )
    groups_header: str = setting(
        "SIGHTLINE_DASHBOARDS_GROUPS_HEADER",
        "x-forwarded-groups",
        "Header in which a trusted proxy lists the person's groups, with commas between: the claim `groups`",
        read=lambda text: text.strip().lower(),
    )
    trusted_proxies: tuple[str, ...] = setting(
        "SIGHTLINE_DASHBOARDS_TRUSTED_PROXIES",
        (),
        "Addresses or networks that requests must come from with sign-in by `header`; all others are refused",
        check=_are_networks,
        need="addresses or networks, such as 10.0.0.7 or 10.1.0.0/16",
    )
    proxy_secret: str = setting(
        "SIGHTLINE_DASHBOARDS_PROXY_SECRET",
        "",
        "What the proxy must send in the header x-sightline-proxy-secret, at least 24 characters",
        read=str,
        secret=True,
        default_text="none",
    )

    def __post_init__(self) -> None:
        """Refuse a sign-in that is not whole, naming the variable that is missing."""
        super().__post_init__()
        for name in ("cookie_secret", "proxy_secret"):
            if 0 < len(getattr(self, name)) < _MIN_SECRET_CHARS:
                raise self.invalid(name, f"at least {_MIN_SECRET_CHARS} characters")
        for name in self._needed():
            if not getattr(self, name):
                other = f" or {self.variable('proxy_secret')}" if name == "trusted_proxies" else ""
                raise self.invalid("sign_in", f"{self.variable(name)}{other} too")

    def _needed(self) -> list[str]:
        """Fields that this way of signing in cannot do without."""
        if self.sign_in == "oidc":
            return ["access_file", "oidc_metadata_url", "oidc_client_id", "oidc_client_secret"]
        if self.sign_in == "header":
            return ["access_file", *([] if self.proxy_secret else ["trusted_proxies"])]
        return []

    def check_address(self, port: DashboardSettings) -> None:
        """Refuse to serve everybody beyond this machine unless a setting says so.

        Raises:
            SettingInvalid: the address is not loopback's, and nobody has to sign in.
        """
        if self.sign_in == "none" and not self.open_to_network and not is_loopback(port.host):
            raise port.invalid(
                "host",
                f"a sign-in beyond loopback ({self.variable('sign_in')}=oidc or header), since the pages hold prompts "
                f"and answers; {self.variable('open_to_network')}=true shows them to everybody who reaches the port",
            )

    def redirect_url(self, port: int) -> str:
        """Where the provider sends a browser back to."""
        return f"{self.public_url or f'http://localhost:{port}'}/oauth2callback"


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

"""Settings of the MCP server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sightline_roles.host_check import is_loopback
from sightline_roles.port_settings import PortSettings
from sightline_roles.settings import setting


@dataclass(frozen=True, kw_only=True)
class McpSettings(PortSettings):
    """Who is served what; which store is asked is in `StoreSettings`. Address and limits are of `--http` only."""

    prefix = "SIGHTLINE_MCP_"

    port: int = setting("SIGHTLINE_MCP_PORT", 8765, "Port to listen on", at_least=1, at_most=65535)
    keys_file: Path | None = setting(
        "SIGHTLINE_MCP_KEYS_FILE",
        None,
        "File of the hashed keys that `--http` needs of its callers; without it `--http` listens on loopback only, and "
        "is open there",
    )
    tenant: str = setting(
        "SIGHTLINE_MCP_TENANT",
        "",
        "The only tenant that callers read whose key names none, and everybody over stdio; unset, they read all",
    )
    store_keys_file: Path | None = setting(
        "SIGHTLINE_STORE_KEYS_FILE",
        None,
        "File (TOML, its owner's alone) with the key of the store for each tenant that callers are limited to",
    )
    max_text_chars: int = setting(
        "SIGHTLINE_MCP_MAX_TEXT_CHARS",
        4000,
        "Most characters of one recorded text, such as an answer, in a result; what is left out is counted",
        at_least=100,
        at_most=100_000,
    )

    def check_http(self) -> None:
        """Refuse to serve everybody beyond this machine.

        Raises:
            SettingInvalid: the address is not loopback's, and no file of keys is set.
        """
        if self.keys_file is None and not is_loopback(self.host):
            raise self.invalid(
                "host", f"{self.variable('keys_file')} beyond loopback: what is served holds prompts and answers"
            )

"""Settings of the dashboards."""

from __future__ import annotations

from dataclasses import dataclass

from sightline_roles.port_settings import PortSettings
from sightline_roles.settings import setting


@dataclass(frozen=True, kw_only=True)
class DashboardSettings(PortSettings):
    """Where the pages are served; which store they ask is in `StoreSettings`.

    Each open page holds one connection.
    """

    prefix = "SIGHTLINE_DASHBOARDS_"

    port: int = setting("SIGHTLINE_DASHBOARDS_PORT", 8501, "Port to listen on", at_least=1, at_most=65535)

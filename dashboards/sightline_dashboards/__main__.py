"""`sightline-dashboards`: serves the pages until SIGTERM or SIGINT.

Streamlit runs in this process, headless: it asks for no e-mail address, reports nothing to anyone and watches no files.
All options are set here, so the working folder and a user's own Streamlit configuration change nothing that matters.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from importlib import resources

from sightline_dashboards.plotting.theme import streamlit_options
from sightline_dashboards.settings import AccessSettings, DashboardSettings
from sightline_store.settings import StoreSettings

_LOG = logging.getLogger("sightline.dashboards")


def options(settings: DashboardSettings) -> dict[str, object]:
    """Streamlit's options, by their names in its configuration."""
    return {
        "server.address": settings.host,
        "server.port": settings.port,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "server.runOnSave": False,
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "client.showErrorLinks": "false",
        "global.developmentMode": False,
        "logger.hideWelcomeMessage": True,
        "logger.enableRich": False,
        "runner.magicEnabled": False,
        **streamlit_options(),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of the console script."""
    given = list(sys.argv[1:] if argv is None else argv)
    if given[:1] == ["alerts"]:
        sys.exit(_alerts(given[1:]))
    argparse.ArgumentParser(
        prog="sightline-dashboards",
        description="Serve the dashboards on SIGHTLINE_DASHBOARDS_HOST:SIGHTLINE_DASHBOARDS_PORT "
        "over the store at SIGHTLINE_STORE_URL.",
        epilog="`sightline-dashboards alerts --help`: rules that tell people. Settings are environment variables: see "
        "docs/settings.md.",
    ).parse_args(given)
    _log_to_stderr()
    try:
        settings, access = DashboardSettings.from_env(), AccessSettings.from_env()
        access.check_address(settings)
        store = StoreSettings.from_env()
    except ValueError as exc:
        sys.exit(f"sightline-dashboards: {exc}")
    try:
        from streamlit.web import bootstrap  # noqa: PLC0415

        from sightline_dashboards import serving  # noqa: PLC0415
        from sightline_dashboards.access import current  # noqa: PLC0415
    except ImportError as exc:
        if (exc.name or "").startswith("sightline"):
            raise
        sys.exit(f'sightline-dashboards: needs {exc.name}: pip install "sightline-platform[dashboards]"')
    bootstrap.load_config_options({name.replace(".", "_"): value for name, value in options(settings).items()})
    with resources.as_file(resources.files("sightline_dashboards") / "entry" / "script.py") as page:
        _LOG.info("pages on http://%s:%d over the store at %s", settings.host, settings.port, store.url)
        try:
            current.load(access, store)  # what cannot be used is said here, and not to the first viewer
            serving.run(page, settings, access)
        except (ValueError, OSError) as exc:
            sys.exit(f"sightline-dashboards: {exc}")


def _alerts(given: Sequence[str]) -> int:
    """Run `alerts`, which needs nothing of Streamlit; returns the exit code."""
    try:
        from sightline_dashboards.alerts import cli  # noqa: PLC0415
    except ImportError as exc:
        if (exc.name or "").startswith("sightline"):
            raise
        sys.exit(f'sightline-dashboards alerts: needs {exc.name}: pip install "sightline-platform[dashboards]"')
    _log_to_stderr()
    return cli.main(given, os.environ)


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)


if __name__ == "__main__":
    main()

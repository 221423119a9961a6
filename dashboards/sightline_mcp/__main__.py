"""`sightline-mcp`: questions about traces for assistants, over stdio or HTTP.

Over stdio standard output belongs to the protocol: everything else goes to standard error.

Exit codes: 0 done or stopped as asked, 1 it failed (the last line says why), 2 an argument cannot be.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from sightline_mcp import keys
from sightline_mcp.errors import McpError
from sightline_mcp.settings import McpSettings
from sightline_store.errors import StoreError
from sightline_store.settings import StoreSettings

_EPILOG = """examples:
  sightline-mcp                             serve one assistant over stdio; assistants start it so
  sightline-mcp --http                      serve http://127.0.0.1:8765/mcp
  sightline-mcp keys create --name bob --tenant acme   make a key that reads one tenant

settings come from the environment (SIGHTLINE_STORE_URL, SIGHTLINE_STORE_PASSWORD, SIGHTLINE_MCP_*);
see docs/mcp.md and docs/settings.md
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of the console script."""
    parser = argparse.ArgumentParser(
        prog="sightline-mcp",
        description="Answer an assistant's questions about traces, read-only, from the store at SIGHTLINE_STORE_URL.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--http", action="store_true", help="serve HTTP on SIGHTLINE_MCP_HOST:SIGHTLINE_MCP_PORT")
    keys.add_parser(parser.add_subparsers(dest="command"))
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    try:
        settings, store = McpSettings.from_env(), StoreSettings.from_env()
        if args.command == "keys":
            keys.run(args, settings.keys_file)
        else:
            _serve(settings, store, over_http=args.http)
    except (ValueError, McpError, StoreError) as exc:
        sys.exit(f"sightline-mcp: {exc}")
    except KeyboardInterrupt:  # Ctrl-C at a terminal ends stdio
        pass


def _serve(settings: McpSettings, store: StoreSettings, *, over_http: bool) -> None:
    if over_http:
        settings.check_http()
    try:
        from sightline_dashboards.access.store_keys import Limits, Stores  # noqa: PLC0415
        from sightline_mcp import server, serving  # noqa: PLC0415
    except ImportError as exc:
        if (exc.name or "").startswith("sightline"):
            raise
        sys.exit(f'sightline-mcp: needs {exc.name}: pip install "sightline-platform[mcp]"')
    logging.getLogger("mcp").setLevel(logging.WARNING)  # says every session and request
    stores = Stores(store, settings.store_keys_file)
    if not over_http:
        stores.client(Limits(settings.tenant))  # a key that is missing is said here
    built = server.build(lambda tenant: stores.client(Limits(tenant)), settings, over_http=over_http)
    try:
        if over_http:
            serving.run(server.http_app(built), settings, server.PATH)
        else:
            built.run("stdio")
    finally:
        stores.close()


if __name__ == "__main__":
    main()

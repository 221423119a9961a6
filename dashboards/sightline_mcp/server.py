"""The MCP server: the tools, the resources, and how both are served."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import ToolAnnotations
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from sightline_mcp import schema
from sightline_mcp.key_gate import HEALTH
from sightline_mcp.recorded import WARNING
from sightline_mcp.settings import McpSettings
from sightline_mcp.tools import Tools
from sightline_store.questions.asking import Asks

PATH = "/mcp"
"""Where `--http` answers."""
_MAX_REQUEST_BYTES = 256 * 1024
_INSTRUCTIONS = f"""\
Sightline records the traces of an AI backend: where every answer spends its time, its tokens and its truth. All tools
only read.

To find why answers are slow, dear or wrong: compare_windows says what changed; slowest_traces, search_traces and
worst_answers name single requests; explain_trace explains one of them. TTFT is the time to the first token. Null is
unknown, never 0.

{WARNING}
"""


def build(stores: Callable[[str], Asks], settings: McpSettings, *, over_http: bool = False) -> MCPServer[None]:
    """Make the server.

    Args:
        stores: tenant to the store as that tenant sees it, '' to the whole store.
        settings: bounds, and the tenant of callers that no key limits.
        over_http: whether it stands behind `KeyGate`, without which it then answers nobody.
    """
    server: MCPServer[None] = MCPServer(
        "sightline",
        title="Sightline",
        instructions=_INSTRUCTIONS,
        version=_version(),
        subscriptions=False,
        log_level="WARNING",
    )
    reads = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
    for tool in Tools(stores, settings, over_http=over_http).all():
        server.add_tool(tool, annotations=reads, structured_output=True)

    @server.resource("sightline://schema", title="The typed tables in plain words", mime_type="text/markdown")
    def whole_schema() -> str:
        """What a row of each typed table is, and what its columns hold."""
        return schema.text()

    @server.resource("sightline://schema/{table}", title="One typed table in plain words", mime_type="text/markdown")
    def one_table(table: str) -> str:
        """What a row of a table is, and what its columns hold."""
        try:
            return schema.table(table)
        except KeyError:
            raise ResourceNotFoundError(f"there is no table {table[:60]!r}: {', '.join(schema.TABLES)}") from None

    return server


def http_app(server: MCPServer[None]) -> Starlette:
    """The server as an ASGI application: each request stands alone, so no session can be taken over.

    Host, Origin and key are checked by what stands in front of it.
    """
    app = server.streamable_http_app(
        streamable_http_path=PATH,
        stateless_http=True,
        json_response=True,
        max_request_body_size=_MAX_REQUEST_BYTES,
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    app.router.routes.append(Route(HEALTH, _health))
    return app


async def _health(_: Request) -> PlainTextResponse:
    return PlainTextResponse("ok\n")


def _version() -> str:
    try:
        return version("sightline-platform")
    except PackageNotFoundError:  # run from a checkout
        return ""

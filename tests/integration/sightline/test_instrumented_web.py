"""HTTP and gRPC under ``instrument()``: clients on a real socket, servers in this process."""

from __future__ import annotations

import concurrent.futures
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from client_peers import Quiet, serving
from instrument_trial import CALLER, needs, trial


class _Echo(Quiet):
    """Answers with the headers of the request."""

    def reply(self, body: bytes) -> None:
        told = {name.lower(): value for name, value in self.headers.items()}
        self.answer(json.dumps(told).encode(), 404 if self.path == "/missing" else 200)


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """A server that returns the headers of each request."""
    with serving(_Echo) as url:
        yield url


def _check(headers: dict[str, str]) -> None:
    """What a traced request carries, it carries whole."""
    from opentelemetry import trace

    if "traceparent" in headers:
        assert f"{trace.get_current_span().get_span_context().trace_id:032x}" in headers["traceparent"]
        assert headers["baggage"] == "session.id=s-1,user.id=u-1,tenant.id=acme"


def use_requests(url: str) -> None:
    """A page that is there and one that is not."""
    import requests

    _check(requests.get(f"{url}/there", timeout=10).json())
    requests.get(f"{url}/missing", timeout=10)


def use_urllib3(url: str) -> None:
    """A page that is there and one that is not."""
    import urllib3

    with urllib3.PoolManager() as pool:
        _check(json.loads(pool.request("GET", f"{url}/there").data))
        pool.request("GET", f"{url}/missing")


def use_httpx(url: str) -> None:
    """A page that is there and one that is not."""
    import httpx

    _check(httpx.get(f"{url}/there").json())
    httpx.get(f"{url}/missing")


def use_httpx2(url: str) -> None:
    """A page that is there and one that is not."""
    import httpx2

    _check(httpx2.get(f"{url}/there").json())
    httpx2.get(f"{url}/missing")


async def use_aiohttp(url: str) -> None:
    """A page that is there and one that is not."""
    import aiohttp

    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/there") as answer:
            _check(await answer.json(content_type=None))
        async with session.get(f"{url}/missing") as answer:
            await answer.read()


def _client(library: str, act: Callable[..., Any], package: str) -> Any:
    marks = needs(library, f"opentelemetry-instrumentation-{package}")
    return pytest.param(act, (library,), package.replace("-", "_"), id=library, marks=marks)


@pytest.mark.parametrize(
    ("act", "libraries", "scope"),
    [
        _client("requests", use_requests, "requests"),
        _client("urllib3", use_urllib3, "urllib3"),
        _client("httpx", use_httpx, "httpx"),
        _client("httpx2", use_httpx2, "httpx"),
        _client("aiohttp", use_aiohttp, "aiohttp-client"),
        pytest.param(
            use_requests,
            ("requests", "urllib3"),
            "requests",
            id="requests on urllib3",
            marks=needs("opentelemetry-instrumentation-requests", "opentelemetry-instrumentation-urllib3"),
        ),
    ],
)
def test_a_request_is_one_client_span_and_carries_the_trace(
    act: Callable[..., Any], libraries: tuple[str, ...], scope: str, site: str
) -> None:
    """Trace and identity are propagated; an error status is an error; the library below it adds no second span."""
    done = trial(act, *libraries, told=(site,))
    assert [(span.name, span.kind, span.parent, span.status) for span in done.spans] == [
        ("GET", "CLIENT", CALLER, "UNSET"),
        ("GET", "CLIENT", CALLER, "ERROR"),
    ]
    assert {span.scope for span in done.spans} == {f"opentelemetry.instrumentation.{scope}"}
    assert [span.attributes["http.status_code"] for span in done.spans] == [200, 404]


def use_grpc() -> None:
    """A call from a channel to a server."""
    import grpc

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
    say = grpc.unary_unary_rpc_method_handler(lambda request, context: request)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("x.Echo", {"Say": say}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        assert channel.unary_unary("/x.Echo/Say")(b"hello") == b"hello"
    server.stop(None).wait()


async def use_grpc_async() -> None:
    """The same, async."""
    import grpc

    async def answer(request: bytes, context: object) -> bytes:
        return request

    server = grpc.aio.server()
    say = grpc.unary_unary_rpc_method_handler(answer)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("x.Echo", {"Say": say}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        assert await channel.unary_unary("/x.Echo/Say")(b"hello") == b"hello"
    await server.stop(None)


@needs("grpcio", "opentelemetry-instrumentation-grpc")
@pytest.mark.parametrize("act", [use_grpc, use_grpc_async])
def test_a_grpc_call_has_a_span_on_both_sides(act: Callable[..., Any]) -> None:
    """The server's span is below the client's, with the caller's identity."""
    done = trial(act, "grpc")
    assert sorted((span.kind, span.parent) for span in done.spans) == [("CLIENT", CALLER), ("SERVER", "/x.Echo/Say")]


def use_flask() -> None:
    """One request."""
    import flask

    app = flask.Flask("site")

    @app.get("/hello/<name>")
    def hello(name: str) -> str:
        return name

    assert app.test_client().get("/hello/you").text == "you"


async def use_starlette() -> None:
    """One request with a streamed answer."""
    import httpx
    from starlette.applications import Starlette
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    async def chunks() -> Any:
        for _ in range(3):
            yield b"x"

    async def hello(request: object) -> StreamingResponse:
        return StreamingResponse(chunks())

    app = Starlette(routes=[Route("/hello/{name}", hello)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://a") as client:
        assert (await client.get("/hello/you")).text == "xxx"


@needs("flask", "opentelemetry-instrumentation-flask")
def test_a_flask_request_is_one_span() -> None:
    """Named by its route, below the caller's span."""
    (span,) = trial(use_flask, "flask").spans
    assert (span.name, span.parent, span.attributes["http.status_code"]) == ("GET /hello/<name>", CALLER, 200)


@needs("starlette", "opentelemetry-instrumentation-starlette")
def test_a_starlette_request_is_one_span_however_many_chunks() -> None:
    """Its instrumentation alone makes a span for each chunk."""
    (span,) = trial(use_starlette, "starlette").spans
    assert (span.name, span.parent, span.attributes["http.status_code"]) == ("GET /hello/{name}", CALLER, 200)

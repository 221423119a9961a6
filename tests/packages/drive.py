"""Runs the cases of one configuration with real packages: `python drive.py JOB.json`, in the packages' environment.

The job names the layers, the client and the cases; what the packages tell goes to the address in the environment, and
when each case began and ended, and by which exception, is written into the file that the job names.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import layers
from cases import Case

_BETWEEN_CASES_S = 0.03
"""A pause, so that the spans of one case do not touch those of the next."""


def _client(name: str, url: str) -> Any:
    if name in {"openai", "langfuse.openai"}:
        from provider_clients import OpenAI

        return OpenAI(url, name)
    if name == "anthropic":
        from provider_clients import Anthropic

        return Anthropic(url)
    import frameworks

    return {
        "langchain": frameworks.LangChain,
        "langchain with langfuse": lambda url: frameworks.LangChain(url, "langfuse"),
        "llama_index": frameworks.LlamaIndex,
        "litellm": frameworks.LiteLLM,
        "pydantic_ai": frameworks.PydanticAI,
    }[name](url)


def _cases(documents: list[dict[str, Any]]) -> list[Case]:
    fields = Case.__dataclass_fields__
    return [Case(**{key: value for key, value in document.items() if key in fields}) for document in documents]


def _expected(error: BaseException) -> bool:
    """Whether the server was asked to fail that way."""
    return not isinstance(error, (AttributeError, ImportError, NameError, TypeError))


@contextmanager
def _request() -> Iterator[None]:
    """The span of a server's request, as a web framework's instrumentation makes it around the application's code."""
    from opentelemetry import trace

    attributes = {"http.request.method": "POST", "http.route": "/ask", "url.path": "/ask", "url.scheme": "http"}
    with trace.get_tracer("application").start_as_current_span(
        "POST /ask", kind=trace.SpanKind.SERVER, attributes=attributes
    ):
        yield


def _run(client: Any, case: Case, sessions: list[layers.Session], *, is_in_request: bool) -> str:
    """Run a case; returns the exception, '' where there was none."""
    try:
        with ExitStack() as stack:
            if is_in_request:
                stack.enter_context(_request())
            for session in sessions:
                stack.enter_context(session(case.session))
            if case.is_async:
                asyncio.run(client.run_async(case))
            else:
                client.run(case)
    except Exception as error:
        if case.fault and _expected(error):
            return f"{type(error).__name__}: {error}"
        raise
    return ""


def main() -> None:
    """Warm up, run all cases, send all that waits."""
    warnings.simplefilter("ignore")
    job = json.loads(Path(sys.argv[1]).read_text())
    sessions = [session for name in job["layers"] if (session := layers.LAYERS[name]()) is not None]
    client = _client(job["client"], job["url"])
    ran = []
    for case in _cases(job["cases"]):
        time.sleep(_BETWEEN_CASES_S)
        began = time.time_ns()
        error = _run(client, case, sessions, is_in_request=job["is_in_request"])
        if case.number:
            ran.append({"number": case.number, "began_ns": began, "ended_ns": time.time_ns(), "error": error})
    time.sleep(0.3)  # LiteLLM and others write their spans in threads of their own
    layers.flush()
    Path(job["out"]).write_text(json.dumps(ran))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()

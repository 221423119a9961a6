"""Nothing breaks user code: hostile values, a broken tracer, wrong arguments."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.trace import INVALID_SPAN, StatusCode

import sightline
from sightline import faults, semconv
from sightline.runtime import runtime
from sightline.testing import captured


class Hostile:
    """Raises whatever is asked of it."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("hostile")

    def __str__(self) -> str:
        raise RuntimeError("hostile")

    __repr__ = __str__


class HostileError(Exception):
    """An exception that cannot be printed."""

    def __str__(self) -> str:
        raise RuntimeError("hostile")


def test_hostile_values_break_nothing() -> None:
    """Whatever is passed, returned or raised: the call behaves as without tracing, and the fault is counted."""
    faults.reset()
    with captured() as spans:

        @sightline.workflow("w")
        def call(value: Any) -> Any:
            sightline.annotate(value=value)
            sightline.record_documents(value)
            sightline.record_usage(value)
            sightline.record_messages(value, value)
            sightline.score(value, value)
            sightline.identify(session=value)
            return value

        hostile = Hostile()
        assert call(hostile) is hostile

        @sightline.workflow("e")
        def fail() -> None:
            raise HostileError

        with pytest.raises(HostileError):
            fail()
        assert spans.names() == ["invoke_workflow w", "invoke_workflow e"]
        assert spans.single("invoke_workflow e").status.status_code is StatusCode.ERROR
    assert faults.counts() != {}
    faults.reset()


def test_broken_tracer_breaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tracer that raises costs the spans, not the calls."""
    faults.reset()

    class Broken:
        def start_span(self, *args: Any, **kwargs: Any) -> Any:
            raise RuntimeError("no spans today")

    monkeypatch.setattr(runtime, "tracer", Broken())

    @sightline.llm
    def stream() -> Iterator[str]:
        yield "a"

    @sightline.llm
    async def call() -> str:
        return "b"

    assert list(stream()) == ["a"]
    assert asyncio.run(call()) == "b"
    with sightline.trace("x") as span:
        assert span is INVALID_SPAN
    assert faults.counts() == {"start span": 3}
    faults.reset()


def test_wrong_capture_argument_captures_nothing() -> None:
    """A misspelt capture= is no reason to fail at import, nor to show content."""
    faults.reset()
    with captured() as spans:

        @sightline.trace(capture="everything")
        def call(secret: str) -> str:
            return secret

        assert call("x") == "x"
        assert semconv.INPUT not in spans.attributes()
    assert list(faults.counts()) == ["read capture="]
    faults.reset()

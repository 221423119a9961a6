"""Which model's answer is taken, which model counts as failed, and what is charged."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import httpx
import openai
import pytest

from sightline_app.errors import ModelUnavailable
from sightline_app.generator import Generator
from sightline_app.settings import AppSettings
from sightline_app.stages.generate import Generation
from sightline_app.stages.route import Candidate, Route
from sightline_app.state.circuit import Circuit


class Model:
    """Streams one word and its usage, or nothing at all.

    Args:
        name: what it says.
        hangs: whether it says nothing until it is cancelled.
    """

    def __init__(self, name: str, *, hangs: bool = False) -> None:
        self.endpoint = SimpleNamespace(model=name)
        self.note = None
        self.hangs = hangs
        self.asked = 0

    async def stream(self, *_: object) -> AsyncIterator[Any]:
        """Answer as a model's stream does."""
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        yield {"choices": [{"delta": {"content": self.endpoint.model}, "finish_reason": "stop"}], "usage": None}
        yield {"choices": [], "usage": {"prompt_tokens": 40, "completion_tokens": 10}}


def candidate(model: Model, circuit: Circuit) -> Candidate:
    """A model of the route."""
    return Candidate(model.endpoint.model, cast("Generator", model), circuit, "model")


async def answer(route: Route) -> tuple[str, Generation]:
    """The text of one answer, and what is known of it."""
    async with Generation(route, [{"role": "user", "content": "q"}], time.monotonic() + 30) as generation:
        return "".join([text async for text in generation]), generation


async def test_model_that_hedges_overtake_in_a_row_is_left_alone() -> None:
    """A model that hangs never reports a failure of its own: being overtaken is one; an answer counts anew."""
    slow, quick = Model("slow", hangs=True), Model("quick")
    of_slow, of_quick = Circuit(2, 3600.0), Circuit(2, 3600.0)
    route = Route([candidate(slow, of_slow), candidate(quick, of_quick)], hedge_after_s=0.01)
    assert (await answer(route))[0] == "quick"
    assert of_slow.admits()
    assert (await answer(route))[0] == "quick"
    assert not of_slow.admits()
    assert of_quick.admits()
    assert (slow.asked, quick.asked) == (2, 2)


async def test_hedge_that_is_cancelled_has_not_failed() -> None:
    """The first model answers after the hedge was asked, which had less time."""
    started = asyncio.Event()

    class Second(Model):
        async def stream(self, *_: object) -> AsyncIterator[Any]:
            started.set()
            async for chunk in super().stream():
                yield chunk

    class First(Model):
        async def stream(self, *_: object) -> AsyncIterator[Any]:
            await started.wait()
            async for chunk in super().stream():
                yield chunk

    of_hedge = Circuit(1, 3600.0)
    route = Route(
        [candidate(First("first"), Circuit(1, 3600.0)), candidate(Second("hedge", hangs=True), of_hedge)],
        hedge_after_s=0.01,
    )
    assert (await answer(route))[0] == "first"
    assert of_hedge.admits()


@pytest.mark.parametrize(("hangs", "charged"), [(True, 80), (False, 40)])
async def test_prompt_of_a_cancelled_model_is_charged_but_is_not_part_of_the_answer(hangs: bool, charged: int) -> None:
    """What a kept answer saves is one prompt, whatever the first time cost."""
    models = [candidate(Model("a", hangs=hangs), Circuit(0, 1.0)), candidate(Model("b"), Circuit(0, 1.0))]
    _, generation = await answer(Route(models, hedge_after_s=0.01 if hangs else 30.0))
    assert generation.usage == {"input_tokens": charged, "output_tokens": 10}
    assert generation.answer_usage == {"input_tokens": 40, "output_tokens": 10}


async def test_connection_that_is_not_taken_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the wait for a connection, not the setting for a model that is connected and says nothing."""
    generator = Generator(AppSettings(model_base_url="http://127.0.0.1:9/v1"))

    async def no_connection(*_: object) -> Any:
        request = httpx.Request("POST", "http://127.0.0.1:9/v1")
        raise openai.APITimeoutError(request=cast("Any", request)) from httpx.ConnectTimeout("full")

    monkeypatch.setattr(generator, "_open", no_connection)
    with pytest.raises(ModelUnavailable, match="took no connection within 5 s"):
        [chunk async for chunk in generator.stream([])]
    await generator.close()


async def test_answer_that_is_no_chunk_is_the_models_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else the server sends as JSON."""
    generator = Generator(AppSettings())

    async def no_chunks(*_: object) -> Any:
        async def sent() -> AsyncIterator[object]:
            yield ["no", "chunk"]

        return contextlib.aclosing(cast("Any", sent()))

    monkeypatch.setattr(generator, "_open", no_chunks)
    with pytest.raises(ModelUnavailable, match="sent what is no chunk"):
        [chunk async for chunk in generator.stream([])]
    await generator.close()

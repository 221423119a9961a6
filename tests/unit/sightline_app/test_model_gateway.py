"""What the model's HTTP interface makes of errors that its event loop reports."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable

import pytest
import uvloop

from sightline_app.model_server.gateway import without_late_wakeups


async def _turn(called: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(without_late_wakeups)
    loop.call_soon(called)
    await asyncio.sleep(0)


def _fail() -> None:
    raise OSError("a real error")


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_only_the_late_wakeup_of_a_cancelled_read_is_dropped(
    new_loop: Callable[[], asyncio.AbstractEventLoop], caplog: pytest.LogCaptureFixture
) -> None:
    """The result of a future that was cancelled is no error; all else is logged as ever, without a handle too."""
    with contextlib.closing(new_loop()) as loop:
        cancelled = loop.create_future()
        cancelled.cancel()
        loop.run_until_complete(_turn(functools.partial(cancelled.set_result, None)))
        assert not caplog.records
        loop.run_until_complete(_turn(_fail))
        loop.call_exception_handler({"message": "told by hand"})
    assert [record.name for record in caplog.records] == ["asyncio", "asyncio"]
    assert "a real error" in caplog.text
    assert "told by hand" in caplog.text

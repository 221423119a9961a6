"""Why a question has no answer, and what to do about it, for whoever asked."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from mcp.server.mcpserver.exceptions import ToolError

from sightline_dashboards.access.errors import NotAllowed
from sightline_mcp.errors import WrongQuestion
from sightline_store.errors import QueryFailed, StoreBusy, StoreError, StoreUnavailable

_NO_TABLES: Final = frozenset({60, 81})
_NO_ACCESS: Final = frozenset({192, 193, 194, 497, 516})
"""ClickHouse's codes for an unknown user, a wrong password and a missing grant."""
_log = logging.getLogger("sightline.mcp")

P = ParamSpec("P")
R = TypeVar("R")


def answering(tool: Callable[P, R]) -> Callable[P, R]:
    """Say why a question has no answer and what to do, in the error that the assistant reads."""

    @functools.wraps(tool)
    def answer(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return tool(*args, **kwargs)
        except StoreError as exc:
            _log.warning("%s: %s", type(exc).__name__, exc)
            raise ToolError(way_out(exc)) from exc
        except WrongQuestion as exc:
            raise ToolError(str(exc)) from exc

    return answer


def way_out(exc: StoreError) -> str:
    """What the store could not do, and what helps.

    ClickHouse's own words can quote stored values, which may be another tenant's: they are in the log only.
    """
    if isinstance(exc, StoreBusy):
        return f"the store cannot do it now (ClickHouse's code {exc.code}): try again. {exc.way_out}".rstrip()
    if isinstance(exc, NotAllowed):
        return str(exc)
    if isinstance(exc, StoreUnavailable):
        return str(exc)
    if isinstance(exc, QueryFailed) and exc.code in _NO_TABLES:
        return "the store has no tables yet: `sightline-store migrate` makes them; the collector does so when it starts"
    if isinstance(exc, QueryFailed) and exc.code in _NO_ACCESS:
        return (
            "the store refuses this user or key: give sightline-mcp a reader's in SIGHTLINE_STORE_PASSWORD "
            "(`sightline-store key create --name mcp --role reader`)"
        )
    code = f" (ClickHouse's code {exc.code})" if isinstance(exc, QueryFailed) else ""
    return f"the store could not answer this question{code}; the log of sightline-mcp says why"

"""What a caller may read: everything, or one tenant's data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sightline_mcp.errors import OutOfReach
from sightline_mcp.windows import filters
from sightline_store.questions import queries
from sightline_store.questions.queries import Asks, Filters, Row


@dataclass(frozen=True)
class Reach:
    """A limit to one tenant; '' is none.

    A trace is a tenant's own when that tenant alone stands in it: whoever knows an id could send a span into a foreign
    trace, and would read all of it otherwise.
    """

    tenant: str = ""

    def filters(
        self, start: str, end: str, *, tenant: str = "", model: str = "", route: str = "", now: datetime | None = None
    ) -> Filters:
        """A window, narrowed to what is asked for and to what is in reach.

        Raises:
            OutOfReach: another tenant is asked for.
            WrongQuestion: the window cannot be.
        """
        if self.tenant and tenant.strip() not in {"", self.tenant}:
            raise OutOfReach(f"this caller reads the data of tenant {self.tenant!r} only: leave tenant out")
        return filters(start, end, tenant=self.tenant or tenant, model=model, route=route, now=now)

    def holds(self, store: Asks, trace_id: str) -> bool:
        """Whether a trace may be read; false also where it is unknown."""
        return not self.tenant or self._is_own(queries.trace_tenants(store, [trace_id]).get(trace_id, set()))

    def own(self, store: Asks, rows: Sequence[Row]) -> list[Row]:
        """Those rows whose `trace_id` may be read."""
        if not self.tenant:
            return list(rows)
        tenants = queries.trace_tenants(store, [row["trace_id"] for row in rows])
        return [row for row in rows if self._is_own(tenants.get(row["trace_id"], set()))]

    def _is_own(self, tenants: set[str]) -> bool:
        return self.tenant in tenants and tenants <= {self.tenant, ""}

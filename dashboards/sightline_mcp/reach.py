"""What a caller may read: everything, or one tenant's data, for which the store is asked with a key of that tenant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sightline_mcp.errors import OutOfReach
from sightline_mcp.windows import filters
from sightline_store.questions.asking import Asks, Filters


@dataclass(frozen=True)
class Reach:
    """A caller's limit, and the store as that caller sees it.

    Attributes:
        store: shows what is in reach and nothing else: the store itself sees to that.
        tenant: the only one that the caller reads; '' is all.
    """

    store: Asks
    tenant: str = ""

    def filters(
        self, start: str, end: str, *, tenant: str = "", model: str = "", route: str = "", now: datetime | None = None
    ) -> Filters:
        """A window, narrowed to what is asked for.

        Raises:
            OutOfReach: another tenant is asked for than the caller's.
            WrongQuestion: the window cannot be.
        """
        if self.tenant and tenant.strip() not in {"", self.tenant}:
            raise OutOfReach(f"this caller reads the data of tenant {self.tenant!r} only: leave tenant out")
        return filters(start, end, tenant=self.tenant or tenant, model=model, route=route, now=now)

"""A store in memory behind the client's seam: it knows tokens, cannot read some requests, and goes away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, BinaryIO

from sightline_store import varint
from sightline_store.client import Client
from sightline_store.errors import QueryFailed, StoreUnavailable
from sightline_store.settings import StoreSettings

POISON = b"poison"
"""A request that holds these bytes cannot be read."""
_CANNOT_PARSE = 33
_UNKNOWN_TABLE = 60
_TRAILER_BYTES = 6  # of a record: tag and checksum


class Outage(Enum):
    """What becomes of one INSERT."""

    REFUSED = "the connection is refused"
    ANSWER_LOST = "it is done, and the answer does not arrive"
    UPGRADE = "its table is missing, during an upgrade"


class SimulatedStore(Client):
    """Keeps the rows of INSERTs, each a request and its table's signal.

    An INSERT is whole or not there. One whose token is known adds nothing; it has to hold the same requests as before,
    or fewer, where a segment was damaged meanwhile.
    """

    def __init__(self, step: Callable[[], None]) -> None:
        """An empty store; `step` is called before and after each INSERT takes effect: the sender may end there."""
        super().__init__(StoreSettings())
        self.rows: Counter[tuple[str, bytes]] = Counter()
        self.tokens: list[str] = []
        self.outages: list[Outage | None] = []
        """What becomes of the next INSERTs; None lets one through."""
        self.refusal: QueryFailed | None = None
        """With what each INSERT is refused, whatever it holds."""
        self._step = step
        self._bodies: dict[tuple[str, str], bytes] = {}
        self._notes: list[bytes] = []
        self._decisions = 0

    def insert_raw(self, table: str, payload: bytes | BinaryIO, fmt: str, settings: Mapping[str, Any]) -> None:
        """See Client."""
        assert fmt == "Protobuf"
        self._step()
        if self.refusal is not None:
            raise self.refusal
        outage = self.outages.pop(0) if self.outages else None
        if outage is Outage.REFUSED:
            raise StoreUnavailable("simulated", "refused")
        if outage is Outage.UPGRADE:
            raise QueryFailed(_UNKNOWN_TABLE, "Table otel.otlp_traces does not exist")
        self._insert(table, payload if isinstance(payload, bytes) else payload.read(), settings)
        self._step()
        if outage is Outage.ANSWER_LOST:
            raise StoreUnavailable("simulated", "reset")

    def _insert(self, table: str, body: bytes, settings: Mapping[str, Any]) -> None:
        requests = _messages(body)
        assert requests
        if any(POISON in request for request in requests):
            raise QueryFailed(_CANNOT_PARSE, "Cannot parse Protobuf")
        signal, _, kind = table.removeprefix("otlp_").partition("_")
        if kind == "noted":
            self._notes.append(requests[-1])
        if kind in {"noted", "check"}:
            return
        token = str(settings["insert_deduplication_token"])
        if (known := self._bodies.get((table, token))) is not None:
            assert set(requests) <= set(_messages(known)), f"other requests came under the token {token}"
            return
        self._bodies[table, token] = body
        self.tokens.append(token)
        self.rows.update((signal, request) for request in (requests[:-1] if kind == "sampled" else requests))

    def query_rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The verdict on a segment, which is another one each time that it is asked for."""
        self._step()
        name = str((params or {})["segment"]).encode()
        self._decisions += 1
        is_noted = any(name in note for note in self._notes)
        whole: Sequence[str] = [f"{self._decisions:032x}"]
        return [{"traces": int(is_noted), "whole_traces": whole, "sampled_out": self._decisions, "late": 0}]


def _messages(body: bytes) -> list[bytes]:
    """The requests in length-delimited messages. As ClickHouse, it knows nothing of checksums."""
    requests, offset = [], 0
    while offset < len(body):
        size, used = varint.decode(body[offset : offset + 5])
        offset += used + size
        if used == 0 or size < _TRAILER_BYTES or offset > len(body):
            raise QueryFailed(_CANNOT_PARSE, "Cannot parse Protobuf")
        requests.append(body[offset - size : offset - _TRAILER_BYTES])
    return requests

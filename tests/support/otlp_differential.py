"""Protobuf against ClickHouse: what the collector accepts is read by the engine as protobuf reads it.

Each request goes through the collector's check. Where protobuf refuses it, so must the check; where the check accepts
it, the engine reads what would be spooled and every value of every field is compared with what protobuf makes of the
bytes that came. Then the same records go through the views, where no row may be missing.

    python tests/support/otlp_differential.py --cases 100000 --seed 1

starts an embedded store of its own and ends with status 1 where anything differs.
"""

from __future__ import annotations

import argparse
import json
import math
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from damaged_requests import Mutator
from google.protobuf.message import DecodeError
from otlp_spellings import REQUESTS, Speller
from role_process import Role, free_port

from sightline_collector.errors import BadRequest
from sightline_collector.request import otlp
from sightline_collector.spool import record
from sightline_store import ingest
from sightline_store.client import Client
from sightline_store.errors import QueryFailed
from sightline_store.ingest import Signal
from sightline_store.schema import migrate
from sightline_store.settings import StoreSettings

Check = Callable[[Signal, bytes], otlp.Checked]
_SHARES = (Signal.TRACES, Signal.TRACES, Signal.TRACES, Signal.METRICS, Signal.LOGS)
_BATCH = 400
_FOREIGN = "OTLP gives it another"
_ANSWER = (
    "SETTINGS output_format_json_quote_denormals = 1, output_format_json_quote_64bit_integers = 0, "
    "output_format_json_named_tuples_as_objects = 0, max_threads = 1"
)
_TABLES = {
    Signal.TRACES: ("otel_traces",),
    Signal.METRICS: tuple(f"otel_metrics_{kind}" for kind in ("gauge", "sum", "histogram", "exp_histogram", "summary")),
    Signal.LOGS: ("otel_logs",),
}


@dataclass(frozen=True)
class Disagreement:
    """A request that was not read in the same way."""

    signal: Signal
    how: str
    body: bytes

    def __str__(self) -> str:
        return f"{self.signal}: {self.how}\n    {self.body.hex()}"


@dataclass
class Outcome:
    """What a run found."""

    cases: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    items: int = 0
    disagreements: list[Disagreement] = field(default_factory=list)

    def __str__(self) -> str:
        fates = ", ".join(f"{count} {fate}" for fate, count in sorted(self.fates.items()))
        return f"{self.cases} requests ({fates}), {self.items} items: {len(self.disagreements)} disagreements"


def requests(cases: int, seed: int) -> Iterator[tuple[Signal, bytes]]:
    """So many requests, three of five of them traces, one of eleven from what the receivers are damaged with."""
    made, damaged = Speller(seed), Mutator(seed)
    for number in range(cases):
        signal = _SHARES[number % len(_SHARES)]
        yield signal, made.request(signal) if number % 11 else damaged.protobuf(signal)


def run(client: Client, given: Iterable[tuple[Signal, bytes]], check: Check = otlp.check) -> Outcome:
    """Compare requests; the client's database has the store's tables and is left full of rows."""
    outcome = Outcome()
    shapes = {signal: _Shape(client, signal) for signal in Signal}
    batches: dict[Signal, list[tuple[bytes, Any, bytes]]] = {signal: [] for signal in Signal}
    for signal, body in given:
        outcome.cases += 1
        judged = _judge(signal, body, check, outcome)
        if judged is not None:
            batches[signal].append(judged)
        if len(batches[signal]) == _BATCH:
            shapes[signal].compare(batches[signal], outcome)
            batches[signal] = []
    for signal, batch in batches.items():
        shapes[signal].compare(batch, outcome)
    return outcome


def _judge(signal: Signal, body: bytes, check: Check, outcome: Outcome) -> tuple[bytes, Any, bytes] | None:
    """What came, what protobuf makes of it, what would be spooled; None where it is refused."""

    def differs(how: str) -> None:
        outcome.disagreements.append(Disagreement(signal, how, body))

    try:
        expected = REQUESTS[signal].FromString(body)
    except DecodeError:
        expected = None
    try:
        checked = check(signal, body)
    except BadRequest as exc:
        is_foreign = _FOREIGN in str(exc)
        outcome.fates["foreign" if is_foreign else "unreadable"] += 1
        if expected is not None and not is_foreign:
            differs(f"protobuf reads it, the check says {exc}")
        return None
    if expected is None:
        differs("protobuf cannot read it, the check accepts it")
        return None
    outcome.fates["as it came" if checked.payload == body else "rewritten"] += 1
    outcome.items += checked.items
    # What nests deeper than the store's columns is text there: that it is the right text is for the golden rows to say.
    expected.DiscardUnknownFields()
    spelled = REQUESTS[signal].FromString(otlp.check(signal, expected.SerializeToString()).payload)
    return body, spelled, checked.payload


class _Shape:
    """How a signal's requests look in ClickHouse, and a table that keeps them."""

    def __init__(self, client: Client, signal: Signal) -> None:
        self._client = client
        self._signal = signal
        self._table = f"otlp_{signal}_kept"
        client.command(f"CREATE TABLE IF NOT EXISTS {self._table} AS otlp_{signal} ENGINE = Memory")
        (column,) = client.query_rows(f"DESCRIBE TABLE {self._table}")
        self._name = column["name"]
        self._expected = _converter(_parsed(iter(_tokens(column["type"]))))
        self._sent = 0
        self._token = secrets.token_hex(4)
        self._stored = self._rows()

    def compare(self, batch: list[tuple[bytes, Any, bytes]], outcome: Outcome) -> None:
        """Let the engine read a batch and compare; requests that it cannot read are found by halves."""
        if not batch:
            return
        self._client.command(f"TRUNCATE TABLE {self._table}")
        records = b"".join(record.encode(payload) for _, _, payload in batch)
        try:
            self._insert(self._table, records)
        except QueryFailed as exc:
            if len(batch) == 1:
                how = f"the engine cannot read it: {exc.message.splitlines()[0][:200]}"
                outcome.disagreements.append(Disagreement(self._signal, how, batch[0][0]))
                return
            middle = len(batch) // 2
            self.compare(batch[:middle], outcome)
            self.compare(batch[middle:], outcome)
            return
        answer = self._client.query_bytes(f"SELECT {self._name} FROM {self._table} {_ANSWER}", fmt="JSONCompactEachRow")
        lines = (line.decode("utf-8", "surrogateescape") for line in answer.split(b"\n") if line)
        rows = [json.loads(line, parse_int=_Number)[0] for line in lines]
        if len(rows) != len(batch):
            raise AssertionError(f"{len(batch)} requests are {len(rows)} rows")
        for row, (body, spelled, _) in zip(rows, batch, strict=True):
            expected = self._expected(getattr(spelled, self._name))
            if row != expected:
                how = f"the engine reads another value at {_difference(expected, row, self._name)}"
                outcome.disagreements.append(Disagreement(self._signal, how, body))
        self._store(records, batch, outcome)

    def _store(self, records: bytes, batch: list[tuple[bytes, Any, bytes]], outcome: Outcome) -> None:
        """Let the batch go the way of a segment; each item that the check counted must be a row."""
        self._sent += 1
        try:
            ingest.insert_segment(self._client, self._signal, records, f"{self._signal}-{self._token}-{self._sent}")
        except QueryFailed as exc:
            how = f"the views cannot take it: {exc.message.splitlines()[0][:200]}"
            outcome.disagreements.append(Disagreement(self._signal, how, records))
            return
        before, self._stored = self._stored, self._rows()
        items = sum(sum(otlp.services(self._signal, payload).values()) for _, _, payload in batch)
        if self._stored - before != items:
            how = f"{items} items are {self._stored - before} rows"
            outcome.disagreements.append(Disagreement(self._signal, how, records))

    def _rows(self) -> int:
        tables = " + ".join(f"(SELECT count() FROM {table})" for table in _TABLES[self._signal])
        return int(self._client.query_rows(f"SELECT {tables} AS n")[0]["n"])

    def _insert(self, table: str, records: bytes) -> None:
        # The settings are those of a segment: `insert_segment` writes to a table that it names itself.
        ingest.insert_segment(_Into(self._client, table), self._signal, records, "")


class _Into(Client):
    """A client that inserts into another table than it is told."""

    def __init__(self, client: Client, table: str) -> None:
        super().__init__(client.settings)
        self._driver = client._connected()
        self._table = table

    def insert_raw(self, table: str, payload: Any, fmt: str, settings: Any) -> None:
        given = {name: value for name, value in settings.items() if "deduplicat" not in name}
        super().insert_raw(self._table, payload, fmt, given)


class _Number(int):
    """A number without a point, which may be meant for a Float64: many digits are then less than they say."""

    is_zero_below: bool

    def __new__(cls, text: str) -> _Number:
        made = super().__new__(cls, text)
        made.is_zero_below = text == "-0"
        return made

    def __eq__(self, other: object) -> bool:
        if isinstance(other, float):
            return float(self) == other and (self != 0 or self.is_zero_below == (math.copysign(1, other) < 0))
        return super().__eq__(other)

    __hash__ = int.__hash__


def _tokens(text: str) -> list[str]:
    """A ClickHouse type in pieces: words, brackets and commas; what stands in an Enum's brackets goes."""
    pieces: list[str] = []
    word, quoted = "", 0
    for char in text:
        if quoted:
            quoted -= char == ")"
            continue
        if char in "(), \n":
            if char == "(" and word == "Enum8":
                quoted = 1
            if word:
                pieces.append(word)
            word = ""
            if char in "()," and not quoted:
                pieces.append(char)
        else:
            word += char
    return [*pieces, word] if word else pieces


def _parsed(tokens: Iterator[str]) -> tuple[str, Any]:
    """('Array', inner), ('Tuple', {name: type}) or (scalar, None)."""
    kind = next(tokens)
    if kind == "Array":
        next(tokens)
        inner = _parsed(tokens)
        next(tokens)
        return kind, inner
    if kind == "Tuple":
        fields: dict[str, Any] = {}
        while next(tokens) != ")":
            name = next(tokens).strip("`")
            fields[name] = _parsed(tokens)
        return kind, fields
    return kind, None


def _converter(kind: tuple[str, Any]) -> Callable[[Any], Any]:
    """What makes of a protobuf value what the engine writes as JSON."""
    name, inner = kind
    if name == "Array":
        element = _converter(inner)
        return lambda values: [element(value) for value in values]
    if name == "Tuple":
        parts = [(field_name, _part(field_name, part)) for field_name, part in inner.items()]
        return lambda message: [part(message) for _, part in parts]
    if name == "Float64":
        return lambda number: (
            number if math.isfinite(number) else f"{'-' * (math.copysign(1, number) < 0)}{abs(number)}"
        )
    if name == "String":
        return lambda text: text if isinstance(text, str) else text.decode("utf-8", "surrogateescape")
    return lambda value: value


def _part(name: str, kind: tuple[str, Any]) -> Callable[[Any], Any]:
    if name == "kind" and kind[0] == "Enum8":
        # A reference into a profile's table of texts is no value here.
        return lambda message: (
            (message.WhichOneof("value") or "").removesuffix("_value").removesuffix("string_value_strindex")
        )
    convert = _converter(kind)
    return lambda message: convert(getattr(message, name))


def _difference(expected: Any, found: Any, path: str) -> str:
    if isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            return f"{path}: {len(expected)} elements, the engine has {len(found)}"
        for index, (one, other) in enumerate(zip(expected, found, strict=True)):
            if not (other == one):  # noqa: SIM201
                return _difference(one, other, f"{path}.{index}")
    return f"{path}: {expected!r:.200}, the engine has {found!r:.200}"


def main() -> int:
    """Start a store, compare, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100_000, help="requests (100000)")
    parser.add_argument("--seed", type=int, default=20261129, help="another one gives other requests (20261129)")
    args = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        env = {"SIGHTLINE_STORE_PORT": str(port), "SIGHTLINE_STORE_DATA_DIR": f"{folder}/data"}
        role = Role(["sightline-store", "serve"], env, f"http://127.0.0.1:{port}/ping", Path(folder) / "log")
        try:
            role.start()
            client = Client(StoreSettings(url=f"http://127.0.0.1:{port}"))
            migrate.apply(client)
            outcome = run(client, requests(args.cases, args.seed))
            client.close()
        finally:
            role.stop()
    for each in outcome.disagreements[:20]:
        sys.stdout.write(f"{each}\n")
    sys.stdout.write(f"seed {args.seed}: {outcome}, {time.monotonic() - began:.0f} s\n")
    return int(bool(outcome.disagreements))


if __name__ == "__main__":
    sys.exit(main())

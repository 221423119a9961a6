"""A ClickHouse at a URL: the embedded node, a server or a cluster, asked in the same way.

The connection is made on first use and shared by threads (no session is held, so statements do not queue behind each
other). Errors of the network become `StoreUnavailable`, those of a busy server its kind `StoreBusy`, all else
`QueryFailed`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client as Driver
from clickhouse_connect.driver.exceptions import ClickHouseError
from urllib3.exceptions import HTTPError

from sightline_store.errors import QueryFailed, StoreBusy, StoreError, StoreUnavailable
from sightline_store.settings import StoreSettings

# Codes with which ClickHouse says "not now": timeouts, too many queries, memory, no free space, read-only tables.
# Source: https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
_BUSY_CODES = frozenset({159, 160, 173, 202, 203, 209, 210, 241, 242, 243, 252, 279, 319, 425, 439, 999})
# Refuses rows while `sightline-store migrate` replaces views: see schema/upgrade.py.
UPGRADE_CODE, UPGRADE_CONSTRAINT = 469, "sightline_upgrade"
UPGRADE_REASON = "its schema is being upgraded"
_CODE = re.compile(r"Code:\s*(\d+)|error code (\d+)", re.IGNORECASE)
_WORDS = re.compile(r"DB::Exception:\s*(.*?)(?:\s*\(version [^)]*\))?(?:\s*\(for url [^)]*\))?\s*\Z", re.DOTALL)


class Client:
    """Runs statements against the ClickHouse that `settings` name."""

    def __init__(self, settings: StoreSettings, *, sees_content: bool = True) -> None:
        """The store is reached when it is first asked.

        Args:
            settings: where it is, and who asks.
            sees_content: whether who asks may read what people and models wrote; questions then leave it out.
        """
        self.settings = settings
        self.sees_content = sees_content
        self._driver: Driver | None = None
        self._lock = threading.Lock()

    @classmethod
    def from_env(cls) -> Client:
        """A client for SIGHTLINE_STORE_URL and its siblings."""
        return cls(StoreSettings.from_env())

    def query_rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The rows of a query as dicts by column name; `params` fill {name:Type} places on the server's side."""

        def run(driver: Driver) -> list[dict[str, Any]]:
            result = driver.query(sql, parameters=dict(params or {}))
            return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]

        rows: list[dict[str, Any]] = self._run(run)
        return rows

    def query_bytes(self, sql: str, params: Mapping[str, Any] | None = None, fmt: str = "JSONEachRow") -> bytes:
        """The rows of a query in one of ClickHouse's formats."""
        answer: bytes = self._run(lambda driver: driver.raw_query(sql, parameters=dict(params or {}), fmt=fmt))
        return answer

    def stream(
        self,
        sql: str,
        params: Mapping[str, Any] | None = None,
        fmt: str = "JSONEachRow",
        piece_bytes: int = 1 << 20,
        settings: Mapping[str, Any] | None = None,
    ) -> Iterator[bytes]:
        """The rows of a query in one of ClickHouse's formats, in pieces of about `piece_bytes`, in flat memory here.

        `settings` are ClickHouse's, for this statement.
        """
        given = dict(settings or {})
        answer = self._run(
            lambda driver: driver.raw_stream(sql, parameters=dict(params or {}), fmt=fmt, settings=given)
        )
        try:
            while piece := self._run(lambda _: answer.read(piece_bytes)):
                yield piece
        finally:
            answer.close()

    def command(self, sql: str, *, database: str | None = None) -> None:
        """Run a statement that answers nothing: DDL, SET, SYSTEM. `database` '' runs it outside of any."""
        if database is None:
            self._run(lambda driver: driver.command(sql))
        else:
            self._run(lambda driver: driver.command(sql, use_database=bool(database)))

    def insert_raw(self, table: str, payload: bytes | BinaryIO, fmt: str, settings: Mapping[str, Any]) -> None:
        """Insert bytes that are already in one of ClickHouse's input formats.

        Args:
            table: name of the table, in the client's database.
            payload: the body, or a file that is streamed.
            fmt: ClickHouse's name of the format, for example Protobuf.
            settings: ClickHouse settings for this statement.
        """
        self._run(lambda driver: driver.raw_insert(table, insert_block=payload, fmt=fmt, settings=dict(settings)))

    def insert_rows(self, table: str, columns: list[str], rows: list[list[Any]]) -> None:
        """Insert Python rows; for small tables such as prices."""
        if rows:
            self._run(lambda driver: driver.insert(table, rows, column_names=columns))

    def now_us(self) -> int:
        """The store's clock, in microseconds since 1970: what several processes agree on goes by it."""
        (row,) = self.query_rows("SELECT toUnixTimestamp64Micro(now64(6)) AS now_us")
        return int(row["now_us"])

    def is_alive(self) -> bool:
        """Whether the store answers a query now."""
        try:
            self.command("SELECT 1", database="")
        except StoreError:
            return False
        return True

    def close(self) -> None:
        """Close the connections. The client opens new ones when it is used again."""
        with self._lock:
            driver, self._driver = self._driver, None
        if driver is not None:
            driver.close()

    def _run(self, action: Any) -> Any:
        try:
            return action(self._connected())
        except ClickHouseError as exc:
            raise self._translated(exc) from exc
        except (OSError, HTTPError) as exc:  # HTTPError: the driver leaves it as it is where a stream is read
            raise StoreUnavailable(self.settings.url, str(exc) or type(exc).__name__) from exc

    def _connected(self) -> Driver:
        with self._lock:
            if self._driver is None:
                parts = urlsplit(self.settings.url)
                driver = clickhouse_connect.get_client(
                    host=parts.hostname or "127.0.0.1",
                    port=parts.port or (8443 if parts.scheme == "https" else 8123),
                    secure=parts.scheme == "https",
                    username=self.settings.user,
                    password=self.settings.password,
                    connect_timeout=5,
                    send_receive_timeout=int(self.settings.timeout_s) or 1,
                    autogenerate_session_id=False,
                    compress=False,
                    client_name="sightline",
                )
                # Set after connecting: the database may not exist before the schema is applied.
                driver.database = self.settings.database
                self._driver = driver
            return self._driver

    def _translated(self, exc: ClickHouseError) -> StoreError:
        text = str(exc)
        found = _CODE.search(text)
        if found is None:
            return StoreUnavailable(self.settings.url, _reason(text) or type(exc).__name__)
        code = int(found[1] or found[2])
        if code == UPGRADE_CODE and f"`{UPGRADE_CONSTRAINT}`" in text:
            return StoreBusy(self.settings.url, code, UPGRADE_REASON)
        if code in _BUSY_CODES:
            words = _WORDS.search(text)
            return StoreBusy(self.settings.url, code, words[1] if words else _reason(text))
        return QueryFailed(code, text)


def _reason(text: str) -> str:
    """What the system said, out of the layers that the HTTP client wraps around it."""
    found = re.search(r"\[Errno -?\d+\] [^\"')]+", text)
    return found[0] if found else text.partition("\n")[0]

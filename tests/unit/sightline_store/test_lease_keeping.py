"""A lease is kept, and the housekeeping done, whatever a claim or a task fails with."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest

from sightline_store import janitor, lease
from sightline_store.client import Client
from sightline_store.janitor import Janitor
from sightline_store.lease import Lease
from sightline_store.settings import JanitorSettings, RetentionSettings, StoreSettings


class _Store(Client):
    """A store that has nothing but the table of leases, and none of that for the first claims."""

    faults = 0

    def __init__(self, settings: StoreSettings | None = None) -> None:
        super().__init__(settings or StoreSettings())
        self._left, self._owner = self.faults, ""

    def insert_rows(self, table: str, columns: list[str], rows: list[list[Any]]) -> None:
        """Take a claim."""
        assert table == "leases"
        self._owner = rows[0][1]

    def query_rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Say the time, or who holds the lease; whatever else is asked meets a fault of the program."""
        if self._left:
            self._left -= 1
            raise KeyError("now_us")
        if "leases" in sql:
            return [{"Owner": self._owner}]
        if "now_us" in sql:
            return [{"now_us": 1}]
        raise KeyError("not a store's error")


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Claims settle at once and are tried again at once."""
    monkeypatch.setattr(lease, "_SETTLE_S", 0)
    monkeypatch.setattr(lease, "_FIRST_RETRY_S", 0.001)


def test_a_claim_that_meets_a_fault_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that keeps a lease says what it met, and goes on."""
    monkeypatch.setattr(_Store, "faults", 2)
    kept, stopped, told = Lease(_Store(), "right", 10), threading.Event(), list[bool | Exception]()

    def on_claim(result: bool | Exception) -> None:
        told.append(result)
        if result is True:
            assert kept.is_held
            stopped.set()

    kept.keep(stopped, 60, on_claim)
    assert [type(each) for each in told] == [KeyError, KeyError, bool]


def test_a_task_that_meets_a_fault_stops_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each fault is logged with its traceback; a janitor that holds the lease and does nothing would be worse."""
    monkeypatch.setattr(janitor, "Client", _Store)
    monkeypatch.setattr(janitor, "_TICK_S", 0.001)
    works = Janitor(StoreSettings(), JanitorSettings(), RetentionSettings())
    thread = threading.Thread(target=works.run)
    with caplog.at_level(logging.WARNING, "sightline.store.janitor"):
        thread.start()
        deadline = time.monotonic() + 30
        while len(caplog.records) < len(_TASKS) and time.monotonic() < deadline:
            time.sleep(0.005)
        works.stop()
        thread.join()
    assert {record.getMessage().partition(":")[0] for record in caplog.records} == _TASKS
    assert all(record.exc_info for record in caplog.records)


_TASKS = {"prices", "settle", "rollups", "retention"}

"""Fixtures of the evals' integration tests."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from collector_role import start_collector
from role_process import StartRole

from sightline_store.client import Client


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of the test's own: runs keep their scores below it."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def collected(
    roles: StartRole, emptied: Callable[..., Client], tmp_path: Path
) -> Iterator[tuple[dict[str, str], Client]]:
    """A collector that writes to tables without rows; the environment to reach both, and a client."""
    client = emptied()
    store = client.settings
    collector = start_collector(roles, tmp_path, store.url, STORE_DATABASE=store.database)
    yield (
        {
            "SIGHTLINE_STORE_URL": store.url,
            "SIGHTLINE_STORE_DATABASE": store.database,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        },
        client,
    )
    gc.collect()

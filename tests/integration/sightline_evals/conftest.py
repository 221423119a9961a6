"""Fixtures of the evals' integration tests."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from collector_role import start_collector
from role_process import StartRole

from sightline_store.client import Client
from sightline_store.schema import migrate
from sightline_store.settings import StoreSettings


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of the test's own: runs keep their scores below it."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def collected(
    request: pytest.FixtureRequest, roles: StartRole, store_url: str, tmp_path: Path
) -> Iterator[tuple[dict[str, str], Client]]:
    """A collector that writes to the module's DATABASE; the environment to reach both, and a client."""
    database: str = request.module.DATABASE
    client = Client(StoreSettings(url=store_url, database=database))
    migrate.apply(client)
    collector = start_collector(roles, tmp_path, store_url, STORE_DATABASE=database)
    yield (
        {
            "SIGHTLINE_STORE_URL": store_url,
            "SIGHTLINE_STORE_DATABASE": database,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        },
        client,
    )
    gc.collect()
    client.command(f"DROP DATABASE {database}", database="")
    client.close()

"""Fixtures of many tests: roles that are stopped at the end, and a real store, once a session."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import CHROMIUM, DRIVER, MISSING, Browser
from hypothesis import settings
from role_process import Role, StartRole, free_port

# Machines are shared: how long an example takes says nothing about the code.
settings.register_profile("shared-machine", deadline=None)
settings.load_profile("shared-machine")

# A shell's background job ignores Ctrl-C, and so would all that tests start and end by it.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


_PEER_FIXTURES = {"weaviate_place", "place", "redis_place"}
_PEER_MODULES = {
    "test_cluster",
    "test_demo",
    "test_honest_clients",
    "test_instrumented_brokers",
    "test_instrumented_databases",
    "test_kafka_engine",
    "test_real_clients",
}
"""Test modules that need servers or clients of others, which `make` installs."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the marker ``peers`` on every test that needs servers or clients of others."""
    for item in items:
        if _PEER_FIXTURES.intersection(getattr(item, "fixturenames", ())) or item.path.stem in _PEER_MODULES:
            item.add_marker("peers")


@pytest.fixture
def roles(tmp_path: Path) -> Iterator[StartRole]:
    """Start console scripts; all that still run are stopped at the end."""
    started: list[Role] = []

    def start(*command: str, env: dict[str, str], health_url: str) -> Role:
        role = Role(list(command), env, health_url, tmp_path / f"{command[0]}-{len(started)}.log")
        started.append(role)
        role.start()
        return role

    yield start
    for role in reversed(started):
        role.stop()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    """A browser with a profile of its own; skipped, with the reason, where there is none."""
    if not (CHROMIUM and DRIVER):
        pytest.skip(MISSING)
    opened = Browser(tmp_path / "profile")
    yield opened
    opened.driver.quit()


@pytest.fixture(scope="session")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real embedded store of this session, with its tables, at the URL that is returned."""
    from sightline_store.client import Client
    from sightline_store.schema import migrate
    from sightline_store.settings import StoreSettings

    folder, port = tmp_path_factory.mktemp("store"), free_port()
    url = f"http://127.0.0.1:{port}"
    env = {"SIGHTLINE_STORE_PORT": str(port), "SIGHTLINE_STORE_DATA_DIR": str(folder / "data")}
    role = Role(["sightline-store", "serve"], env, f"{url}/ping", folder / "log")
    try:
        role.start()
        client = Client(StoreSettings(url=url))
        migrate.apply(client)
        client.close()
        yield url
    finally:
        role.stop()

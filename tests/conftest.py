"""Fixtures of many tests: roles that are stopped at the end, and a real store, once a session."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import CHROMIUM, DRIVER, MISSING, Browser
from hypothesis import settings
from role_process import Role, StartRole, free_port

if TYPE_CHECKING:
    from sightline_store.client import Client

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
    "test_ingestion_kafka",
    "test_ingestion_temporal",
    "test_instrumented_brokers",
    "test_instrumented_databases",
    "test_kafka_engine",
    "test_real_clients",
}
"""Test modules that need servers or clients of others, which `make` installs."""


_LONG_MODULES = {
    "test_cluster",
    "test_demo",
    "test_evals_ci_files",
    "test_fuzz_receivers",
    "test_kafka_engine",
    "test_kill_9_sampled",
    "test_node_attacks_derived",
    "test_pages",
    "test_ports",
    "test_rebuild",
    "test_run_interrupted",
    "test_tuning",
    "test_upgrade",
    "test_upgrade_under_load",
    "test_vector_stores",
}
"""Test modules that take longest: they run first, so that of workers that take whole files none is last alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the marker ``peers`` on every test that needs servers or clients of others, and the longest modules first."""
    for item in items:
        if _PEER_FIXTURES.intersection(getattr(item, "fixturenames", ())) or item.path.stem in _PEER_MODULES:
            item.add_marker("peers")
    items.sort(key=lambda item: item.path.stem not in _LONG_MODULES)


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


@pytest.fixture(scope="session")
def browser_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser, once a session: to start one takes seconds. Skipped, with the reason, where there is none."""
    if not (CHROMIUM and DRIVER):
        pytest.skip(MISSING)
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.driver.quit()


@pytest.fixture
def browser(browser_session: Browser) -> Iterator[Browser]:
    """A browser that shows nothing yet and knows no page."""
    yield browser_session
    browser_session.forget()


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


@pytest.fixture(scope="session")
def database(store_url: str) -> Iterator[Callable[[str], Client]]:
    """Returns a client of the database of a name, which it makes with all tables where it is new."""
    from sightline_store.client import Client
    from sightline_store.schema import migrate
    from sightline_store.settings import StoreSettings

    clients: dict[str, Client] = {}

    def client_of(name: str) -> Client:
        if name not in clients:
            clients[name] = Client(StoreSettings(url=store_url, database=name))
            migrate.apply(clients[name])
        return clients[name]

    yield client_of
    for client in clients.values():
        client.close()


@pytest.fixture(scope="session")
def emptied(database: Callable[[str], Client]) -> Callable[..., Client]:
    """Returns a client of a database with all tables and no rows, which belongs to the caller until the next call.

    To make the tables takes seconds, to empty them none. Tests that change tables need a database of another name.
    """
    from store_rows import remove_all

    def client_of(name: str = "emptied") -> Client:
        client = database(name)
        remove_all(client)
        return client

    return client_of

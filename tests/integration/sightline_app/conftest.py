"""A real Redis for the tests of the app's state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from redis_place import RedisPlace


@pytest.fixture(scope="session", name="redis_session")
def _redis_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisPlace]:
    from redis_place import RedisPlace

    from sightline_app.state.redis_server import find_server

    binary = find_server()
    if binary is None:
        pytest.skip("NO REDIS: no redis-server or valkey-server on PATH; run `make redis`")
    place = RedisPlace(tmp_path_factory.mktemp("redis"), binary)
    try:
        yield place
    finally:
        place.stop()


@pytest.fixture
def redis_place(redis_session: RedisPlace) -> Iterator[RedisPlace]:
    """The server of this session, empty; a test that killed it finds it running again afterwards."""
    with redis_session.client() as client:
        client.flushall()
    yield redis_session
    if not redis_session.is_running:
        redis_session.start()

"""What the tests of the app share: a real Redis, a model that a question directs, and the spans of a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sightline.testing import Spans, captured

if TYPE_CHECKING:
    from chat_app import Model, Served, Shelf
    from redis_place import RedisPlace

    from sightline_app.state.redis_link import RedisLink


@pytest.fixture(name="spans")
def _spans() -> Iterator[Spans]:
    """Spans with all contents."""
    with captured(capture="full") as spans:
        yield spans


@pytest.fixture(scope="session", name="model_session")
def _model_session() -> Iterator[Model]:
    from chat_app import Model

    model = Model()
    yield model
    model.served.stop()


@pytest.fixture
def model(model_session: Model) -> Model:
    """The model, which has no prompt yet."""
    model_session.prompts.clear()
    return model_session


@pytest.fixture(name="serve")
def _serve(model: Model, tmp_path: Path, spans: Spans) -> Iterator[Callable[..., str]]:
    """Serve the app in this process, its state there too; changes of the settings in, its address out."""
    import chat_app

    from sightline_app.settings import AppSettings, StateSettings

    del spans
    running: list[Served] = []

    def serve(shelf: Shelf | None = None, **changes: Any) -> str:
        usual = {"model_base_url": model.url, "top_k": 2, "candidates": 3, "state": StateSettings(mode="process")}
        running.append(chat_app.serve(AppSettings(data_dir=tmp_path, **{**usual, **changes}), shelf))
        return running[-1].url

    yield serve
    for served in running:
        served.stop()


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


@pytest.fixture(name="link")
async def _link(redis_place: RedisPlace) -> AsyncIterator[RedisLink]:
    """A connection to the empty server."""
    from sightline_app.state.redis_link import RedisLink

    link = RedisLink(redis_place.url, redis_place.settings())
    yield link
    await link.close()

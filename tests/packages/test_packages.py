"""The typed tables and readers are right for everything that real packages tell, or the package does not tell it."""

from __future__ import annotations

from collections.abc import Iterator

import matrix
import pytest
from configurations import CONFIGURATIONS, Configuration
from judge import Verdict
from model_server import ModelServer

from sightline_store.client import Client

pytestmark = pytest.mark.packages


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    """The model server of this module."""
    server = ModelServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """A store of this module's own."""
    with matrix.store() as client:
        yield client


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=lambda configuration: configuration.slug)
def test_nothing_that_a_package_tells_is_read_wrong(
    configuration: Configuration, server: ModelServer, client: Client
) -> None:
    """Every cell of a package's row is right or not told, and some are right."""
    result = matrix.run(configuration, server, client)
    if result.skipped or result.not_run:
        pytest.skip(f"NOT RUN: {result.skipped or result.not_run}")
    assert result.failed == ""
    wrong = [cell for cell in result.cells if cell.verdict is Verdict.WRONG]
    assert wrong == []
    assert result.count(Verdict.RIGHT) > 0

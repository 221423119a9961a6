"""A data folder of uploads whose waits are short."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from upload_place import Place

from sightline_app.ingestion import process_queue
from sightline_app.ingestion import queue as queue_module


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Where documents are uploaded to; its worker is stopped at the end."""
    monkeypatch.setattr(queue_module, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(queue_module, "LOOK_S", 0.01)
    monkeypatch.setattr(process_queue, "LOCKED_S", 0.01)
    found = Place(tmp_path)
    yield found
    found.stop()

"""`python tests/support/store_version_9 URL [DATABASE]`: make and fill such a store at a ClickHouse."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import store_version_9
from sightline_store.client import Client
from sightline_store.settings import StoreSettings

client = Client(StoreSettings(url=sys.argv[1], database=sys.argv[2] if len(sys.argv) > 2 else "otel"))
store_version_9.make(client)
store_version_9.fill(client)

"""How the Weaviate instrumentation behaves: its options, and what users have described of their collections."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sightline.weaviate.documents import CollectionNotes


@dataclass(frozen=True, slots=True)
class Options:
    """How the instrumentation behaves; see ``WeaviateInstrumentor``."""

    propagate: bool = True
    ask_for_scores: bool = True
    sketch_queries: bool = True


class Settings:
    """The options in force and the described collections. Read without a lock: both are replaced whole."""

    def __init__(self) -> None:
        self.options = Options()
        self.collections: Mapping[str, CollectionNotes] = {}
        self.lock = threading.Lock()


settings: Final = Settings()

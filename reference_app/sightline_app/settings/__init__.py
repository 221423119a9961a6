"""Every setting of the app, its model server, its Weaviate and its Redis.

Each class is frozen, validated, and read once from the environment at the entry point.
"""

from sightline_app.settings.api import ApiSettings
from sightline_app.settings.app import AppSettings
from sightline_app.settings.chaos import ChaosSettings
from sightline_app.settings.embedding import InferenceSettings, MiniLMSettings, OnnxFileSettings
from sightline_app.settings.guardrails import GuardrailSettings, PrivacySettings
from sightline_app.settings.ingestion import IngestionSettings
from sightline_app.settings.limits import LimitSettings
from sightline_app.settings.model import MODEL_NAMES, ModelEndpoint, ModelSettings
from sightline_app.settings.stages import CacheSettings, PackSettings, RouteSettings
from sightline_app.settings.state import RedisSettings, StateSettings
from sightline_app.settings.uploads import UploadSettings
from sightline_app.settings.vector_stores import MilvusSettings, PineconeSettings, VectorIndexSettings
from sightline_app.settings.weaviate import WeaviateSettings

__all__ = [
    "MODEL_NAMES",
    "ApiSettings",
    "AppSettings",
    "CacheSettings",
    "ChaosSettings",
    "GuardrailSettings",
    "InferenceSettings",
    "IngestionSettings",
    "LimitSettings",
    "MilvusSettings",
    "MiniLMSettings",
    "ModelEndpoint",
    "ModelSettings",
    "OnnxFileSettings",
    "PackSettings",
    "PineconeSettings",
    "PrivacySettings",
    "RedisSettings",
    "RouteSettings",
    "StateSettings",
    "UploadSettings",
    "VectorIndexSettings",
    "WeaviateSettings",
]

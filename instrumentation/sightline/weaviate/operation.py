"""What is known of an operation of the Weaviate client before it runs: what it does, and where it goes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sightline import semconv

SYSTEM: Final = "weaviate"


@dataclass(frozen=True, slots=True)
class Operation:
    """What is known about a method of the client before it is called."""

    name: str
    """``db.operation.name``."""
    parameter_names: Sequence[str] = ()
    """Parameter names, without self."""
    score_kind: str | None = None
    """For a search: what its documents' scores are, one of ``weaviate_attributes``' kinds."""
    is_query: bool = False
    """Whether arguments and result are those of a query."""
    over_http: bool = False
    """Whether it goes over HTTP rather than gRPC."""
    batch_argument: str | None = None
    """Argument whose length is the size of a batch."""
    has_collection_argument: bool = False
    """Whether its first argument is the collection's name."""

    def collection_of(self, instance: Any, arguments: Mapping[str, Any]) -> str | None:
        """Return the name of the collection that a call is about, None where it is about none.

        Args:
            instance: whose method is called.
            arguments: arguments by name.
        """
        if self.has_collection_argument:
            name = arguments.get("name")
            return name[:1].upper() + name[1:] if isinstance(name, str) else None
        name = getattr(instance, "_name", None) or getattr(instance, "name", None)
        return name if isinstance(name, str) else None

    def target_attributes(self, instance: Any, collection: str | None) -> dict[str, Any]:
        """Return where a call goes: system, operation, collection, tenant, consistency level, server."""
        attributes: dict[str, Any] = {semconv.DB_SYSTEM_NAME: SYSTEM, semconv.DB_OPERATION_NAME: self.name}
        if collection:
            attributes[semconv.DB_COLLECTION_NAME] = collection
        tenant = getattr(instance, "_tenant", None) or getattr(getattr(instance, "_query", None), "_tenant", None)
        if isinstance(tenant, str):
            attributes[semconv.DB_NAMESPACE] = tenant
        level = getattr(instance, "_consistency_level", None) or getattr(
            instance, "_BaseExecutor__consistency_level", None
        )
        if level is not None:
            attributes[semconv.DB_CONSISTENCY_LEVEL] = str(getattr(level, "value", level))
        attributes.update(server_attributes(getattr(instance, "_connection", None), over_http=self.over_http))
        return attributes


def server_attributes(connection: Any, *, over_http: bool) -> dict[str, Any]:
    """Return host and port of a client's connection."""
    params = getattr(connection, "_connection_params", None)
    protocol = getattr(params, "http" if over_http else "grpc", None)
    if protocol is None:
        return {}
    return {semconv.SERVER_ADDRESS: str(protocol.host), semconv.SERVER_PORT: int(protocol.port)}

"""Multi-tenant collections of a real Weaviate: whose a call is, and how a tenant can be missed."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import weaviate
from opentelemetry.trace import StatusCode
from weaviate.classes.tenants import Tenant
from weaviate_place import VECTOR, Do, Place, attributes

from sightline import semconv
from sightline.testing import Spans

# weaviate-client and grpc leave sockets to the garbage collector when a server dies under them.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_tenants_are_the_namespace(do: Do, spans: Spans, place: Place) -> None:
    """Searches and writes carry their tenant; the calls about tenants are traced with their counts."""
    name = f"t{uuid.uuid4().hex[:8]}"
    do(lambda client: client.collections.get("Rooms").tenants.create([Tenant(name=name)]))
    do(lambda client: client.collections.get("Rooms").with_tenant(name).data.insert({"text": "x"}, vector=[1.0, 0.0]))
    do(lambda client: client.collections.get("Rooms").with_tenant(name).query.near_vector([1.0, 0.0], limit=1))
    do(lambda client: client.collections.get("Rooms").with_tenant(name).aggregate.over_all())
    do(lambda client: client.collections.get("Rooms").tenants.get())
    do(lambda client: client.collections.get("Rooms").tenants.get_by_name(name))
    do(lambda client: client.collections.get("Rooms").tenants.exists(name))
    do(lambda client: client.collections.get("Rooms").tenants.deactivate(name))
    do(lambda client: client.collections.get("Rooms").tenants.remove([name]))
    assert spans.names() == [
        "tenants.create Rooms",
        "insert Rooms",
        "retrieval Rooms",
        "aggregate.over_all Rooms",
        *(f"tenants.{each} Rooms" for each in ("get", "get_by_name", "exists", "deactivate", "remove")),
    ]
    told = [attributes(span) for span in spans]
    assert [each.get(semconv.DB_NAMESPACE) for each in told[:5]] == [None, name, name, name, None]
    assert told[0][semconv.DB_OPERATION_BATCH_SIZE] == 1
    assert told[4][semconv.DB_RESPONSE_RETURNED_ROWS] >= 3


def test_tenant_errors_are_classified(do: Do, spans: Spans) -> None:
    """No tenant where one is needed, one where none is, an unknown one, an inactive one: each is named."""
    client_error = weaviate.exceptions.WeaviateBaseError
    asleep = f"t{uuid.uuid4().hex[:8]}"
    do(lambda client: client.collections.get("Rooms").tenants.create([Tenant(name=asleep)]))
    do(lambda client: client.collections.get("Rooms").tenants.deactivate(asleep))
    spans.clear()
    for collection, tenant in (("Rooms", None), ("Docs", "red"), ("Rooms", "nobody"), ("Rooms", asleep)):

        def place(client: Any, collection: str = collection, tenant: str | None = tenant) -> Any:
            found = client.collections.get(collection)
            return found if tenant is None else found.with_tenant(tenant)

        with pytest.raises(client_error):
            do(lambda client, place=place: place(client).query.near_vector(VECTOR[:2], limit=1))
        with pytest.raises(client_error):
            do(lambda client, place=place: place(client).data.insert({"text": "x"}, vector=VECTOR[:2]))
    told = [attributes(span) for span in spans]
    assert [each[semconv.DB_TENANT_ERROR] for each in told] == [
        *["missing"] * 2,
        *["unexpected"] * 2,
        *["unknown"] * 2,
        *["inactive"] * 2,
    ]
    assert [each[semconv.DB_RESPONSE_STATUS_CODE] for each in told] == ["UNKNOWN", "422"] * 4
    assert all(span.status.status_code is StatusCode.ERROR for span in spans)
    do(lambda client: client.collections.get("Rooms").tenants.remove([asleep]))

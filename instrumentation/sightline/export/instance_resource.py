"""A resource that names its process, for SDKs that do not: the store finds lost spans by numbers per instance.

The SDK writes ``service.instance.id`` itself since 1.43, and renews it in a forked child since 1.44.
"""

import uuid

from opentelemetry.sdk import resources
from opentelemetry.sdk.resources import Resource

from sightline import semconv
from sightline.forks import renew_in_child


def is_chosen_by_user(resource: Resource) -> bool:
    """Return whether a resource has a ``service.instance.id`` that is not the random one of the SDK."""
    random_id = getattr(resources, "_service_instance_id", None)  # None before 1.43
    return resource.attributes.get(semconv.SERVICE_INSTANCE_ID) != random_id


class InstanceResource(Resource):
    """A resource with a random ``service.instance.id``, another one in each forked child.

    Args:
        resource: what the SDK made; it has no such id, or one that a forked child would keep.
    """

    def __init__(self, resource: Resource) -> None:
        super().__init__(dict(resource.attributes), resource.schema_url)
        self._name_process()
        renew_in_child(self._name_process)

    def _name_process(self) -> None:
        # Tracers and spans hold this object: it changes in place.
        named = Resource({**self.attributes, semconv.SERVICE_INSTANCE_ID: str(uuid.uuid4())})
        self._attributes = named._attributes

"""Spans for the client's batches: ``with client.batch.dynamic() as batch: batch.add_object(...)``.

The block is one span, from its start to the moment when everything was sent: objects, references, how many were
refused, requests. It is not made the current span, so what the caller does inside (embedding, reading files) stays
where it was. The client sends from threads of its own, which do not have the caller's context; each request there
becomes a child of the block's span.
"""

from collections.abc import Callable, Sized
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

from sightline import faults, semconv
from sightline.runtime import CONTEXT, detach
from sightline.spans import OpenSpan, SpanPlan, end_span, start_span
from sightline.weaviate.call import ACTIVE, Call, activate, deactivate, mark_partial_failure
from sightline.weaviate.operation import SYSTEM, Operation, server_attributes

REQUEST: Final = Operation("batch_request")
"""One request of a batch, sent by the client's threads."""
_BLOCK_ATTRIBUTE: Final = "_sightline_batch"


class BatchBlock:
    """The span of one batch block."""

    __slots__ = ("open_span", "requests")

    def __init__(self, open_span: OpenSpan) -> None:
        self.open_span = open_span
        self.requests = 0


def start_block(manager: Any) -> None:
    """Start the span of a block, kept on the client's batch object."""
    try:
        if ACTIVE.get() is not None:  # data.ingest() is a call with a span of its own
            return
        batch = _private(manager, "current_batch")
        attributes: dict[str, Any] = {semconv.DB_SYSTEM_NAME: SYSTEM, semconv.DB_OPERATION_NAME: "batch"}
        attributes.update(server_attributes(_private(batch, "connection"), over_http=False))
        level = _private(batch, "consistency_level")
        if level is not None:
            attributes[semconv.DB_CONSISTENCY_LEVEL] = str(getattr(level, "value", level))
        name = _private(batch, "name")
        tenant = _private(batch, "tenant")
        if isinstance(name, str):
            attributes[semconv.DB_COLLECTION_NAME] = name
        if isinstance(tenant, str):
            attributes[semconv.DB_NAMESPACE] = tenant
        title = f"batch {name}" if isinstance(name, str) else "batch"
        open_span = start_span(SpanPlan(title, "", SpanKind.CLIENT, attributes))
        if open_span is not None:
            setattr(batch, _BLOCK_ATTRIBUTE, BatchBlock(open_span))
    except Exception as fault:
        faults.report("trace a Weaviate batch", fault)


def end_block(manager: Any, error: BaseException | None) -> None:
    """End the span of a block with the counts of its objects and references."""
    try:
        batch = _private(manager, "current_batch")
        block: BatchBlock | None = getattr(batch, _BLOCK_ATTRIBUTE, None)
        if block is None:
            return
        delattr(batch, _BLOCK_ATTRIBUTE)
    except Exception as fault:
        faults.report("trace a Weaviate batch", fault)
        return
    try:
        _write_outcome(block, _private(batch, "results_for_wrapper_backup"), batch)
    except Exception as fault:
        faults.report("read a Weaviate batch", fault)
    end_span(block.open_span, error)


def _write_outcome(block: BatchBlock, results: Any, batch: Any) -> None:
    span = block.open_span.span
    if not span.is_recording():
        return
    objects = _private(batch, "objs_count")
    references = _private(batch, "refs_count")
    failed_objects = getattr(results, "failed_objects", None) or []
    failed_references = getattr(results, "failed_references", None) or []
    attributes: dict[str, Any] = {
        semconv.DB_BATCH_FAILED: len(failed_objects) + len(failed_references),
        semconv.DB_BATCH_REQUESTS: block.requests,
    }
    if isinstance(objects, int):
        attributes[semconv.DB_OPERATION_BATCH_SIZE] = objects
    if isinstance(references, int) and references:
        attributes[semconv.DB_BATCH_REFERENCES] = references
    shards = getattr(results, "imported_shards", None) or ()
    collections = sorted({str(shard.collection) for shard in shards})
    tenants = sorted({str(shard.tenant) for shard in shards if shard.tenant is not None})
    if len(collections) == 1:
        attributes[semconv.DB_COLLECTION_NAME] = collections[0]
        span.update_name(f"batch {collections[0]}")
    if len(tenants) == 1:
        attributes[semconv.DB_NAMESPACE] = tenants[0]
    span.set_attributes(attributes)
    if failed_objects or failed_references:
        first = (*failed_objects, *failed_references)[0]
        mark_partial_failure(span, attributes[semconv.DB_BATCH_FAILED], getattr(first, "message", None))


def send_in_block(original: Callable[..., Any], batch: Any, args: Any, kwargs: Any) -> Any:
    """Send a batch from the client's thread, with the block's span as parent of its requests."""
    block: BatchBlock | None = getattr(batch, _BLOCK_ATTRIBUTE, None)
    if block is None:
        return original(batch, *args, **kwargs)
    parent: Context = block.open_span.context
    token = CONTEXT.set(parent)
    try:
        return original(batch, *args, **kwargs)
    finally:
        detach(token)


def send_request(original: Callable[..., Any], sender: Any, args: Any, kwargs: Any, *, over_http: bool) -> Any:
    """Send one request of a batch inside a span."""
    call = _begin_request(args, kwargs, over_http)
    if call is None:
        return original(sender, *args, **kwargs)
    tokens = activate(call)
    try:
        result = original(sender, *args, **kwargs)
    except BaseException as error:
        deactivate(tokens)
        call.fail(error)
        raise
    deactivate(tokens)
    call.succeed(result)
    return result


def _begin_request(args: Any, kwargs: Any, over_http: bool) -> Call | None:
    try:
        if ACTIVE.get() is not None:  # insert_many and reference_add_many are calls with spans of their own
            return None
        connection = args[0] if args else kwargs.get("connection")
        if "Async" in type(connection).__name__:  # async batches are streamed
            return None
        attributes: dict[str, Any] = {semconv.DB_SYSTEM_NAME: SYSTEM, semconv.DB_OPERATION_NAME: REQUEST.name}
        attributes.update(server_attributes(connection, over_http=over_http))
        items = kwargs.get("references" if over_http else "objects")
        if isinstance(items, Sized):
            attributes[semconv.DB_BATCH_REFERENCES if over_http else semconv.DB_OPERATION_BATCH_SIZE] = len(items)
        open_span = start_span(SpanPlan(REQUEST.name, "", SpanKind.CLIENT, attributes))
        return None if open_span is None else Call(REQUEST, open_span, {}, None)
    except Exception as fault:
        faults.report("trace a Weaviate batch", fault)
        return None


def count_request(batch: Any, objects: object, references: object) -> None:
    """Count the requests that a batch is sent in."""
    block: BatchBlock | None = getattr(batch, _BLOCK_ATTRIBUTE, None)
    if block is not None:
        block.requests += bool(objects) + bool(references)


def _private(owner: Any, name: str) -> Any:
    """Return a private attribute of the client's object, whichever class of its family mangled the name."""
    ending = f"__{name}"
    for key, value in vars(owner).items():
        if key.endswith(ending):
            return value
    return None

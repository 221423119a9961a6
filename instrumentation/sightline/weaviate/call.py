"""One span around one call of the Weaviate client, sync or async.

A search is a retrieval span. Where the caller has a retrieval span of its own around it (``@sightline.retrieval``),
that span stays the retrieval, so that one search is one row in the store: the client's span becomes a plain database
span below it, and its attributes are added to the caller's span where that lacks them.

Two hooks reach below the call, through ``ACTIVE``: the client's retry loop, which handles each gRPC message (server
time, retries, relevances), and the headers of a request (``traceparent``, so that Weaviate's own spans join the trace).
"""

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar, Token
from inspect import isawaitable
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from sightline import faults, semconv
from sightline.runtime import CONTEXT, StageSpan, current_retrieval, detach
from sightline.spans import OpenSpan, SpanPlan, end_span, start_span
from sightline.weaviate import attributes as weaviate_attributes
from sightline.weaviate.caller_span import write_to_caller_span
from sightline.weaviate.documents import (
    BM25,
    FUSION,
    ONE_MINUS_DISTANCE,
    RERANK,
    RelevanceTuple,
    as_json,
    documents,
)
from sightline.weaviate.operation import Operation
from sightline.weaviate.options import settings

ACTIVE: Final[ContextVar["Call | None"]] = ContextVar("sightline-weaviate-call", default=None)
"""The client's call that is running in this context; calls that the client makes inside it get no span of their own."""

_TRACE_CONTEXT: Final = TraceContextTextMapPropagator()
"""Only ``traceparent`` and ``tracestate``: baggage holds users and tenants, and the database may be a third party's."""


class Call:
    """A running call of the client."""

    __slots__ = (
        "added_field",
        "arguments",
        "caller_span",
        "collection",
        "open_span",
        "operation",
        "relevances",
        "request_attributes",
        "retries",
        "score_kind",
        "server_duration_s",
    )

    def __init__(
        self, operation: Operation, open_span: OpenSpan, arguments: Mapping[str, Any], caller_span: StageSpan | None
    ) -> None:
        self.operation = operation
        self.open_span = open_span
        self.arguments = arguments
        self.caller_span = caller_span
        """The caller's own retrieval span, None where the call is the retrieval or none at all."""
        self.collection: str | None = None
        self.request_attributes: dict[str, Any] = {}
        """Attributes of the arguments, written together with those of the result: each write takes the span's lock."""
        self.score_kind = RERANK if arguments.get("rerank") is not None else operation.score_kind
        self.server_duration_s: float | None = None
        self.retries = 0
        self.relevances: list[RelevanceTuple] = []
        self.added_field: str | None = None
        """Field of the reply that only tracing requested; it is removed before the caller reads the reply."""

    def before_attempt(self, count: int, request: Any) -> None:
        """Read a gRPC request before it is sent, and request the score where the caller did not.

        Args:
            count: 0 for the first attempt.
            request: the protobuf message.
        """
        self.retries = max(self.retries, count)
        score_field = _SCORE_FIELDS.get(self.operation.score_kind or "")
        if (
            count
            or score_field is None
            or not settings.options.ask_for_scores
            or not self.open_span.span.is_recording()
        ):
            return
        if not request.HasField("metadata"):
            return
        metadata = request.metadata
        if not getattr(metadata, score_field):
            setattr(metadata, score_field, True)
            self.added_field = score_field

    def after_attempt(self, reply: Any) -> None:
        """Read the reply before the client does, and remove from it what only tracing requested."""
        took = getattr(reply, "took", None)
        if isinstance(took, float) and took > 0:
            self.server_duration_s = took
        if self.operation.score_kind is None or self.relevances or not self.open_span.span.is_recording():
            return
        metadata = [result.metadata for result in reply.results]
        for group in reply.group_by_results:
            metadata.extend(result.metadata for result in group.objects)
        self.relevances = [
            (
                item.score if item.score_present else None,
                item.distance if item.distance_present else None,
                item.certainty if item.certainty_present else None,
                item.rerank_score if item.rerank_score_present else None,
            )
            for item in metadata
        ]
        if self.added_field is not None:
            for item in metadata:
                item.ClearField(self.added_field)
                item.ClearField(f"{self.added_field}_present")

    def headers(self) -> dict[str, str]:
        """Return the headers that make the server's spans children of this one."""
        carrier: dict[str, str] = {}
        if settings.options.propagate:
            _TRACE_CONTEXT.inject(carrier, self.open_span.context)
        return carrier

    def succeed(self, result: Any) -> None:
        """Write what came back, and end the span."""
        span = self.open_span.span
        try:
            if span.is_recording():
                self._write_result(span, result)
        except Exception as fault:
            faults.report("read a Weaviate result", fault)
            span.set_attributes(self.request_attributes)
        end_span(self.open_span, None)

    def fail(self, error: BaseException) -> None:
        """Write the error, and end the span."""
        try:
            self.open_span.span.set_attributes(
                {
                    **self.request_attributes,
                    **self._measured_attributes(),
                    **weaviate_attributes.error_attributes(error),
                }
            )
        except Exception as fault:
            faults.report("read a Weaviate error", fault)
        end_span(self.open_span, error)

    def _measured_attributes(self) -> dict[str, Any]:
        attributes: dict[str, Any] = {}
        if self.server_duration_s is not None:
            attributes[semconv.RETRIEVAL_SERVER_DURATION] = self.server_duration_s
        if self.retries:
            attributes[semconv.DB_RETRIES] = self.retries
        return attributes

    def _write_result(self, span: Span, result: Any) -> None:
        attributes = {**self.request_attributes, **self._measured_attributes()}
        operation = self.operation
        if operation.is_query:
            rows = weaviate_attributes.row_count(result)
            if operation.name == "fetch_object_by_id":
                rows = 0 if result is None else 1
            if rows is not None:
                attributes[semconv.DB_RESPONSE_RETURNED_ROWS] = rows
            attributes.update(weaviate_attributes.group_attributes(result))
            if semconv.RETRIEVAL_GENERATIVE in attributes:
                attributes.update(_generated_attributes(result, self.open_span))
        else:
            attributes.update(_write_attributes(span, result))
        if operation.score_kind is not None:
            self._write_documents(span, result, attributes)
        else:
            span.set_attributes(attributes)

    def _write_documents(self, span: Span, result: Any, attributes: dict[str, Any]) -> None:
        policy = self.open_span.policy
        objects = getattr(result, "objects", None) or ()
        score_kind = self.score_kind or FUSION
        rows = documents(objects, self.relevances, score_kind, policy, settings.collections.get(self.collection or ""))
        if score_kind != RERANK or any(score is not None for _, score, _ in rows):
            attributes[semconv.RETRIEVAL_SCORE_KIND] = score_kind
        if not objects:
            attributes[semconv.RETRIEVAL_EMPTY] = True
        if self.caller_span is None:
            attributes[semconv.RETRIEVAL_DOCUMENTS] = as_json(rows)
        span.set_attributes(attributes)
        if self.caller_span is not None:
            write_to_caller_span(self.caller_span, span, rows)


_SCORE_FIELDS: Final = {FUSION: "score", BM25: "score", ONE_MINUS_DISTANCE: "distance"}
"""Number that is requested from the server, by kind of score."""


def start_call(operation: Operation, instance: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Call | None:
    """Start the span of a call; None (and a counted fault) when that fails."""
    try:
        arguments: dict[str, Any] = dict(zip(operation.parameter_names, args, strict=False))
        arguments.update(kwargs)
        collection = operation.collection_of(instance, arguments)
        caller_span = current_retrieval() if operation.score_kind is not None else None
        attributes = operation.target_attributes(instance, collection)
        stage = ""
        name = f"{operation.name} {collection}" if collection else operation.name
        if operation.score_kind is not None and caller_span is None:
            stage = semconv.STAGE_SEARCH
            attributes[semconv.STAGE] = stage
            attributes[semconv.GEN_AI_OPERATION_NAME] = "retrieval"
            name = f"retrieval {collection}" if collection else "retrieval"
            if collection:
                attributes[semconv.GEN_AI_DATA_SOURCE_ID] = collection
        # The capture policy of the caller's retrieval span holds for the client's span too.
        capture = getattr(getattr(caller_span, "policy", None), "mode", None)
        open_span = start_span(SpanPlan(name, stage, SpanKind.CLIENT, attributes, capture=capture))
        if open_span is None:
            return None
        call = Call(operation, open_span, arguments, caller_span)
        call.collection = collection
        if open_span.span.is_recording():
            _read_arguments(call)
    except Exception as fault:
        faults.report("trace a Weaviate call", fault)
        return None
    return call


def _read_arguments(call: Call) -> None:
    try:
        operation, arguments, attributes = call.operation, call.arguments, call.request_attributes
        if operation.is_query or operation.name == "delete_many":
            ranked = operation.score_kind is not None
            attributes.update(weaviate_attributes.request_attributes(arguments, call.open_span.policy, ranked=ranked))
            if ranked and settings.options.sketch_queries:
                attributes.update(
                    weaviate_attributes.vector_attributes(arguments.get("near_vector", arguments.get("vector")))
                )
        if operation.score_kind is not None and call.collection is not None:
            notes = settings.collections.get(call.collection)
            if notes is not None:
                attributes.update(notes.attributes)
        if operation.batch_argument is not None:
            items = arguments.get(operation.batch_argument)
            if isinstance(items, Sequence) and not isinstance(items, str):
                attributes[semconv.DB_OPERATION_BATCH_SIZE] = len(items)
    except Exception as fault:
        faults.report("read a Weaviate request", fault)


def _generated_attributes(result: Any, open_span: OpenSpan) -> dict[str, Any]:
    texts = weaviate_attributes.generated_texts(result)
    if texts:
        open_span.capture_result(texts[0] if len(texts) == 1 else texts)
    return {semconv.RETRIEVAL_GENERATED: len(texts)}


def _write_attributes(span: Span, result: Any) -> dict[str, Any]:
    """Return the attributes for the result of a write; some refused objects make it an error."""
    attributes: dict[str, Any] = {}
    errors = getattr(result, "errors", None)
    failed = len(errors) if isinstance(errors, Mapping) else getattr(result, "failed", None)
    matches = getattr(result, "matches", None)
    if isinstance(matches, int):
        attributes[semconv.DB_OPERATION_BATCH_SIZE] = matches
    if isinstance(result, (Mapping, list)):
        attributes[semconv.DB_RESPONSE_RETURNED_ROWS] = len(result)
    if isinstance(failed, int) and not isinstance(failed, bool):
        attributes[semconv.DB_BATCH_FAILED] = failed
        if failed:
            first = next(iter(errors.values()), None) if isinstance(errors, Mapping) else None
            mark_partial_failure(span, failed, getattr(first, "message", None))
    return attributes


def mark_partial_failure(span: Span, failed: int, message: object) -> None:
    """Mark a batch of which the server refused a part."""
    span.set_attribute(semconv.ERROR_TYPE, "partial_failure")
    why = f": {message}"[:500] if isinstance(message, str) else ""
    span.set_status(Status(StatusCode.ERROR, f"{failed} refused{why}"))


def activate(call: Call) -> tuple[Token[Context], Token[Call | None]]:
    """Make a call the current one; its span becomes the parent of what the client does."""
    return CONTEXT.set(call.open_span.context), ACTIVE.set(call)


def deactivate(tokens: tuple[Token[Context], Token[Call | None]]) -> None:
    """Undo ``enter``."""
    detach(tokens[0])
    try:
        ACTIVE.reset(tokens[1])
    except (ValueError, RuntimeError):  # closed in another task
        ACTIVE.set(None)


def run(operation: Operation, original: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
    """Make a sync call inside a span."""
    call = start_call(operation, instance, args, kwargs)
    if call is None:
        return original(instance, *args, **kwargs)
    tokens = activate(call)
    try:
        result = original(instance, *args, **kwargs)
    except BaseException as error:
        deactivate(tokens)
        call.fail(error)
        raise
    deactivate(tokens)
    call.succeed(result)
    return result


async def run_async(operation: Operation, original: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
    """Make an async call inside a span, which starts when the call is awaited."""
    call = start_call(operation, instance, args, kwargs)
    if call is None:
        result = original(instance, *args, **kwargs)
        return await result if isawaitable(result) else result
    tokens = activate(call)
    try:
        # The client builds an HTTP request, headers and all, before it returns what is to be awaited.
        result = original(instance, *args, **kwargs)
        if isawaitable(result):
            result = await result
    except BaseException as error:
        deactivate(tokens)
        call.fail(error)
        raise
    deactivate(tokens)
    call.succeed(result)
    return result

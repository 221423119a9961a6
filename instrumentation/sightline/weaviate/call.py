"""One span around one call of the Weaviate client, sync or async.

A search is a retrieval span. Where the caller has a retrieval span of its own around it (``@sightline.retrieval``),
that one stays the retrieval, so that one search is one row in the store: the client's span becomes a plain database
span below it, and what it learned is written onto the caller's span as far as the caller did not say it.

Two hooks reach below the call, through ``ACTIVE``: the client's retry loop, which sees each gRPC message (server time,
retries, relevances), and the headers of a request (``traceparent``, so that Weaviate's own spans join the trace).
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar, Token
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from sightline import faults, semconv
from sightline.runtime import CONTEXT, Frame, current_search, restore
from sightline.spans import OpenSpan, SpanPlan, leave, open_span
from sightline.weaviate import attributes as told
from sightline.weaviate.documents import (
    BM25,
    FUSION,
    ONE_MINUS_DISTANCE,
    RERANK,
    CollectionNotes,
    Said,
    as_json,
    documents,
)
from sightline.weaviate.operation import Operation
from sightline.weaviate.outer import tell

ACTIVE: Final[ContextVar["Call | None"]] = ContextVar("sightline-weaviate-call", default=None)
"""The client's call that is running in this context; calls that the client makes inside it get no span of their own."""

_TRACE_CONTEXT: Final = TraceContextTextMapPropagator()
"""Only ``traceparent`` and ``tracestate``: baggage holds users and tenants, and the database may be somebody else's."""


@dataclass(frozen=True, slots=True)
class Options:
    """How the instrumentation behaves; see ``WeaviateInstrumentor``."""

    propagate: bool = True
    ask_for_scores: bool = True
    sketch_queries: bool = True


class Settings:
    """The options in force and what users have told about collections. Read without a lock: both are replaced whole."""

    def __init__(self) -> None:
        self.options = Options()
        self.collections: Mapping[str, CollectionNotes] = {}
        self.lock = threading.Lock()


settings: Final = Settings()


class Call:
    """A running call of the client."""

    __slots__ = (
        "asked",
        "collection",
        "found",
        "hidden",
        "kind",
        "opened",
        "operation",
        "outer",
        "relevances",
        "retries",
        "server_s",
    )

    def __init__(self, operation: Operation, opened: OpenSpan, asked: Mapping[str, Any], outer: Frame | None) -> None:
        self.operation = operation
        self.opened = opened
        self.asked = asked
        self.outer = outer
        """The caller's own retrieval span, None where the call is the retrieval or none at all."""
        self.collection: str | None = None
        self.found: dict[str, Any] = {}
        """What the arguments said; written with what came back, for each writing takes the span's lock."""
        self.kind = RERANK if asked.get("rerank") is not None else operation.score
        self.server_s: float | None = None
        self.retries = 0
        self.relevances: list[Said] = []
        self.hidden: str | None = None
        """Field of the reply that only we asked for; the caller must not see it."""

    def before_attempt(self, count: int, request: Any) -> None:
        """See a gRPC request before it is sent.

        Args:
            count: 0 for the first attempt.
            request: the protobuf message.
        """
        self.retries = max(self.retries, count)
        field = _ASKED.get(self.operation.score or "")
        if count or field is None or not settings.options.ask_for_scores or not self.opened.span.is_recording():
            return
        if not request.HasField("metadata"):
            return
        wanted = request.metadata
        if not getattr(wanted, field):
            setattr(wanted, field, True)
            self.hidden = field

    def after_attempt(self, reply: Any) -> None:
        """See the reply before the client reads it, and take out of it what the caller did not ask for."""
        took = getattr(reply, "took", None)
        if isinstance(took, float) and took > 0:
            self.server_s = took
        if self.operation.score is None or self.relevances or not self.opened.span.is_recording():
            return
        found = [result.metadata for result in reply.results]
        for group in reply.group_by_results:
            found.extend(result.metadata for result in group.objects)
        self.relevances = [
            (
                said.score if said.score_present else None,
                said.distance if said.distance_present else None,
                said.certainty if said.certainty_present else None,
                said.rerank_score if said.rerank_score_present else None,
            )
            for said in found
        ]
        if self.hidden is not None:
            for said in found:
                said.ClearField(self.hidden)
                said.ClearField(f"{self.hidden}_present")

    def headers(self) -> dict[str, str]:
        """Return the headers that make the server's spans children of this one."""
        carrier: dict[str, str] = {}
        if settings.options.propagate:
            _TRACE_CONTEXT.inject(carrier, self.opened.context)
        return carrier

    def succeed(self, result: Any) -> None:
        """Write what came back, and end the span."""
        span = self.opened.span
        try:
            if span.is_recording():
                self._write(span, result)
        except Exception as fault:
            faults.report("read a Weaviate result", fault)
            span.set_attributes(self.found)
        leave(self.opened, None)

    def fail(self, error: BaseException) -> None:
        """Write the error, and end the span."""
        try:
            self.opened.span.set_attributes({**self.found, **self._measured(), **told.of_error(error)})
        except Exception as fault:
            faults.report("read a Weaviate error", fault)
        leave(self.opened, error)

    def _measured(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.server_s is not None:
            found[semconv.RETRIEVAL_SERVER_DURATION] = self.server_s
        if self.retries:
            found[semconv.DB_RETRIES] = self.retries
        return found

    def _write(self, span: Span, result: Any) -> None:
        found = {**self.found, **self._measured()}
        operation = self.operation
        if operation.reads:
            rows = told.rows_of(result)
            if operation.name == "fetch_object_by_id":
                rows = 0 if result is None else 1
            if rows is not None:
                found[semconv.DB_RESPONSE_RETURNED_ROWS] = rows
            found.update(told.of_groups(result))
            if semconv.RETRIEVAL_GENERATIVE in found:
                found.update(_generated(result, self.opened))
        else:
            found.update(_outcome(span, result))
        if operation.score is not None:
            self._write_documents(span, result, found)
        else:
            span.set_attributes(found)

    def _write_documents(self, span: Span, result: Any, found: dict[str, Any]) -> None:
        policy = self.opened.policy
        objects = getattr(result, "objects", None) or ()
        kind = self.kind or FUSION
        rows = documents(objects, self.relevances, kind, policy, settings.collections.get(self.collection or ""))
        if kind != RERANK or any(score is not None for _, score, _ in rows):
            found[semconv.RETRIEVAL_SCORE_KIND] = kind
        if not objects:
            found[semconv.RETRIEVAL_EMPTY] = True
        if self.outer is None:
            found[semconv.RETRIEVAL_DOCUMENTS] = as_json(rows)
        span.set_attributes(found)
        if self.outer is not None:
            tell(self.outer, span, rows)


_ASKED: Final = {FUSION: "score", BM25: "score", ONE_MINUS_DISTANCE: "distance"}
"""Which number the server is asked for so that each kind of search has scores."""


def begin(operation: Operation, instance: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Call | None:
    """Start the span of a call; None (and a counted fault) when that fails."""
    try:
        asked: dict[str, Any] = dict(zip(operation.names, args, strict=False))
        asked.update(kwargs)
        collection = operation.collection_of(instance, asked)
        outer = current_search() if operation.score is not None else None
        attributes = operation.place(instance, collection)
        stage = ""
        name = f"{operation.name} {collection}" if collection else operation.name
        if operation.score is not None and outer is None:
            stage = semconv.STAGE_SEARCH
            attributes[semconv.STAGE] = stage
            attributes[semconv.GEN_AI_OPERATION_NAME] = "retrieval"
            name = f"retrieval {collection}" if collection else "retrieval"
            if collection:
                attributes[semconv.GEN_AI_DATA_SOURCE_ID] = collection
        # What the caller's retrieval may not hold must not come there from below.
        capture = getattr(getattr(outer, "policy", None), "mode", None)
        opened = open_span(SpanPlan(name, stage, SpanKind.CLIENT, attributes, capture=capture))
        if opened is None:
            return None
        call = Call(operation, opened, asked, outer)
        call.collection = collection
        if opened.span.is_recording():
            _read_request(call)
    except Exception as fault:
        faults.report("trace a Weaviate call", fault)
        return None
    return call


def _read_request(call: Call) -> None:
    try:
        operation, asked, found = call.operation, call.asked, call.found
        if operation.reads or operation.name == "delete_many":
            ranked = operation.score is not None
            found.update(told.of_request(asked, call.opened.policy, ranked=ranked))
            if ranked and settings.options.sketch_queries:
                found.update(told.of_vector(asked.get("near_vector", asked.get("vector"))))
        if operation.score is not None and call.collection is not None:
            notes = settings.collections.get(call.collection)
            if notes is not None:
                found.update(notes.attributes)
        if operation.many is not None:
            many = asked.get(operation.many)
            if isinstance(many, Sequence) and not isinstance(many, str):
                found[semconv.DB_OPERATION_BATCH_SIZE] = len(many)
    except Exception as fault:
        faults.report("read a Weaviate request", fault)


def _generated(result: Any, opened: OpenSpan) -> dict[str, Any]:
    texts = told.generated_texts(result)
    if texts:
        opened.capture_result(texts[0] if len(texts) == 1 else texts)
    return {semconv.RETRIEVAL_GENERATED: len(texts)}


def _outcome(span: Span, result: Any) -> dict[str, Any]:
    """Return the attributes for the result of a write; some refused objects make it an error."""
    found: dict[str, Any] = {}
    errors = getattr(result, "errors", None)
    failed = len(errors) if isinstance(errors, Mapping) else getattr(result, "failed", None)
    matches = getattr(result, "matches", None)
    if isinstance(matches, int):
        found[semconv.DB_OPERATION_BATCH_SIZE] = matches
    if isinstance(result, (Mapping, list)):
        found[semconv.DB_RESPONSE_RETURNED_ROWS] = len(result)
    if isinstance(failed, int) and not isinstance(failed, bool):
        found[semconv.DB_BATCH_FAILED] = failed
        if failed:
            first = next(iter(errors.values()), None) if isinstance(errors, Mapping) else None
            flag_refused(span, failed, getattr(first, "message", None))
    return found


def flag_refused(span: Span, failed: int, message: object) -> None:
    """Mark a batch of which the server refused a part."""
    span.set_attribute(semconv.ERROR_TYPE, "partial_failure")
    why = f": {message}"[:500] if isinstance(message, str) else ""
    span.set_status(Status(StatusCode.ERROR, f"{failed} refused{why}"))


def enter(call: Call) -> tuple[Token[Context], Token[Call | None]]:
    """Make a call the current one; its span becomes the parent of what the client does."""
    return CONTEXT.set(call.opened.context), ACTIVE.set(call)


def exit_(tokens: tuple[Token[Context], Token[Call | None]]) -> None:
    """Undo ``enter``."""
    restore(tokens[0])
    try:
        ACTIVE.reset(tokens[1])
    except (ValueError, RuntimeError):  # closed in another task
        ACTIVE.set(None)


def run(operation: Operation, original: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
    """Make a sync call inside a span."""
    call = begin(operation, instance, args, kwargs)
    if call is None:
        return original(instance, *args, **kwargs)
    tokens = enter(call)
    try:
        result = original(instance, *args, **kwargs)
    except BaseException as error:
        exit_(tokens)
        call.fail(error)
        raise
    exit_(tokens)
    call.succeed(result)
    return result


async def run_async(operation: Operation, original: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
    """Make an async call inside a span, which starts when the call is awaited."""
    call = begin(operation, instance, args, kwargs)
    if call is None:
        result = original(instance, *args, **kwargs)
        return await result if isawaitable(result) else result
    tokens = enter(call)
    try:
        # The client builds an HTTP request, headers and all, before it returns what is to be awaited.
        result = original(instance, *args, **kwargs)
        if isawaitable(result):
            result = await result
    except BaseException as error:
        exit_(tokens)
        call.fail(error)
        raise
    exit_(tokens)
    call.succeed(result)
    return result

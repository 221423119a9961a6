"""Hooks below the Weaviate client's public methods: retries and replies, headers, batches.

Each hook gets the original, the instance and the call's arguments. The classes are private to the client, so each is
optional, and each passes the call through when the hook itself fails.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from sightline import faults
from sightline.weaviate import batch as batches
from sightline.weaviate.call import ACTIVE


def _request_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    return args[3] if len(args) > 3 else kwargs.get("request")


def _before_attempt(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    call = ACTIVE.get()
    if call is not None:
        try:
            call.before_attempt(args[0] if args else kwargs["count"], _request_of(args, kwargs))
        except Exception as fault:
            faults.report("see a Weaviate request", fault)


def _after_attempt(args: tuple[Any, ...], kwargs: Mapping[str, Any], reply: Any) -> None:
    call = ACTIVE.get()
    if call is not None and not (args[0] if args else kwargs["count"]):  # a retry's reply passes here twice
        try:
            call.after_attempt(reply)
        except Exception as fault:
            faults.report("see a Weaviate reply", fault)


def _attempt(original: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
    _before_attempt(args, kwargs)
    reply = original(instance, *args, **kwargs)
    _after_attempt(args, kwargs, reply)
    return reply


async def _attempt_async(original: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
    _before_attempt(args, kwargs)
    reply = await original(instance, *args, **kwargs)
    _after_attempt(args, kwargs, reply)
    return reply


def _delete(original: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
    reply = original(instance, *args, **kwargs)
    _after_attempt((0,), {}, reply)
    return reply


async def _delete_async(original: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
    reply = await original(instance, *args, **kwargs)
    _after_attempt((0,), {}, reply)
    return reply


def _grpc_headers(original: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
    headers = original(instance, *args, **kwargs)
    call = ACTIVE.get()
    if call is not None:
        try:
            trace_headers = call.headers()
            return (
                *((name, value) for name, value in headers or () if name not in trace_headers),
                *trace_headers.items(),
            ) or None
        except Exception as fault:
            faults.report("propagate to Weaviate", fault)
    return headers


def _http_headers(original: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
    headers = original(instance, *args, **kwargs)
    call = ACTIVE.get()
    if call is not None:
        try:
            return {**headers, **call.headers()}
        except Exception as fault:
            faults.report("propagate to Weaviate", fault)
    return headers


def _enter_block(original: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
    batches.start_block(instance)
    try:
        return original(instance, *args, **kwargs)
    except BaseException as error:
        batches.end_block(instance, error)
        raise


async def _enter_block_async(original: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
    batches.start_block(instance)
    try:
        return await original(instance, *args, **kwargs)
    except BaseException as error:
        batches.end_block(instance, error)
        raise


def _leave_block(original: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
    try:
        result = original(instance, *args, **kwargs)
    except BaseException as error:
        batches.end_block(instance, error)
        raise
    batches.end_block(instance, args[1] if len(args) > 1 else None)
    return result


async def _leave_block_async(original: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
    try:
        result = await original(instance, *args, **kwargs)
    except BaseException as error:
        batches.end_block(instance, error)
        raise
    batches.end_block(instance, args[1] if len(args) > 1 else None)
    return result


def _send_batch(original: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
    if len(args) > 1:
        batches.count_request(instance, args[0], args[1])
    return batches.send_in_block(original, instance, args, kwargs)


def _send_objects(original: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
    return batches.send_request(original, instance, args, kwargs, over_http=False)


def _send_references(original: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
    return batches.send_request(original, instance, args, kwargs, over_http=True)


_BATCHES: Final = "weaviate.collections.batch.batch_wrapper"
HOOKS: Final[tuple[tuple[str, str, str, Any], ...]] = (
    ("weaviate.retry", "_Retry", "with_exponential_backoff", _attempt),
    ("weaviate.retry", "_Retry", "awith_exponential_backoff", _attempt_async),
    ("weaviate.connect.v4", "ConnectionSync", "grpc_batch_delete", _delete),
    ("weaviate.connect.v4", "ConnectionAsync", "grpc_batch_delete", _delete_async),
    ("weaviate.connect.v4", "_ConnectionBase", "grpc_headers", _grpc_headers),
    ("weaviate.connect.v4", "_ConnectionBase", "_ConnectionBase__get_latest_headers", _http_headers),
    (_BATCHES, "_ContextManagerSync|_ContextManagerWrapper", "__enter__", _enter_block),
    (_BATCHES, "_ContextManagerSync|_ContextManagerWrapper", "__exit__", _leave_block),
    (_BATCHES, "_ContextManagerAsync", "__aenter__", _enter_block_async),
    (_BATCHES, "_ContextManagerAsync", "__aexit__", _leave_block_async),
    ("weaviate.collections.batch.base", "_BatchBase", "_BatchBase__send_batch", _send_batch),
    ("weaviate.collections.batch.grpc_batch", "_BatchGRPC", "objects", _send_objects),
    ("weaviate.collections.batch.rest", "_BatchREST", "references", _send_references),
)
"""Module, class (or what earlier clients call it), attribute, hook."""

"""An OpenAI-compatible server that answers from the prompt, without a language model: for tests and load.

Answers are sentences of the prompt's passages (:mod:`sightline_app.model_server.extractive`); every response says so:
``system_fingerprint`` "extractive, no LLM", and the model's name is ``extractive-v1`` unless it is given another one.

Streams are paced so that streaming can be seen: the first token comes after 20 ms and the time that reading the prompt
would take (``SIGHTLINE_MODEL_PREFILL_TOKENS_PER_S``), then tokens follow at ``SIGHTLINE_MODEL_TOKENS_PER_S``. With a
pace of 0 there is no delay at all. Responses that are not streamed are not delayed.

Endpoints: POST /v1/chat/completions, GET /v1/models, /health, /healthz. Errors have OpenAI's form.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from sightline_app.model_server.extractive import answer, count_prompt_tokens, tokens
from sightline_app.model_server.openai_interface import (
    RequestInvalid,
    check_key,
    check_model,
    new_app,
    read_body,
    read_object,
)
from sightline_app.settings import MODEL_NAMES, ModelSettings

MODEL = MODEL_NAMES["extractive"]
"""Usual name of the only chat model."""

NOTE = "extractive, no LLM"
"""What every response says of itself."""

FIRST_TOKEN_S = 0.02
"""Least delay of a paced stream, in seconds."""


def _messages(body: dict[str, Any]) -> list[tuple[str, str]]:
    listed = body.get("messages")
    if not isinstance(listed, list) or not listed:
        raise RequestInvalid("'messages' must be a list that is not empty", param="messages")
    found = []
    for place, message in enumerate(listed):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise RequestInvalid(f"messages[{place}] needs a role", param=f"messages[{place}].role")
        content = message.get("content")
        if isinstance(content, list):  # parts: only those of text count
            content = "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
        if content is not None and not isinstance(content, str):
            raise RequestInvalid(f"messages[{place}].content must be text", param=f"messages[{place}].content")
        found.append((message["role"], content or ""))
    return found


def _limit(body: dict[str, Any]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        value = body.get(name)
        if value is not None:
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise RequestInvalid(f"'{name}' must be a whole number of at least 1", param=name)
            return value
    return None


def _reject_unsupported(body: dict[str, Any]) -> None:
    if body.get("n") not in (None, 1):
        raise RequestInvalid("'n' above 1 is not supported", param="n")
    if body.get("tools"):
        raise RequestInvalid(f"tools are not supported ({NOTE})", param="tools")
    shape = body.get("response_format")
    if isinstance(shape, dict) and shape.get("type") not in (None, "text"):
        raise RequestInvalid(f"only text can be answered ({NOTE})", param="response_format")


def _complete(body: dict[str, Any], model: str) -> tuple[list[str], str, dict[str, int]]:
    """Return the answer's tokens, why it ended, and the usage."""
    check_model(body, model, NOTE)
    _reject_unsupported(body)
    messages = _messages(body)
    text, reason = answer(messages), "stop"
    stops = body.get("stop") or []
    for stop in [stops] if isinstance(stops, str) else stops:
        text = text.split(str(stop))[0] if stop else text
    pieces = tokens(text)
    limit = _limit(body)
    if limit is not None and len(pieces) > limit:
        pieces, reason = pieces[:limit], "length"
    prompt = count_prompt_tokens(messages)
    usage = {"prompt_tokens": prompt, "completion_tokens": len(pieces), "total_tokens": prompt + len(pieces)}
    return pieces, reason, usage


def _head(body: dict[str, Any], kind: str) -> dict[str, Any]:
    digest = hashlib.sha256(json.dumps(body.get("messages"), sort_keys=True).encode()).hexdigest()[:24]
    return {
        "id": f"chatcmpl-{digest}",
        "object": kind,
        "created": int(time.time()),
        "model": body["model"],
        "system_fingerprint": NOTE,
    }


async def _stream(
    body: dict[str, Any], completion: tuple[list[str], str, dict[str, int]], settings: ModelSettings
) -> AsyncIterator[str]:
    pieces, reason, usage = completion
    head = _head(body, "chat.completion.chunk")
    options = body.get("stream_options")
    wants_usage = isinstance(options, dict) and bool(options.get("include_usage"))

    def chunk(delta: dict[str, str] | None, finish: str | None = None, used: dict[str, int] | None = None) -> str:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
        return f"data: {json.dumps(head | {'choices': choices} | ({'usage': used} if wants_usage else {}))}\n\n"

    yield chunk({"role": "assistant", "content": ""})
    pace = settings.tokens_per_s
    started = time.monotonic()
    first_s = FIRST_TOKEN_S + usage["prompt_tokens"] / settings.prefill_tokens_per_s
    for place, piece in enumerate(pieces):
        if pace:  # each token has its moment on the clock, so that delays do not add up
            await asyncio.sleep(max(0.0, started + first_s + place / pace - time.monotonic()))
        elif place % 16 == 15:
            await asyncio.sleep(0)
        yield chunk({"content": piece})
    yield chunk({}, reason)
    if wants_usage:
        yield chunk(None, None, usage)
    yield "data: [DONE]\n\n"


def create_app(settings: ModelSettings, model: str = MODEL) -> FastAPI:
    """Return the ASGI application.

    Args:
        settings: pace and key.
        model: name under which it is served.
    """
    app = new_app()

    @app.get("/health")
    @app.get("/healthz")
    async def health() -> dict[str, Any]:
        return {"ready": True, "model": model, "note": NOTE, "tokens_per_s": settings.tokens_per_s}

    @app.get("/v1/models")
    async def models(request: Request) -> dict[str, Any]:
        check_key(request, settings)
        told = {"id": model, "object": "model", "created": 0, "owned_by": "sightline", "note": NOTE}
        return {"object": "list", "data": [told]}

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        check_key(request, settings)
        body = read_object(await read_body(request))
        completion = await asyncio.to_thread(_complete, body, model)  # bad requests are refused before a stream starts
        if body.get("stream"):
            return StreamingResponse(_stream(body, completion, settings), media_type="text/event-stream")
        pieces, reason, usage = completion
        message = {"role": "assistant", "content": "".join(pieces), "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
        return JSONResponse(_head(body, "chat.completion") | {"choices": [choice], "usage": usage})

    return app

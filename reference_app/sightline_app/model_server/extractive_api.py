"""``sightline-model``: an OpenAI-compatible server that answers from the prompt, without a language model.

It exists so that a whole RAG backend can run, stream and be measured on a machine without a model or a key. Answers are
sentences of the prompt's passages (:mod:`sightline_app.extractive`); every response says so: model ``extractive-v1``,
``system_fingerprint`` "extractive, no LLM".

Streams are paced so that streaming can be seen: the first token comes after 20 ms and the time that reading the prompt
would take (``SIGHTLINE_MODEL_PREFILL_TOKENS_PER_S``), then tokens follow at ``SIGHTLINE_MODEL_TOKENS_PER_S``. With a
pace of 0 there is no delay at all. Responses that are not streamed are not delayed.

Endpoints: POST /v1/chat/completions, POST /v1/embeddings (the app's fitted embedding), GET /v1/models, GET /healthz.
Errors have OpenAI's form.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from sightline_app.embedding import LexicalEmbedding
from sightline_app.errors import AppError, InvalidSetting
from sightline_app.extractive import answer, count_prompt_tokens, tokens
from sightline_app.index import read_manifest, version_folder
from sightline_app.serving import listen, log_to_stderr, run
from sightline_app.settings import ModelSettings

MODEL = "extractive-v1"
"""Name of the only chat model."""

EMBEDDING_MODEL = "lexical"
"""Name of the only embedding model."""

NOTE = "extractive, no LLM"
"""What every response says of itself."""

FIRST_TOKEN_S = 0.02
"""Least delay of a paced stream, in seconds."""

MAX_BODY_BYTES = 4_000_000
"""Largest request body."""


class _BadRequest(Exception):
    def __init__(self, message: str, *, param: str | None = None, status: int = 400, code: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.status = status
        self.code = code


def _error(message: str, status: int, param: str | None = None, code: str | None = None) -> JSONResponse:
    kind = "invalid_request_error" if status < 500 else "server_error"
    return JSONResponse({"error": {"message": message, "type": kind, "param": param, "code": code}}, status)


async def _body(request: Request) -> dict[str, Any]:
    raw = bytearray()
    async for piece in request.stream():
        raw += piece
        if len(raw) > MAX_BODY_BYTES:
            raise _BadRequest(f"the request is larger than {MAX_BODY_BYTES} bytes", status=413)
    try:
        parsed = json.loads(raw)
    except (ValueError, UnicodeDecodeError, RecursionError) as exc:
        raise _BadRequest(f"the body is not JSON: {exc}") from exc
    if not isinstance(parsed, dict):
        raise _BadRequest("the body must be a JSON object")
    return parsed


def _messages(body: dict[str, Any]) -> list[tuple[str, str]]:
    listed = body.get("messages")
    if not isinstance(listed, list) or not listed:
        raise _BadRequest("'messages' must be a list that is not empty", param="messages")
    found = []
    for place, message in enumerate(listed):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise _BadRequest(f"messages[{place}] needs a role", param=f"messages[{place}].role")
        content = message.get("content")
        if isinstance(content, list):  # parts: only those of text count
            content = "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
        if content is not None and not isinstance(content, str):
            raise _BadRequest(f"messages[{place}].content must be text", param=f"messages[{place}].content")
        found.append((message["role"], content or ""))
    return found


def _check_model(body: dict[str, Any], known: str) -> None:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise _BadRequest("'model' is required", param="model")
    if model != known:
        message = f"the model {model!r} does not exist here; this server has {known!r} only ({NOTE})"
        raise _BadRequest(message, param="model", status=404, code="model_not_found")


def _limit(body: dict[str, Any]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        value = body.get(name)
        if value is not None:
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise _BadRequest(f"'{name}' must be a whole number of at least 1", param=name)
            return value
    return None


def _reject_unsupported(body: dict[str, Any]) -> None:
    if body.get("n") not in (None, 1):
        raise _BadRequest("'n' above 1 is not supported", param="n")
    if body.get("tools"):
        raise _BadRequest(f"tools are not supported ({NOTE})", param="tools")
    shape = body.get("response_format")
    if isinstance(shape, dict) and shape.get("type") not in (None, "text"):
        raise _BadRequest(f"only text can be answered ({NOTE})", param="response_format")


def _complete(body: dict[str, Any]) -> tuple[list[str], str, dict[str, int]]:
    """Return the answer's tokens, why it ended, and the usage."""
    _check_model(body, MODEL)
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
        "model": MODEL,
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


class _FittedEmbedding:
    """The app's built-in embedding, loaded at the first request and again after another ingest."""

    def __init__(self, settings: ModelSettings) -> None:
        self._settings = settings
        self._version = ""
        self._embedding: LexicalEmbedding | None = None

    def get(self) -> LexicalEmbedding:
        try:
            manifest = read_manifest(self._settings.data_dir)
            if manifest.embedding != LexicalEmbedding.name:
                message = (
                    f"the index was built with {manifest.embedding}, so there is no built-in embedding to answer with"
                )
                raise _BadRequest(message, status=404, code="model_not_found")
            if self._embedding is None or self._version != manifest.version:
                self._embedding = LexicalEmbedding.load(version_folder(self._settings.data_dir, manifest.version))
                self._version = manifest.version
        except AppError as exc:
            raise _BadRequest(
                f"the built-in embedding is fitted at ingest: {exc}", status=404, code="model_not_found"
            ) from exc
        return self._embedding


def _embed(body: dict[str, Any], fitted: _FittedEmbedding) -> dict[str, Any]:
    _check_model(body, EMBEDDING_MODEL)
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise _BadRequest("'input' must be a text or a list of texts", param="input")
    if len(texts) > 2048:
        raise _BadRequest("'input' may hold 2048 texts at most", param="input")
    encoding = body.get("encoding_format") or "float"
    if encoding not in ("float", "base64"):
        raise _BadRequest("'encoding_format' must be float or base64", param="encoding_format")
    embedding = fitted.get()
    if body.get("dimensions") not in (None, embedding.dimensions):
        raise _BadRequest(f"'dimensions' can only be {embedding.dimensions} here", param="dimensions")
    data = []
    for place, text in enumerate(texts):
        vector = np.asarray(embedding.embed_text(text).vector, dtype="<f4")
        value: Any = base64.b64encode(vector.tobytes()).decode() if encoding == "base64" else vector.tolist()
        data.append({"object": "embedding", "index": place, "embedding": value})
    used = sum(len(tokens(text)) for text in texts)
    return {
        "object": "list",
        "data": data,
        "model": EMBEDDING_MODEL,
        "usage": {"prompt_tokens": used, "total_tokens": used},
    }


def create_app(settings: ModelSettings) -> FastAPI:
    """Return the ASGI application.

    Args:
        settings: pace and data folder.
    """
    app = FastAPI(title="sightline-model", description=NOTE, openapi_url=None, docs_url=None, redoc_url=None)
    fitted = _FittedEmbedding(settings)

    @app.exception_handler(_BadRequest)
    async def refused(request: Request, exc: _BadRequest) -> JSONResponse:
        del request
        return _error(str(exc), exc.status, exc.param, exc.code)

    @app.exception_handler(Exception)
    async def failed(request: Request, exc: Exception) -> JSONResponse:
        del request
        return _error(f"internal error: {type(exc).__name__}", 500)

    @app.exception_handler(404)
    @app.exception_handler(405)
    async def unknown(request: Request, exc: Exception) -> JSONResponse:
        return _error(f"{request.method} {request.url.path} is not served here", getattr(exc, "status_code", 404))

    @app.get("/healthz")
    async def health() -> dict[str, Any]:
        return {"ready": True, "model": MODEL, "note": NOTE, "tokens_per_s": settings.tokens_per_s}

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        names = (MODEL, EMBEDDING_MODEL)
        return {
            "object": "list",
            "data": [
                {"id": name, "object": "model", "created": 0, "owned_by": "sightline", "note": NOTE} for name in names
            ],
        }

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        body = await _body(request)
        completion = await asyncio.to_thread(_complete, body)  # bad requests are refused before a stream starts
        if body.get("stream"):
            return StreamingResponse(_stream(body, completion, settings), media_type="text/event-stream")
        pieces, reason, usage = completion
        message = {"role": "assistant", "content": "".join(pieces), "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
        return JSONResponse(_head(body, "chat.completion") | {"choices": [choice], "usage": usage})

    @app.post("/v1/embeddings")
    async def embeddings(request: Request) -> JSONResponse:
        return JSONResponse(await asyncio.to_thread(_embed, await _body(request), fitted))

    return app


def main(argv: Sequence[str] | None = None) -> int:
    """Run the server; 0 after a signal, 2 when a setting can't work."""
    parser = argparse.ArgumentParser(
        prog="sightline-model", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args(argv)
    log_to_stderr()
    try:
        settings = ModelSettings.from_env(os.environ)
        opened = listen(settings.host, settings.port, "SIGHTLINE_MODEL_PORT")
    except InvalidSetting as exc:
        sys.stderr.write(f"sightline-model: {exc}\n")
        return 2
    pace = f"{settings.tokens_per_s:g} tokens/s" if settings.tokens_per_s else "unpaced"
    return run(create_app(settings), opened, f"{MODEL} ({NOTE}, {pace})", settings)


if __name__ == "__main__":
    sys.exit(main())

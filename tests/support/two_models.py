"""OpenAI-compatible models that fail as a test says."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from typing import Any

from chat_app import Served
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse


class ModeModel:
    """A model on a port of its own.

    Args:
        name: its answer begins with it.

    Attributes:
        mode: `answer`, `refuse` (500), `too_long` (400), `hang`, `break_first`, `break_later`, or `cut` (an answer that
            ends at its bound of tokens).
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.mode = "answer"
        self.asked = 0
        """Calls."""
        self.left = threading.Event()
        """Set when the caller of a hanging answer has gone."""
        app = FastAPI()

        @app.post("/v1/chat/completions")
        async def complete(request: Request) -> Response:
            await request.json()
            self.asked += 1
            if self.mode in {"refuse", "too_long"}:
                status = 500 if self.mode == "refuse" else 400
                return JSONResponse({"error": {"message": self.mode, "type": "t"}}, status)
            return StreamingResponse(self._chunks(), media_type="text/event-stream")

        self.served = Served(app)
        self.url = f"{self.served.url}/v1"

    def reset(self) -> None:
        """Answer again, and forget what was asked."""
        self.mode, self.asked = "answer", 0
        self.left.clear()

    async def _chunks(self) -> AsyncIterator[str]:
        if self.mode == "hang":
            try:
                await asyncio.sleep(600)
            finally:
                self.left.set()
        if self.mode == "break_first":
            raise ConnectionError("broke off before the first token")
        for word in (self.name, "says", "alpha"):
            yield _chunk([{"index": 0, "delta": {"content": f"{word} "}, "finish_reason": None}])
            if self.mode == "break_later":
                raise ConnectionError("broke off after the first token")
        reason = "length" if self.mode == "cut" else "stop"
        yield _chunk([{"index": 0, "delta": {}, "finish_reason": reason}])
        yield _chunk([], {"prompt_tokens": 40, "completion_tokens": 10, "total_tokens": 50})
        yield "data: [DONE]\n\n"


def _chunk(choices: list[dict[str, Any]], usage: dict[str, int] | None = None) -> str:
    head = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return f"data: {json.dumps(head | {'choices': choices, 'usage': usage})}\n\n"

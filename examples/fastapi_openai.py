"""FastAPI and the OpenAI SDK: the request and each call of the model are spans, without a line in the handlers.

    uvicorn --app-dir examples fastapi_openai:app
    curl -N "http://127.0.0.1:8000/ask?question=Where+is+Paris"

Needs `openai`, `fastapi`, `uvicorn`, `opentelemetry-instrumentation-fastapi`, `openinference-instrumentation-openai`,
an OpenAI-compatible endpoint (OPENAI_BASE_URL, OPENAI_API_KEY, OPENAI_MODEL) and the collector.
"""

import os
from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from openai import AsyncOpenAI

import sightline
from sightline.asgi import RequestMiddleware

sightline.configure(service_name="fastapi-openai", capture="full")
sightline.instrument(only=["fastapi", "openai"])
app = FastAPI()
app.add_middleware(RequestMiddleware)  # measures the first token at the edge, where it leaves for the client
client = AsyncOpenAI()


@app.get("/ask")
async def ask(question: str) -> StreamingResponse:
    """Stream the answer as plain text."""
    sightline.identify(user="u-1", session="s-1", tenant="acme")
    messages = [{"role": "user", "content": question}]
    model = os.environ.get("OPENAI_MODEL", "gpt-4o-mini")
    chunks = await client.chat.completions.create(model=model, messages=messages, stream=True)

    async def texts() -> AsyncIterator[str]:
        async for chunk in chunks:
            yield (chunk.choices[0].delta.content or "") if chunk.choices else ""

    return StreamingResponse(texts(), media_type="text/plain")

"""Sightline: see where every answer of an AI backend spends its time, its tokens and its truth.

```python
import sightline

sightline.configure(service_name="rag-api")

@sightline.retrieval("Documents")
def search(question: str) -> list[dict]: ...

@sightline.llm("gpt-4o-mini", provider="openai")
async def answer(prompt: str):
    ...
    yield token
```

Everything is OpenTelemetry. User code never breaks because tracing did; without ``configure()`` all of this
is a no-op.
"""

from sightline import semconv
from sightline.annotations import (
    annotate,
    annotate_request,
    current_span_id,
    current_trace_id,
    record_documents,
    record_first_token,
    record_messages,
    record_usage,
    request_ids,
)
from sightline.configure import Tracing, configure
from sightline.decorators import SpanScope
from sightline.errors import SettingsError, SightlineError
from sightline.identity import identify
from sightline.outbox import Stats
from sightline.runtime import VERSION
from sightline.scores import score
from sightline.settings import Capture, TracingSettings
from sightline.stages import agent, embedding, guardrail, llm, request, rerank, retrieval, tool, trace, workflow

__version__ = VERSION

__all__ = [
    "Capture",
    "SettingsError",
    "SightlineError",
    "SpanScope",
    "Stats",
    "Tracing",
    "TracingSettings",
    "__version__",
    "agent",
    "annotate",
    "annotate_request",
    "configure",
    "current_span_id",
    "current_trace_id",
    "embedding",
    "guardrail",
    "identify",
    "llm",
    "record_documents",
    "record_first_token",
    "record_messages",
    "record_usage",
    "request",
    "request_ids",
    "rerank",
    "retrieval",
    "score",
    "semconv",
    "tool",
    "trace",
    "workflow",
]

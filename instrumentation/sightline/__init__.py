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

import importlib
from typing import TYPE_CHECKING

from sightline import semconv
from sightline.annotations import (
    annotate,
    annotate_request,
    current_span_id,
    current_trace_id,
    link,
    record_documents,
    record_first_token,
    record_messages,
    record_search,
    record_usage,
    request_ids,
)
from sightline.capture.mode import Capture
from sightline.configure import configure
from sightline.decorators import SpanScope
from sightline.errors import SettingsError, SightlineError
from sightline.identity import identify
from sightline.runtime import VERSION
from sightline.scores import feedback, score
from sightline.stages import (
    agent,
    embedding,
    guardrail,
    llm,
    request,
    rerank,
    retrieval,
    tool,
    trace,
    workflow,
)

if TYPE_CHECKING:
    from sightline import masks
    from sightline.export.outbox import Stats
    from sightline.instruments.instrument import instrument, uninstrument
    from sightline.instruments.report import InstrumentationReport
    from sightline.pipeline import Tracing
    from sightline.settings import TracingSettings
    from sightline.sketch import record_query_vector

__version__ = VERSION
_LAZY_MODULES = {
    "InstrumentationReport": "sightline.instruments.report",
    "Stats": "sightline.export.outbox",
    "Tracing": "sightline.pipeline",
    "TracingSettings": "sightline.settings",
    "instrument": "sightline.instruments.instrument",
    "masks": "sightline.masks",
    "record_query_vector": "sightline.sketch",
    "uninstrument": "sightline.instruments.instrument",
}

__all__ = [
    "Capture",
    "InstrumentationReport",
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
    "feedback",
    "guardrail",
    "identify",
    "instrument",
    "link",
    "llm",
    "masks",
    "record_documents",
    "record_first_token",
    "record_messages",
    "record_query_vector",
    "record_search",
    "record_usage",
    "request",
    "request_ids",
    "rerank",
    "retrieval",
    "score",
    "semconv",
    "tool",
    "trace",
    "uninstrument",
    "workflow",
]


def __getattr__(name: str) -> object:
    """Import on first use what few processes need, so that importing this library stays cheap."""
    module = _LAZY_MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    loaded = importlib.import_module(module)
    value = loaded if module == f"{__name__}.{name}" and name == "masks" else getattr(loaded, name)
    globals()[name] = value
    return value

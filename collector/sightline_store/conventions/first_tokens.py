"""How every convention spells the time to first token: with which unit, and by whose definition.

A part of the alias table (`aliases.py`). The first chunk of a stream is not its first token: OpenAI sends a chunk with
the role and without content at once, Anthropic `message_start`, and the first token comes when the prompt is read. So
the definition of a spelling is what the packages that write it do, not what they call it: a spelling is `FIRST_TOKEN`
only where no package is known that writes it for a chunk without content. `TTFT` and `TTFT_EVENTS` say of each what
was read in the packages' sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sightline import semconv
from sightline_store.conventions.columns import Column


class Definition(StrEnum):
    """Whose moment a time to first token is."""

    DELIVERED = "delivered"
    """The first content reached the user: measured at the edge."""
    FIRST_TOKEN = "first_token"  # noqa: S105
    """The first token, as the application or the model host saw it."""
    FIRST_CHUNK = "first_chunk"
    """The first chunk of the stream, which may be empty: the first token came then or later."""


class Unit(StrEnum):
    """What the value of an attribute counts."""

    S = "s"
    MS = "ms"
    S_OR_NS = "s or ns"
    """Seconds; nanoseconds where as seconds it were longer than the span."""
    MOMENT = "moment"
    """A point in time, ISO 8601, in JSON quotes or without."""


@dataclass(frozen=True)
class Ttft:
    """Spellings of the time to first token that share unit and definition."""

    unit: Unit
    definition: Definition
    number: int
    spellings: dict[int, str]

    @property
    def column(self) -> Column:
        """The column that holds their values."""
        return Column(self.number, self.spellings)


TTFT: dict[str, Ttft] = {
    "ttft_edge": Ttft(Unit.S, Definition.DELIVERED, 57, {0: semconv.RESPONSE_TIME_TO_FIRST_TOKEN}),
    "ttft_chunk": Ttft(
        Unit.S,
        Definition.FIRST_CHUNK,
        58,
        {
            0: semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK,
            1: "gen_ai.client.operation.time_to_first_chunk",
            2: "gen_ai.client.inference.time_to_first_chunk",
            3: "gen_ai.client.inference.operation.time_to_first_chunk",
        },
    ),
    # Called after the token, but OpenLIT (`process_chunk`) times the first chunk, Braintrust's wrappers the first item
    # that a stream yields, loongsuite in most of its instrumentations the first chunk, and Sentry's conventions speak
    # of a chunk and replace it by time_to_first_chunk. Some (loongsuite's Anthropic) wait for a block of content; the
    # key does not say which, so it is the weaker statement.
    "ttft_named": Ttft(
        Unit.S_OR_NS,
        Definition.FIRST_CHUNK,
        59,
        {
            0: "gen_ai.response.time_to_first_token",
            1: "gen_ai.server.time_to_first_token",
            2: "gen_ai.client.time_to_first_token",
            3: "time_to_first_token",
            4: "braintrust.metrics.time_to_first_token",
        },
    ),
    # No package is known that writes these by itself: an application does, and says "token".
    "ttft_token_ms": Ttft(
        Unit.MS,
        Definition.FIRST_TOKEN,
        60,
        {
            0: "gen_ai.response.time_to_first_token_ms",
            1: "gen_ai.server.time_to_first_token_ms",
            2: "time_to_first_token_ms",
            3: "opik.ttft",
            4: "ttft",
            5: "ttft_ms",
            6: "llm.ttft_ms",
        },
    ),
    # The Vercel AI SDK: the first part of the stream after stream-start, which is often the response's metadata.
    "ttft_chunk_ms": Ttft(
        Unit.MS,
        Definition.FIRST_CHUNK,
        61,
        {
            0: "ai.response.msToFirstChunk",
            1: "ai.stream.msToFirstChunk",
        },
    ),
    # Langfuse's OpenAI wrapper takes the time of the first item of the stream, its LangChain handler and LangSmith that
    # of the first on_llm_new_token, which LangChain calls for the chunk with the role too.
    "ttft_moment": Ttft(
        Unit.MOMENT,
        Definition.FIRST_CHUNK,
        62,
        {
            0: "langfuse.observation.completion_start_time",
            1: "langsmith.first_token_time",
            2: "first_token_time",
        },
    ),
}
"""By column name, the preferred one first: they are in the order of their numbers."""

TTFT_EVENTS: dict[str, Definition] = {
    # OpenInference: `_Stream._process_chunk` adds it on the first iteration, whatever the chunk holds.
    "First Token Stream Event": Definition.FIRST_CHUNK,
    # No package is known that writes these two by itself: an application does.
    "first_token": Definition.FIRST_TOKEN,
    "llm.first_token": Definition.FIRST_TOKEN,
    # LangSmith: one an item that the stream yields.
    "new_token": Definition.FIRST_CHUNK,
    # MLflow: one a chunk, numbered from 0.
    "mlflow.chunk.item.0": Definition.FIRST_CHUNK,
    "ai.stream.firstChunk": Definition.FIRST_CHUNK,
    "gen_ai.content.chunk": Definition.FIRST_CHUNK,
    "gen_ai.content.completion.chunk": Definition.FIRST_CHUNK,
    "llm.content.completion.chunk": Definition.FIRST_CHUNK,
}
"""Span events whose first one marks it. An event has a time of its own, so no unit can be wrong, and it may come after
the end of its span: LlamaIndex ends a streamed span when it hands out the generator."""

EVENT_TTFT_MAX_S = 3600
"""An event later than that after the start of its span marks no first token."""

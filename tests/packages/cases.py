"""The calls that every package is tried with, and what is true of them.

A part of the programs that run beside the packages: nothing but the standard library is imported here. What a model
answers, and what it counts, depends on the number of the case and of the call in it, so that no number or text of one
call is that of another.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

CHAT_MODELS = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5"}
"""By provider."""
ANSWERED_BY = {"openai": "gpt-4o-mini-2024-07-18", "anthropic": "claude-haiku-4-5-20251001"}
"""What the server calls the model, by provider."""
EMBEDDING_MODEL = "text-embedding-3-small"
ROLE_S = 0.1
"""When a stream's first chunk comes, which has no content."""
TEXT_S = 0.25
"""When its first text comes."""
PASSAGES = {"doc-timeouts": "asyncio.timeout limits a coroutine", "doc-rows": "csv.DictReader reads rows"}
"""What the retrievers find, by the name of the document."""
SERVER_ERROR = "the model is overloaded"
"""What the server says where it fails."""
TOOL = "lookup"
"""The tool that the model calls."""


@dataclass(frozen=True)
class Case:
    """One thing that an application does.

    Args:
        number: unlike that of every other case of a run; 1 to 39.
        does: chat, responses, embed or rag (a retrieval, then a chat).
        api: whose model: openai or anthropic.
        is_streaming: whether the answer comes in pieces.
        is_async: whether the asynchronous client is used.
        has_tool: whether the model calls a tool first.
        fault: '', 'status' (HTTP 429) or 'midstream' (an error after the first text).
    """

    number: int
    does: str = "chat"
    api: str = "openai"
    is_streaming: bool = False
    is_async: bool = False
    has_tool: bool = False
    fault: str = ""

    @property
    def name(self) -> str:
        """For people."""
        words = [self.does if self.api == "openai" else f"{self.does} ({self.api})"]
        words += ["stream"] * self.is_streaming + ["async"] * self.is_async + ["tool"] * self.has_tool
        return ", ".join(words + [f"fault: {self.fault}"] * bool(self.fault))

    @property
    def question(self) -> str:
        """What the user asks."""
        return f"How long may call {self.number:03} take?"

    @property
    def answer(self) -> str:
        """What the model answers."""
        return "".join(self.pieces)

    @property
    def pieces(self) -> tuple[str, ...]:
        """The pieces in which the answer comes."""
        return (f"Call {self.number:03} ", "may take ", "as long ", "as asyncio.timeout says.")

    @property
    def tool_arguments(self) -> dict[str, str]:
        """What the model gives the tool."""
        return {"word": f"timeout-{self.number:03}"}

    @property
    def session(self) -> str:
        """The session to which the call belongs."""
        return f"session-{self.number:03}"

    @property
    def path(self) -> str:
        """What stands before the interface's own path in the address of the model server."""
        return f"case/{self.number}/{self.fault or 'none'}"

    def document(self) -> dict[str, Any]:
        """As JSON, for the programs that run the packages."""
        return {**asdict(self), "question": self.question, "session": self.session, "path": self.path}


@dataclass(frozen=True)
class Usage:
    """What the server counts for one call."""

    input: int
    """With cached ones, as the semantic conventions count."""
    cached: int
    output: int
    """With reasoning, as the semantic conventions count."""
    reasoning: int


def usage(number: int, nth: int) -> Usage:
    """What is counted for a chat.

    Args:
        number: of the case.
        nth: of the chats of the case, from 0.
    """
    step = number + 40 * nth
    return Usage(12_000 + step, 7_000 + step, 3_000 + step, 900 + step)


def embedding_tokens(number: int) -> int:
    """What is counted for an embedding of the case."""
    return 500 + number

"""Compares what the store shows of a case with what the model server did.

A cell is right; or the store shows no value and the package does not tell it, which its raw spans and logs prove; or
the cell is wrong. A value that is shown and is not the truth is wrong, with two exceptions: of tokens that the package
tells in part (Anthropic's input beside the cache, where the cache is not told), the part and what the part costs; and a
number of output tokens that the package itself reports under its own key while the true number stands nowhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import product
from typing import Any

import cases
from cases import Case, Usage
from model_server import Call
from raw_spans import Told

from sightline_store.contents.parts import PartKind
from sightline_store.contents.traces import Conversation

Row = dict[str, Any]

COLUMNS = (
    "calls", "model", "provider", "input", "output", "cached", "reasoning", "TTFT", "cost", "session",
    "question", "answer", "passages", "error",
)  # fmt: skip
"""The columns of the matrix."""

_PRICES = {"openai": (0.15, 0.075, 0.60), "anthropic": (1.0, 0.10, 5.0)}
"""USD per million tokens: input, cached input, output; of `cases.CHAT_MODELS`."""
_EMBEDDING_PRICE = 0.02
_TOLERANCE_MS = 60.0
"""By how much a time may differ from the moment in which the server sent a chunk: it is seen later, and a package may
begin its own measurement after its span. The chunk with the role and the first text are 150 ms apart."""
_OUTPUT_KEYS = r"(output|completion)_tokens$"
_TTFT_KEYS = r"first.?(token|chunk)|ttft|completion_start|time_to|msToFirst|first_token"


class Verdict(StrEnum):
    """What is said of a cell."""

    RIGHT = "right"
    NOT_TOLD = "not told"
    MISREPORTED = "misreported"
    """The package's own number is not the truth, and the store shows it as it came."""
    WRONG = "wrong"


@dataclass(frozen=True)
class Cell:
    """One value of one case."""

    case: Case
    column: str
    verdict: Verdict
    expected: str
    shown: str


@dataclass
class Stored:
    """What the store shows of a case."""

    calls: list[Row] = field(default_factory=list)
    """Rows of llm_calls_priced, in the order of time."""
    embeddings: list[Row] = field(default_factory=list)
    retrievals: list[Row] = field(default_factory=list)
    requests: list[Row] = field(default_factory=list)
    conversations: list[Conversation] = field(default_factory=list)
    """Of the case's spans in each trace that has a call of it; where none has, in those with a request of it."""


def judge(case: Case, made: Sequence[Call], told: Told, stored: Stored) -> list[Cell]:
    """The cells of a case.

    Args:
        case: what was done.
        made: the calls that the server answered, in the order of time.
        told: what the package told.
        stored: what the store shows.
    """
    judging = _Judging(case, made, told, stored)
    return [
        Cell(case, column, verdict, str(expected), str(shown)) for column, verdict, expected, shown in judging.cells()
    ]


class _Judging:
    def __init__(self, case: Case, made: Sequence[Call], told: Told, stored: Stored) -> None:
        self.case, self.told, self.stored = case, told, stored
        self.chats = [call for call in made if call.kind == "chat"]
        self.embeds = [call for call in made if call.kind == "embed"]
        self.calls_told = told.of_calls()
        self.rows = stored.calls if self.chats else stored.embeddings

    def cells(self) -> Iterator[tuple[str, Verdict, Any, Any]]:
        yield self._count()
        yield self._model()
        yield self._provider()
        if not self.case.fault:
            yield from self._tokens()
            yield self._cost()
        if self.case.is_streaming and self.case.fault != "status":
            yield self._ttft()
        yield self._session()
        if self.case.does != "embed":
            yield self._question()
            if not self.case.fault:
                yield self._answer()
        if self.case.does == "rag" and not self.case.fault:
            yield self._passages()
        yield self._error()

    def _count(self) -> tuple[str, Verdict, Any, Any]:
        expected = (len(self.chats), len(self.embeds))
        shown = (len(self.stored.calls), len(self.stored.embeddings))
        verdict = Verdict.RIGHT
        if shown != expected:
            calls_untold = shown[0] == expected[0] or (shown[0] == 0 and not self._tells_chat())
            embeds_untold = shown[1] == expected[1] or (shown[1] == 0 and not self._tells_embedding())
            verdict = Verdict.NOT_TOLD if calls_untold and embeds_untold else Verdict.WRONG
        return "calls", verdict, _counts(expected), _counts(shown)

    def _tells_chat(self) -> bool:
        return self.calls_told.has_text(cases.CHAT_MODELS[self.case.api])

    def _tells_call(self) -> bool:
        return self._tells_chat() if self.chats else self._tells_embedding()

    def _tells_embedding(self) -> bool:
        return self.calls_told.has_text(cases.EMBEDDING_MODEL)

    def _model(self) -> tuple[str, Verdict, Any, Any]:
        asked = cases.CHAT_MODELS[self.case.api] if self.chats else cases.EMBEDDING_MODEL
        answered = asked if not self.chats or self.case.fault else cases.ANSWERED_BY[self.case.api]
        shown = [row["ResponseModel"] or row["RequestModel"] for row in self.rows]
        tells_answered = answered != asked and any(value.strip('"') == answered for _, value in self.told.values)
        expected = answered if tells_answered else asked
        accepted = {answered} if tells_answered else {asked, cases.ANSWERED_BY[self.case.api]}
        right = bool(shown) and all(model in accepted for model in shown)
        return "model", self._verdict(right, any(shown), lambda: self.told.has_text(asked)), expected, shown

    def _provider(self) -> tuple[str, Verdict, Any, Any]:
        shown = sorted({row["Provider"] for row in self.rows})

        def tells() -> bool:
            named = [
                value
                for key, value in self.calls_told.values
                # A model's name may hold its maker's; MLflow's format is that of the messages, whoever answers them.
                # So may the type of its client's exceptions.
                if "model" not in key.lower()
                and key != "mlflow.message.format"
                and not key.startswith("exception.")
                and len(value) < 40
            ]
            return self._tells_call() and any(self.case.api in value.lower() for value in named)

        return "provider", self._verdict(shown == [self.case.api], any(shown), tells), self.case.api, shown

    def _tokens(self) -> Iterator[tuple[str, Verdict, Any, Any]]:
        usages = [cases.usage(self.case.number, call.nth) for call in self.chats]
        embedded = [cases.embedding_tokens(self.case.number) for _ in self.embeds]
        columns = {"input": "InputTokens"}
        if self.chats:
            columns |= {"output": "OutputTokens", "cached": "CacheReadTokens"}
            if self.case.api == "openai":  # Anthropic does not count reasoning by itself
                columns["reasoning"] = "ReasoningTokens"
        for column, name in columns.items():
            expected = [getattr(usage, column) for usage in usages]
            shown = [row[name] for row in self.stored.calls]
            parts: list[int] = []
            if column == "input":
                expected += embedded
                shown += [row[name] for row in self.stored.embeddings]
                if self.case.api == "anthropic":
                    parts = [usage.input - usage.cached for usage in usages if not self._tells(usage.cached)]
            verdict = self._number(expected, shown, parts)
            if verdict is Verdict.WRONG and column == "output" and self._is_misreported(expected, shown):
                verdict = Verdict.MISREPORTED
            yield column, verdict, expected, shown

    def _is_misreported(self, expected: list[int], shown: list[Any]) -> bool:
        missing, invented = set(expected) - set(shown), set(shown) - set(expected)
        return not any(map(self._tells, missing)) and all(
            self.calls_told.has_number(value, key=_OUTPUT_KEYS) for value in invented if value is not None
        )

    def _tells(self, number: int) -> bool:
        return self.calls_told.has_number(number)

    def _number(self, expected: list[int], shown: list[Any], parts: list[int]) -> Verdict:
        if set(expected) == set(shown):
            return Verdict.RIGHT
        missing = set(expected) - set(shown)
        invented = set(shown) - {None} - set(expected) - set(parts)
        return Verdict.WRONG if invented or any(map(self._tells, missing)) else Verdict.NOT_TOLD

    def _cost(self) -> tuple[str, Verdict, Any, Any]:
        shown = sum(row["CostUsd"] or 0 for row in self.stored.calls + self.stored.embeddings)
        usages = [cases.usage(self.case.number, call.nth) for call in self.chats]
        tokens = cases.embedding_tokens(self.case.number)
        embedded = tokens * len(self.embeds) * _EMBEDDING_PRICE / 1e6
        expected = embedded + sum(_usd(self.case.api, usage) for usage in usages)
        parts = [sum(costs) for costs in product(*(self._told_costs(usage) for usage in usages))]
        if self._tells(tokens):
            parts = [part + embedded for part in parts]
        if abs(shown - expected) <= expected * 0.001:
            return "cost", Verdict.RIGHT, expected, shown
        is_part = any(abs(shown - part) <= part * 0.001 for part in parts)
        return "cost", Verdict.NOT_TOLD if is_part else Verdict.WRONG, expected, shown

    def _told_costs(self, usage: Usage) -> list[float]:
        """What a call may cost by the tokens that the package tells; also 0 where it does not tell input and output."""
        cached = usage.cached if self._tells(usage.cached) else 0
        output = usage.output if self._tells(usage.output) else 0
        # Where the cached tokens are not told, the input may be told without them.
        inputs = {usage.input, usage.input if cached else usage.input - usage.cached}
        costs = [_usd(self.case.api, Usage(tokens, cached, output, 0)) for tokens in inputs]
        return costs if output and any(map(self._tells, inputs)) else [0.0, *costs]

    def _ttft(self) -> tuple[str, Verdict, Any, Any]:
        shown = [(row["TtftMs"] and round(row["TtftMs"], 1), row["TtftDefinition"]) for row in self.rows]
        moments = [
            {"first_chunk": call.role_ns, "first_token": call.text_ns, "delivered": call.text_ns} for call in self.chats
        ]
        expected = [
            {name: _ms_after(row, at_ns) for name, at_ns in moment.items() if name != "delivered"}
            for row, moment in zip(self.rows, moments, strict=False)
        ]

        def fits(row: Row, moment: dict[str, int]) -> bool:
            if row["TtftMs"] is None:
                return False
            accepted = [moment[row["TtftDefinition"]]]
            if row["TtftDefinition"] == "first_chunk":
                accepted.append(moment["first_token"])  # some wait for a chunk with content: the first token comes then
            return any(abs(row["TtftMs"] - _ms_after(row, at_ns)) <= _TOLERANCE_MS for at_ns in accepted)

        right = bool(shown) and all(fits(row, moment) for row, moment in zip(self.rows, moments, strict=False))

        def tells() -> bool:
            events = [
                event
                for call in self.chats
                for event in self.told.events_within(call.role_ns - 5_000_000, call.text_ns + 40_000_000)
                if event.name != "exception"
            ]
            return bool(events) or self.told.has_key(_TTFT_KEYS)

        is_shown = any(row["TtftMs"] is not None for row in self.rows)
        return "TTFT", self._verdict(right, is_shown, tells), expected, shown

    def _session(self) -> tuple[str, Verdict, Any, Any]:
        shown = sorted({row["SessionId"] for row in self.rows})
        right = shown == [self.case.session]
        tells = lambda: self._tells_call() and self.told.has_text(self.case.session)  # noqa: E731
        return "session", self._verdict(right, any(shown), tells), self.case.session, shown

    def _question(self) -> tuple[str, Verdict, Any, Any]:
        shown = sorted({conversation.question for conversation in self.stored.conversations} - {""})
        exact = any(value.strip('"') == self.case.question for _, value in self.told.values)
        right = bool(shown) and all(
            text == self.case.question or (self.case.question in text and not exact) for text in shown
        )
        tells = lambda: self.told.has_text(self.case.question)  # noqa: E731
        return "question", self._verdict(right, bool(shown), tells), self.case.question, shown

    def _answer(self) -> tuple[str, Verdict, Any, Any]:
        conversations = self.stored.conversations
        if self.chats and self.chats[-1].calls_tool:
            wanted = (cases.TOOL, json.dumps(self.case.tool_arguments, sort_keys=True))
            found = [_tool_calls(conversation) for conversation in conversations]
            right = any(wanted in calls for calls in found)
            return "answer", self._verdict(right, any(found), lambda: self.told.has_text("timeout-")), wanted, found
        # Of two packages with traces of their own, one may know no content.
        shown = sorted({conversation.answer for conversation in conversations} - {""})
        right = shown == [self.case.answer]
        tells = lambda: self.told.has_text(self.case.answer)  # noqa: E731
        return "answer", self._verdict(right, bool(shown), tells), self.case.answer, shown

    def _passages(self) -> tuple[str, Verdict, Any, Any]:
        shown = sorted(
            {passage.content for conversation in self.stored.conversations for passage in conversation.passages}
        )
        expected = sorted(cases.PASSAGES.values())
        counted = [row["Returned"] for row in self.stored.retrievals]
        right = shown == expected and counted == [len(expected)]

        def tells() -> bool:
            retrieved = [
                span for span in self.told.spans if "retriev" in span.name.lower() + str(span.attributes).lower()
            ]
            return any(
                expected[0] in value
                for span in retrieved
                for key, value in span.attributes.items()
                if "input" not in key.lower() and "prompt" not in key.lower()
            )

        is_shown = bool(shown or any(counted))
        return "passages", self._verdict(right, is_shown, tells), (expected, "1 retrieval of 2"), (shown, counted)

    def _error(self) -> tuple[str, Verdict, Any, Any]:
        failed = [_failed(row) for row in self.rows]
        shown = [(row["StatusCode"], row["ErrorType"]) for row in self.rows]
        right = bool(failed) and all(state == bool(self.case.fault) for state in failed)
        if self.case.fault and self.rows and not any(failed):
            # Pydantic AI and others tell the error of a stream on the span around the call.
            right = any(_failed(row) for row in self.stored.requests)

        def tells() -> bool:
            return self._tells_call() and (
                any(span.is_error for span in self.calls_told.spans)
                or self.calls_told.has_text(cases.SERVER_ERROR)
                or self.calls_told.has_key(r"error|exception")
            )

        if not self.case.fault and not self.rows:
            return "error", Verdict.NOT_TOLD, "no error", shown
        is_shown = not self.case.fault and any(failed)
        return "error", self._verdict(right, is_shown, tells), "error" if self.case.fault else "no error", shown

    def _verdict(self, right: bool, is_shown: bool, tells: Callable[[], bool]) -> Verdict:
        """The verdict on a value.

        Args:
            right: whether what is shown is the truth.
            is_shown: whether anything is shown.
            tells: whether the package tells the truth.
        """
        if right:
            return Verdict.RIGHT
        return Verdict.WRONG if is_shown or tells() else Verdict.NOT_TOLD


def _failed(row: Row) -> bool:
    return row["StatusCode"] == "Error" or bool(row["ErrorType"])


def _counts(pair: tuple[int, int]) -> str:
    return f"{pair[0]} calls, {pair[1]} embeddings"


def _ms_after(row: Row, at_ns: int) -> float:
    return round((at_ns - row["start_ns"]) / 1e6, 1)


def _usd(api: str, usage: Usage) -> float:
    read, cached_read, written = _PRICES[api]
    return ((usage.input - usage.cached) * read + usage.cached * cached_read + usage.output * written) / 1e6


def _tool_calls(conversation: Conversation) -> list[tuple[str, str]]:
    parts = [part for message in conversation.answered for part in message.parts if part.kind is PartKind.TOOL_CALL]
    return [(part.name, _sorted_json(part.text)) for part in parts]


def _sorted_json(text: str) -> str:
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except ValueError:
        return text

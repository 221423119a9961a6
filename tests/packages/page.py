"""Writes the table of docs/conventions.md: what each package tells, and that the store reads it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from judge import COLUMNS, Cell, Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from matrix import Result

_HEAD = """# What other packages tell

Made by `make packages`: the packages below, each under its real instrumentation, call a model server on the loopback
whose delays, tokens, texts and errors are known, and send OTLP. Then the typed tables (`llm_calls`, `embeddings`,
`retrievals`, with prices) and the reader of content are compared with what the server did: plain and streamed,
synchronous and asynchronous, with tool calls, with a refused call, and with an error in the middle of a stream.
The packages for JavaScript run under Node.js.

Where two packages record the same calls, each case of a framework runs inside of the span of a server's request, as an
application's code does under the instrumentation of its web framework. Without a span around them, OpenInference's
LangChain package, Langfuse's handler and LiteLLM do not make their spans the current ones: the framework's call and its
client's are in two traces, of streams and failures nothing says that they are one, and both count. A script or a worker
needs a span of its own around its work, or only one of the two packages.

LiteLLM exports a synchronous stream in a thread of its own, which has no current span. It is given the request's span
by `metadata={"litellm_parent_otel_span": trace.get_current_span()}`. Without that, such a stream and the client's call
below it are in two traces, and both count.

Where all texts of an index have vectors already, LlamaIndex embeds an empty batch, which OpenInference records and the
store counts as an embedding. The index of these cases is built before them.

- **✓**: right in every case.
- **✓ 7/9**: right in 7 of 9 cases, and not told in the others.
- **—**: not told: the value stands in none of the attributes, events and logs that the package sends of the call; or
  the package itself reports another number, which the store shows as it came ("What is reported wrongly", below).
- **✗**: the store shows another value, or none though the package tells it.
- empty: none of the cases has such a value.

The time to first token is right where it agrees, within 60 ms, with the moment in which the server sent what its
definition names: the first chunk (0.1 s; a package may wait for the first with content) or the first text (0.25 s).
Tokens include cached and reasoning ones, as OpenTelemetry counts; `input` is the model's and the embedding's. The
cost is right where it is what the tokens cost. Where a package tells the tokens in part, such as Anthropic's input
without what was cached, the store shows the part and its cost, and both are "not told". `calls` is right where each
call of the model and of the embedding counts once.

"""


def text(results: Sequence[Result]) -> str:
    """The page."""
    ran = [result for result in results if result.cells]
    lines = [_HEAD + f"| | version | {' | '.join(COLUMNS)} |", f"|---|---|{'---|' * len(COLUMNS)}"]
    for result in ran:
        versions = ", ".join(dict.fromkeys(result.versions.values()))
        cells = [_cell([cell for cell in result.cells if cell.column == column]) for column in COLUMNS]
        lines.append(f"| {result.configuration.name} | {versions} | {' | '.join(cells)} |")
    lines += ["", "## What is not told", ""]
    for result in ran:
        untold = [cell for cell in result.cells if cell.verdict is Verdict.NOT_TOLD]
        if untold:
            lines.append(f"- **{result.configuration.name}**: {'; '.join(_untold(result, untold))}.")
    misreported = [(result, cell) for result in ran for cell in result.cells if cell.verdict is Verdict.MISREPORTED]
    if misreported:
        lines += ["", "## What is reported wrongly", "", "By the package itself; the true number stands nowhere.", ""]
        for name in dict.fromkeys(result.configuration.name for result, _ in misreported):
            found = [cell for result, cell in misreported if result.configuration.name == name]
            numbers = dict.fromkeys(f"{cell.shown} for {cell.expected}" for cell in found)
            lines.append(f"- **{name}**: {'; '.join(_named(found))}: {', '.join(numbers)}.")
    if wrong := [(result, cell) for result in ran for cell in result.cells if cell.verdict is Verdict.WRONG]:
        lines += ["", "## What is wrong", ""]
        for name in dict.fromkeys(result.configuration.name for result, _ in wrong):
            found = [cell for result, cell in wrong if result.configuration.name == name]
            lines.append(f"- **{name}**: {'; '.join(_named(found))}.")
    if absent := [result for result in results if result.skipped]:
        lines += ["", "## What was not run", ""]
        lines += [f"- {result.configuration.name}: {result.skipped}." for result in absent]
    lines += ["", "## The packages", "", "| | packages |", "|---|---|"]
    for result in ran:
        packages = ", ".join(f"`{package}` {version}" for package, version in result.versions.items())
        lines.append(f"| {result.configuration.name} | {packages} |")
    return "\n".join(lines) + "\n"


def write(results: Sequence[Result], place: Path) -> None:
    """Write the page."""
    place.write_text(text(results), encoding="utf-8")


def _cell(cells: Sequence[Cell]) -> str:
    if not cells:
        return ""
    right = sum(cell.verdict is Verdict.RIGHT for cell in cells)
    if any(cell.verdict is Verdict.WRONG for cell in cells):
        return "✗" if not right else f"✗ {right}/{len(cells)}"
    if right == len(cells):
        return "✓"
    return "—" if not right else f"✓ {right}/{len(cells)}"


def _untold(result: Result, untold: Sequence[Cell]) -> Iterable[str]:
    for column in COLUMNS:
        cases = [cell.case.name for cell in untold if cell.column == column]
        if cases:
            every = len(cases) == sum(cell.column == column for cell in result.cells)
            yield f"{column}" if every else f"{column} ({'; '.join(dict.fromkeys(cases))})".replace("; ", " / ")


def _named(cells: Sequence[Cell]) -> Iterable[str]:
    for column in COLUMNS:
        if cases := [cell.case.name for cell in cells if cell.column == column]:
            yield f"{column} ({' / '.join(dict.fromkeys(cases))})"

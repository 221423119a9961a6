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

- **✓**: right in every case.
- **✓ 7/9**: right in 7 of 9 cases, and not told in the others.
- **—**: not told: the value stands in none of the attributes, events and logs that the package sends of the call.
- **✗**: the package tells it, and it is read wrong.
- empty: none of the cases has such a value.

The time to first token is right where it agrees, within 60 ms, with the moment in which the server sent what its
definition names: the first chunk (0.1 s; a package may wait for the first with content) or the first text (0.25 s).
Tokens include cached and reasoning ones, as OpenTelemetry counts. The cost is right where it is what the tokens cost;
where a package does not tell the cached tokens, it is "not told". `calls` is right where each call of the model and of
the embedding counts once.

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
    if wrong := [(result, cell) for result in ran for cell in result.cells if cell.verdict is Verdict.WRONG]:
        lines += ["", "## What is read wrong", ""]
        for result in dict.fromkeys(id(result) for result, _ in wrong):
            found = [cell for owner, cell in wrong if id(owner) == result]
            name = next(owner.configuration.name for owner, _ in wrong if id(owner) == result)
            lines.append(f"- **{name}**: {'; '.join(_named(found))}.")
    if absent := [result for result in results if result.not_run or result.failed]:
        lines += ["", "## What was not run", ""]
        lines += [f"- {result.configuration.name}: {result.not_run or result.failed}" for result in absent]
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

"""Datasets as text for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sightline_evals.datasets.differences import Difference
from sightline_evals.datasets.duplicates import Duplicate
from sightline_evals.datasets.sample import Sample
from sightline_evals.datasets.schema import row_of
from sightline_evals.untrusted import on_a_line


def aligned(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows under their head, each column as wide as its widest cell; ends with a line break."""
    cells = [head, *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [cells[0], ["-" * width for width in widths], *cells[1:]]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n" for line in lines
    )


def case_table(samples: Iterable[Sample]) -> str:
    """One line a case."""
    return aligned(
        ("case", "question", "answer", "passages", "reference", "must pass"),
        (
            (
                on_a_line(sample.id, 32),
                on_a_line(sample.question, 60),
                f"{len(sample.answer)} chars" if sample.answer else "-",
                len(sample.contexts),
                "yes" if sample.reference else "-",
                "yes" if sample.must_pass else "-",
            )
            for sample in samples
        ),
    )


def case_text(sample: Sample) -> str:
    """All that a case holds, a column a paragraph."""
    paragraphs = []
    for name, value in row_of(sample).items():
        parts = value if isinstance(value, list) else [value]
        shown = "".join(f"\n  {on_a_line(str(part), 2_000)}" for part in parts) or " none"
        paragraphs.append(f"{name}:{shown}\n")
    return "".join(paragraphs)


def difference_table(found: Difference) -> str:
    """One line for each case that differs."""
    rows = [
        *(("added", on_a_line(one.id, 32), "", on_a_line(one.question, 72)) for one in found.added),
        *(("removed", on_a_line(one.id, 32), "", on_a_line(one.question, 72)) for one in found.removed),
        *(
            ("changed", on_a_line(one.after.id, 32), ", ".join(one.values), on_a_line(one.after.question, 72))
            for one in found.changed
        ),
    ]
    return aligned(("", "case", "columns", "question"), rows) if rows else ""


def duplicate_table(found: Iterable[Duplicate]) -> str:
    """One line a duplicate, the most alike first."""
    return aligned(
        ("cosine", "goes", "question", "stays", "question", "references"),
        (
            (
                f"{one.cosine:.3f}",
                on_a_line(one.sample.id, 32),
                on_a_line(one.sample.question, 48),
                on_a_line(one.kept.id, 32),
                on_a_line(one.kept.question, 48),
                "differ" if one.references_differ else "",
            )
            for one in sorted(found, key=lambda one: -one.cosine)
        ),
    )

"""The gate's result as Markdown, for a job's summary or a comment. Pure.

All that others wrote goes through `markup`, so that it can neither end a table row nor open a tag or a link.

Source: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#adding-a-job-summary
"""

from __future__ import annotations

from collections.abc import Sequence

from sightline_evals.gating.results import GateResult, Outcome, WorseCase
from sightline_evals.gating.table import COLUMNS, cells, footnotes, headline
from sightline_evals.untrusted import markup

_LONGEST_ANSWER = 1500
_LONGEST_STATEMENT = 300
_MOST_STATEMENTS = 8
_MOST_CHECKS = 50


def markdown(result: GateResult) -> str:
    """A table of metrics, then what did not pass, and the cases that lost most, folded."""
    baselines = len(result.baselines)
    against = f"{baselines} baseline{'s' if baselines > 1 else ''}" if baselines else "no baseline"
    lines = [
        f"### Evaluation gate: {headline(result)}",
        "",
        f"Run {markup(result.current.run_id, 80)} against {against}.",
        "",
    ]
    if result.comparisons:
        lines += [_row(COLUMNS), "|" + "---|" * len(COLUMNS)]
        for comparison in result.comparisons:
            numbers = (cell.replace("<", "&lt;") for cell in cells(comparison)[1:])
            lines.append(_row((markup(comparison.metric, 60), *numbers)))
        lines.append("")
    told = [check for check in result.checks if check.outcome is not Outcome.PASS]
    lines += [
        f"- **{check.outcome}** {markup(check.name, 100)}: {markup(check.reason, 500)}" for check in told[:_MOST_CHECKS]
    ]
    if len(told) > _MOST_CHECKS:
        lines.append(f"- and {len(told) - _MOST_CHECKS} more")
    lines += [f"- note: {markup(note, 500)}" for note in result.notes]
    lines += [
        f"- quarantined in {markup(metric, 60)}, a rerun gave another verdict: "
        + ", ".join(markup(case_id, 80) for case_id in case_ids[:_MOST_CHECKS])
        + (f" and {len(case_ids) - _MOST_CHECKS} more" if len(case_ids) > _MOST_CHECKS else "")
        for metric, case_ids in result.quarantined.items()
    ]
    if result.comparisons:
        lines += ["", "<details><summary>What the numbers are</summary>", ""]
        lines += [f"- {markup(note, 500)}" for note in footnotes(result)]
        lines += ["", "</details>"]
    if result.worst:
        lines += ["", f"<details><summary>The {len(result.worst)} cases that lost most</summary>", ""]
        lines += [_side_by_side(case) for case in result.worst]
        lines += ["", "</details>"]
    return "\n".join(lines) + "\n"


def markdown_refusal(reason: str) -> str:
    """What a summary says where the runs could not be compared."""
    return f"### Evaluation gate: not compared\n\nReason: {markup(reason, 2000)}\n"


def _side_by_side(case: WorseCase) -> str:
    """One case on one line: an HTML block ends at an empty line only."""
    statements = "".join(
        f"<li>{markup(statement, _LONGEST_STATEMENT)}</li>" for statement in case.unsupported[:_MOST_STATEMENTS]
    )
    more = len(case.unsupported) - _MOST_STATEMENTS
    return (
        f"<p><b>{markup(case.case_id, 80)}</b>: {markup(case.metric, 60)} {case.base:.3f} &rarr; {case.new:.3f}<br>"
        f"{markup(case.question, 500)}</p>"
        "<table><tr><th>baseline</th><th>this run</th></tr><tr>"
        f"<td><pre>{markup(case.base_answer, _LONGEST_ANSWER)}</pre></td>"
        f"<td><pre>{markup(case.new_answer, _LONGEST_ANSWER)}</pre></td></tr></table>"
        + (f"<p>Unsupported now:</p><ul>{statements}</ul>" if statements else "")
        + (f"<p>and {more} more</p>" if more > 0 else "")
    )


def _row(texts: Sequence[str]) -> str:
    return "| " + " | ".join(texts) + " |"

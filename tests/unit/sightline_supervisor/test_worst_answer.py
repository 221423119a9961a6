"""The least faithful answer of a run, out of the report of the evals."""

import io

from rich.console import Console

from sightline_supervisor.summary import Summary, table, worst_answer

REASONS = "1 of 2 statements supported\n- It is ten. (number not in it)\n+ It is. (in it)"
SCORED = {
    "schema": "sightline-evals/2",
    "cases": [
        {"case": "a", "trace_id": "a", "question": "What?", "answer": "That."},
        {"case": "b", "trace_id": "b", "question": "How\nlong?", "answer": "Ten " * 200},
    ],
    "scores": [
        {"metric": "faithfulness", "value": None, "case": "x"},
        {"metric": "faithfulness", "value": 0.9, "case": "a", "explanation": "fine"},
        {"metric": "context_precision", "value": 0.0, "case": "a"},
        {"metric": "faithfulness", "value": 0.5, "case": "b", "explanation": REASONS},
    ],
}


def test_lowest_faithfulness_is_the_worst_and_brings_its_texts() -> None:
    """Other metrics and answers that could not be judged do not count."""
    worst = worst_answer(SCORED)
    assert worst is not None
    assert (worst.faithfulness, worst.trace_id, worst.question) == (0.5, "b", "How long?")
    assert worst_answer({"scores": SCORED["scores"][:1]}) is None
    assert worst_answer({}) is None


def test_table_shows_what_was_not_supported_and_where_the_model_spent_its_time() -> None:
    """A long answer is cut, supported statements are left out, and times that the model does not give have no rows."""
    out = io.StringIO()
    summary = Summary(worst=worst_answer(SCORED), prompt_p50_ms=400, queue_p50_ms=None)
    Console(file=out, width=400).print(table(summary))
    text = " ".join(out.getvalue().split())
    assert "- It is ten. (number not in it)" in text
    assert "+ It is." not in text
    assert "Ten…" in text
    assert "reading the prompt │ p50 400 ms" in text
    assert "in the model's queue │ p50 unknown" in text
    out = io.StringIO()
    Console(file=out, width=400).print(table(Summary()))
    assert "queue" not in out.getvalue()

"""One RAGAS metric on one sample: the value, and the evidence that the judge gave for it.

Importing this module is quick; RAGAS itself is imported with the first score.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from sightline_evals.datasets import Sample
from sightline_evals.errors import ScoreError
from sightline_evals.judges import Judge
from sightline_evals.judges.statement_judge import StatementJudge
from sightline_evals.scoring import metrics
from sightline_evals.scoring.computed import Computed, bounded_text
from sightline_evals.scoring.scores import DECLINED, Statement

_DECLINES: Final = "the text makes no checkable statement"
_PASSAGE_METRICS: Final = frozenset(
    {
        metrics.CONTEXT_PRECISION,
        metrics.CONTEXT_PRECISION_WITH_REFERENCE,
        metrics.CONTEXT_PRECISION_WITHOUT_REFERENCE,
    }
)
_NEED_STATEMENTS: Final = frozenset({metrics.FAITHFULNESS, metrics.NOISE_SENSITIVITY})


async def compute(metric: str, sample: Sample, judge: Judge) -> Computed:
    """Compute a RAGAS metric.

    Args:
        metric: its name.
        sample: has what the metric needs.
        judge: gives RAGAS its answers; the probabilities of a `StatementJudge` stand with the statements.

    Raises:
        Exception: whatever the judge raised; `judge.judge_error_of` says what it means.
    """
    if metric == metrics.SEMANTIC_SIMILARITY:
        return await _similarity(sample, judge)
    llm = judge.llm()
    from sightline_evals.judges import ragas_adapter as ragas  # noqa: PLC0415 - takes seconds, in this process only

    recorder = ragas.Recorder(llm, needs_statements=metric in _NEED_STATEMENTS)
    try:
        value = await _value(metric, sample, judge, recorder)
    except ragas.NoStatements:
        return Computed(math.nan, DECLINED, _DECLINES)
    except Exception as exc:
        raise recorder.failure or exc from None
    if recorder.failure is not None:  # RAGAS swallows some
        raise recorder.failure
    by_statement = judge if isinstance(judge, StatementJudge) else None
    statements = _statements(metric, recorder.answers, "\n".join(sample.contexts), by_statement)
    explanation = _explanation(metric, recorder.answers, statements)
    label = DECLINED if math.isnan(value) else ""
    return Computed(value, label, explanation, statements)


async def _value(metric: str, sample: Sample, judge: Judge, recorder: Any) -> float:
    from sightline_evals.judges import ragas_adapter as ragas  # noqa: PLC0415

    question, answer, reference, contexts = sample.question, sample.answer, sample.reference, list(sample.contexts)
    if metric == metrics.CONTEXT_PRECISION:
        metric = metrics.CONTEXT_PRECISION_WITH_REFERENCE if reference else metrics.CONTEXT_PRECISION_WITHOUT_REFERENCE
    if metric == metrics.FAITHFULNESS:
        scored = ragas.Faithfulness(llm=recorder).ascore(
            user_input=question, response=answer, retrieved_contexts=contexts
        )
    elif metric == metrics.CONTEXT_RECALL:
        scored = ragas.ContextRecall(llm=recorder).ascore(
            user_input=question, reference=reference, retrieved_contexts=contexts
        )
    elif metric == metrics.CONTEXT_PRECISION_WITH_REFERENCE:
        scored = ragas.ContextPrecisionWithReference(llm=recorder).ascore(
            user_input=question, reference=reference, retrieved_contexts=contexts
        )
    elif metric == metrics.CONTEXT_PRECISION_WITHOUT_REFERENCE:
        scored = ragas.ContextPrecisionWithoutReference(llm=recorder).ascore(
            user_input=question, response=answer, retrieved_contexts=contexts
        )
    elif metric == metrics.RESPONSE_GROUNDEDNESS:
        scored = ragas.ResponseGroundedness(llm=recorder).ascore(response=answer, retrieved_contexts=contexts)
    elif metric == metrics.NOISE_SENSITIVITY:
        scored = ragas.NoiseSensitivity(llm=recorder).ascore(
            user_input=question, response=answer, reference=reference, retrieved_contexts=contexts
        )
    elif metric == metrics.FACTUAL_CORRECTNESS:
        scored = ragas.FactualCorrectness(llm=recorder).ascore(response=answer, reference=reference)
    else:
        scored = ragas.AnswerRelevancy(llm=recorder, embeddings=embeddings_of(judge)).ascore(
            user_input=question, response=answer
        )
    return float((await scored).value)


async def _similarity(sample: Sample, judge: Judge) -> Computed:
    from sightline_evals.judges import ragas_adapter as ragas  # noqa: PLC0415

    embeddings = embeddings_of(judge)
    await embeddings.prepare(sample.reference, sample.answer)
    scored = await ragas.SemanticSimilarity(embeddings=embeddings).ascore(
        reference=sample.reference, response=sample.answer
    )
    return Computed(float(scored.value), "", f"cosine of the embeddings {scored.value:.3f}")


def prompts_sha256(metric: str) -> str:
    """Hash of the instructions that a metric gives its judge, 64 hex digits; "" where it gives none."""
    from sightline_evals.judges import ragas_adapter as ragas  # noqa: PLC0415

    kinds: dict[str, Any] = {
        metrics.FAITHFULNESS: ragas.Faithfulness,
        metrics.CONTEXT_RECALL: ragas.ContextRecall,
        metrics.RESPONSE_GROUNDEDNESS: ragas.ResponseGroundedness,
        metrics.NOISE_SENSITIVITY: ragas.NoiseSensitivity,
        metrics.FACTUAL_CORRECTNESS: ragas.FactualCorrectness,
        metrics.ANSWER_RELEVANCY: ragas.AnswerRelevancy,
        metrics.SEMANTIC_SIMILARITY: ragas.SemanticSimilarity,
    }
    return ragas.prompts_sha256(kinds.get(metric, ragas.ContextPrecisionWithReference))


def embeddings_of(judge: Judge) -> Any:
    """The embeddings of a judge that has some.

    Raises:
        ScoreError: it has none.
    """
    make = getattr(judge, "embeddings", None)
    if make is None:
        raise ScoreError("this judge has no embeddings")
    return make()


def _statements(
    metric: str,
    answers: Sequence[dict[str, Any]],
    context: str,
    judge: StatementJudge | None,
) -> tuple[Statement, ...]:
    """The evidence in the judge's answers, the bad ones first where the order means nothing."""
    if metric in _PASSAGE_METRICS:
        return tuple(
            Statement(f"passage {rank}", None, bool(answer["verdict"]), str(answer["reason"]))
            for rank, answer in enumerate(answers, start=1)
        )
    if metric not in {metrics.FAITHFULNESS, metrics.CONTEXT_RECALL, metrics.FACTUAL_CORRECTNESS}:
        return ()
    verdicts = [
        row
        for answer in answers
        for row in answer.get("classifications", answer.get("statements", []))
        if isinstance(row, dict)
    ]
    found = [
        Statement(
            str(row["statement"]),
            None if judge is None else round(judge.evidence(str(row["statement"]), context).p_unsupported, 4),
            bool(row.get("attributed", row.get("verdict"))),
            str(row["reason"]),
        )
        for row in verdicts
    ]
    return tuple(sorted(found, key=lambda statement: bool(statement.supported)))


def _explanation(metric: str, answers: Sequence[dict[str, Any]], statements: Sequence[Statement]) -> str:
    if metric in _PASSAGE_METRICS:
        return bounded_text(
            f"{passage.text} {'useful' if passage.supported else 'not useful'}: {passage.reason}"
            for passage in statements
        )
    if metric == metrics.RESPONSE_GROUNDEDNESS:
        return bounded_text([f"ratings of 0 to 2: {', '.join(str(answer['rating']) for answer in answers)}"])
    if metric == metrics.ANSWER_RELEVANCY:
        lines = [f"{'evasive' if answer['noncommittal'] else 'answers'}: {answer['question']}" for answer in answers]
        return bounded_text(lines)
    if metric == metrics.NOISE_SENSITIVITY:
        asked: list[str] = answers[1]["statements"] if len(answers) > 1 else []
        return bounded_text([f"{len(asked)} statements of the answer compared with each passage and the reference"])
    if not statements:
        return _DECLINES
    supported = sum(bool(statement.supported) for statement in statements)
    lines = [f"{supported} of {len(statements)} statements supported"]
    lines += [f"{'+' if each.supported else '-'} {each.text} ({each.reason})" for each in statements]
    return bounded_text(lines)

"""Questions out of passages: what a model's answers become, and when it is not asked any more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sightline_evals.datasets import Sample, synthesis
from sightline_evals.datasets.passages import read_passages
from sightline_evals.errors import BudgetReached, DatasetError, JudgeInvalid, JudgeUnavailable

PASSAGES = [f"Passage {number} says that the answer of number {number} is {number * 7}." for number in range(20)]


class _Model:
    """Answers by a function of the passage's number."""

    def __init__(self, answer: Callable[[int], str]) -> None:
        self._answer = answer
        self.asked: list[int] = []

    async def complete(self, messages: Sequence[dict[str, str]]) -> str:
        number = int(messages[-1]["content"].split("Passage ")[1].split()[0])
        self.asked.append(number)
        await asyncio.sleep(0)
        return self._answer(number)


def case(number: int) -> str:
    """What a model answers."""
    return json.dumps({"question": f"What is number {number}?", "answer": f"{number * 7}."})


async def synthesized(
    model: _Model, passages: Sequence[str] = PASSAGES, taken: set[str] | None = None, give_up_after: int = 3
) -> tuple[list[Sample], synthesis.Progress]:
    """The cases that come of it, and their account."""
    made: list[Sample] = []
    progress = synthesis.Progress()
    await synthesis.synthesize(
        passages,
        model,
        "m",
        progress,
        taken=set() if taken is None else taken,
        concurrency=2,
        give_up_after=give_up_after,
        on_sample=made.append,
    )
    assert progress.made == len(made)
    return made, progress


async def test_every_passage_becomes_a_case_that_says_where_it_is_from() -> None:
    """Marked as synthetic, with the model, the passage as right retrieval, and no answer yet."""
    made, progress = await synthesized(_Model(case))
    assert len(made) == 20
    assert (made[0].question, made[0].reference, made[0].answer, made[0].contexts) == (
        "What is number 0?",
        "0.",
        "",
        (),
    )
    assert made[0].reference_contexts == (PASSAGES[0],)
    assert made[0].metadata == {
        "synthetic": True,
        "model": "m",
        "passage_sha256": synthesis.digest_of(PASSAGES[0]),
    }
    assert not progress.failures
    assert progress.stopped == ""


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("no JSON at all", "holds no JSON object with a question"),
        ('{"question": "Q?"}', "must be texts"),
        ('{"question": "Q?", "answer": " "}', "must be texts"),
        ('{"question": ["Q?"], "answer": "A."}', "must be texts"),
        (json.dumps({"question": "Q" * 2000, "answer": "A."}), "the question has 2000 characters"),
    ],
)
async def test_an_answer_of_another_form_is_a_failure_and_no_case(text: str, failure: str) -> None:
    """It is counted, and the others go on, however many there are: the model is there."""
    made, progress = await synthesized(_Model(lambda number: text if number < 10 else case(number)))
    assert len(made) == 10
    assert progress.failures == {"JudgeInvalid": 10}
    assert failure in progress.last_failure


async def test_thinking_and_fences_around_the_answer_do_not_matter() -> None:
    """As of every judge."""
    made, _ = await synthesized(_Model(lambda number: f"<think>{{</think>Sure:\n```json\n{case(number)}\n```"))
    assert len(made) == 20


async def test_a_passage_with_nothing_to_ask_and_a_question_that_is_there_are_counted() -> None:
    """Neither is a failure."""
    empty = '{"question": null, "answer": null}'
    made, progress = await synthesized(_Model(lambda number: empty if number < 5 else case(number % 2)))
    assert sorted(one.question for one in made) == ["What is number 0?", "What is number 1?"]
    assert (progress.nothing_to_ask, progress.repeated) == (5, 13)


async def test_a_model_that_is_away_is_given_up() -> None:
    """A few failures in a row end it; what was made before is kept."""

    def answer(number: int) -> str:
        if number < 4:
            return case(number)
        raise JudgeUnavailable("no endpoint answers")

    model = _Model(answer)
    made, progress = await synthesized(model)
    assert len(made) == 4
    assert len(model.asked) <= 8
    assert progress.has_given_up
    assert progress.stopped == "the model failed 3 times in a row"


async def test_a_budget_that_is_used_up_ends_it() -> None:
    """Without a failure: it is what was asked for."""

    def answer(number: int) -> str:
        if number < 4:
            return case(number)
        raise BudgetReached("--budget-tokens 10 is used up")

    made, progress = await synthesized(_Model(answer))
    assert len(made) == 4
    assert (progress.stopped, progress.has_given_up) == ("--budget-tokens 10 is used up", False)
    assert not progress.failures


async def test_a_case_that_cannot_be_written_ends_it_as_itself() -> None:
    """A full disk is told as such, and the model is not paid for what would be lost."""

    def refuse(_: Sample) -> None:
        raise DatasetError(Path("cases.jsonl"), 0, "cannot be written: No space left on device")

    model = _Model(case)
    with pytest.raises(DatasetError, match="No space left"):
        await synthesis.synthesize(
            PASSAGES, model, "m", synthesis.Progress(), taken=set(), concurrency=1, give_up_after=3, on_sample=refuse
        )
    assert model.asked == [0]


async def test_a_failure_between_answers_does_not_count_towards_giving_up() -> None:
    """Only failures in a row do."""

    def answer(number: int) -> str:
        if number % 4:
            raise JudgeInvalid("x") if number % 2 else JudgeUnavailable("y")
        return case(number)

    model = _Model(answer)
    await synthesized(model, give_up_after=4)
    assert len(model.asked) == 20


def test_the_passages_asked_about_are_spread_and_stay_the_same() -> None:
    """The same seed chooses the same, also when some have their case already; those count towards the limit."""
    first = synthesis.chosen(PASSAGES, 5, "")
    assert len(first) == 5
    assert first != PASSAGES[:5]
    assert synthesis.chosen(list(reversed(PASSAGES)), 5, "") == first
    assert synthesis.chosen(PASSAGES, 5, "other") != first
    done = frozenset(map(synthesis.digest_of, first[:2]))
    assert synthesis.chosen(PASSAGES, 5, "", done) == first[2:]


def test_passages_come_out_of_texts_rows_and_datasets(tmp_path: Path) -> None:
    """Short remnants are left out, and the same passage counts once."""
    long, other = "A long passage. " * 8, "Another passage, which is long too. " * 4
    text = tmp_path / "guide.md"
    text.write_text(f"# Title\n\n{long}\r\n\r\n{other}\n\n" + "x" * 2000, encoding="utf-8")
    assert read_passages(text) == [f"# Title\n\n{long.strip()}\n\n{other.strip()}", "x" * 2000]
    for name, content in (
        ("rows.jsonl", "\n".join(json.dumps({"text": one}) for one in (long, "short", other, long))),
        ("rows.csv", f'id,page_content\n1,"{long}"\n2,"{other}"\n'),
        (
            "cases.jsonl",
            json.dumps(
                {"question": "Q?", "answer": "A.", "contexts": [long, "short"], "reference_contexts": [other, long]}
            ),
        ),
    ):
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        assert read_passages(path) == [long.strip(), other.strip()]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("rows.jsonl", '{"text": "short"}', "has no passage of at least 80 characters"),
        ("rows.jsonl", '{"body": "x"}', r"rows\.jsonl:1: has no text in a column text, content, page_content, passage"),
        ("rows.csv", "a,b\n1,2\n", "names no column text or content or page_content or passage"),
        ("rows.txt", "", "has no passage"),
    ],
)
def test_a_file_without_passages_is_told(tmp_path: Path, name: str, content: str, reason: str) -> None:
    """With the columns that are looked for."""
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DatasetError, match=reason):
        read_passages(path)
    with pytest.raises(DatasetError, match="is a directory"):
        read_passages(tmp_path)

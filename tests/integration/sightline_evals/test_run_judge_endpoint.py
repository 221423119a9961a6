"""A judge at an endpoint that is slow, busy, picky, wordy or gone: what a run makes of it."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import judge_endpoint
import pytest
from judge_endpoint import DROP, JudgeEndpoint, Reply

from sightline_evals.__main__ import main
from sightline_evals.datasets import Sample
from sightline_evals.judges.remote import RemoteJudge
from sightline_evals.scoring import Score
from sightline_evals.scoring.scorer import Scorer
from sightline_evals.settings import JudgeSettings

CONTEXT = "os.path.join(path, *paths) joins one or more path segments intelligently."
GOOD = "Use os.path.join to join path segments."
BAD = "It was written in 1815 by Napoleon."


@pytest.fixture
def endpoint() -> Iterator[JudgeEndpoint]:
    """A running endpoint."""
    with judge_endpoint.running() as server:
        yield server


@pytest.fixture
def report_of(endpoint: JudgeEndpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """A function: the exit code and the report of a run over answers, judged at the endpoint."""

    def run(answers: list[str], *flags: str, metrics: str = "faithfulness", **env: str) -> tuple[int, dict[str, Any]]:
        path = tmp_path / "cases.jsonl"
        rows = [
            {"id": str(n), "question": f"{n}?", "answer": each, "contexts": [CONTEXT]} for n, each in enumerate(answers)
        ]
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        places = {"SIGHTLINE_EVALS_CACHE_DIR": str(tmp_path / "cache")}
        command = ["run", "--dataset", str(path), "--metrics", metrics, "--json", "-", *flags]
        code = main(command, {**endpoint.env, **places, **env})
        return code, json.loads(capsys.readouterr().out)

    return run


async def _score(endpoint: JudgeEndpoint, metric: str, sample: Sample, **settings: Any) -> Score:
    wanted = JudgeSettings(
        **{"model": "m", "base_url": endpoint.url, "api_key": "k", "retries": 0, "embedding_model": "e", **settings}
    )
    judge = RemoteJudge(wanted)
    try:
        return await Scorer(judge, [metric], wanted).score(sample, metric)
    finally:
        await judge.close()


def test_answers_that_are_lost_widen_the_claim(endpoint: JudgeEndpoint, report_of: Any) -> None:
    """The judge drops the connection on just the bad answers: the perfect mean of the rest decides nothing."""

    def drop_the_bad(body: dict[str, Any]) -> Reply | None:
        return DROP if "Napoleon" in judge_endpoint.prompt_of(body) else None

    endpoint.before = drop_the_bad
    answers = [GOOD] * 55 + [BAD] * 5
    env = {"SIGHTLINE_JUDGE_RETRIES": "0", "SIGHTLINE_JUDGE_GIVE_UP_AFTER": "100"}
    code, report = report_of(answers, "--fail-under", "faithfulness=0.95", **env)
    assert code == 3
    assert "undecided against 0.95" in report["reasons"][0]
    metric = report["metrics"]["faithfulness"]
    assert (metric["mean"], metric["scored"], metric["failed"]) == (1.0, 55, 5)
    assert (metric["worst_case_mean"], metric["best_case_mean"]) == (pytest.approx(55 / 60), 1.0)
    code, report = report_of(answers, "--fail-under", "faithfulness=0.95", "--errors-count-as-failures", **env)
    assert (code, report["outcome"]) == (1, "below")


def test_a_rate_limit_loses_nothing(endpoint: JudgeEndpoint, report_of: Any) -> None:
    """20 calls a second, 16 at once wanted: every score comes, though no call may be tried twice."""
    endpoint.before = judge_endpoint.calls_a_second(20)
    code, report = report_of([GOOD] * 30, "--concurrency", "16", SIGHTLINE_JUDGE_RETRIES="0")
    assert code == 0
    assert report["metrics"]["faithfulness"]["errors"] == {}, report["metrics"]["faithfulness"]["error_reasons"]
    assert report["metrics"]["faithfulness"]["scored"] == 30


def test_a_rate_limit_without_an_end_is_a_failure(endpoint: JudgeEndpoint, report_of: Any) -> None:
    """Where nothing but refusals come, the run ends."""
    endpoint.before = lambda _: judge_endpoint.error(429, "slow down", {"retry-after": "0"})
    code, report = report_of([GOOD] * 20, SIGHTLINE_JUDGE_RATE_LIMIT_WAIT_S="0.2")
    assert code == 3
    assert "answered 429: slow down" in report["metrics"]["faithfulness"]["error_reasons"]["JudgeUnavailable"]
    endpoint.before = lambda _: judge_endpoint.error(429, "later", {"retry-after": "86400"})
    assert report_of([GOOD] * 2)[0] == 3


def test_an_account_without_credit_is_refused_at_once(endpoint: JudgeEndpoint, report_of: Any) -> None:
    """No waiting helps there, although the code is that of a rate limit."""
    endpoint.before = lambda _: judge_endpoint.error(429, "no credit", code="insufficient_quota")
    code, report = report_of([GOOD])
    assert (code, len(endpoint.requests)) == (3, 1)
    assert "no credit" in report["scores"][0]["explanation"]


def test_a_silent_judge_does_not_hold_the_night(endpoint: JudgeEndpoint, report_of: Any) -> None:
    """It is given up after a few calls in a row, none of which is made twice; the rest says so."""
    endpoint.before = lambda _: None
    endpoint.delay_s = 3600
    began = time.monotonic()
    code, report = report_of([GOOD] * 40, SIGHTLINE_JUDGE_TIMEOUT_S="0.3")
    endpoint.released.set()
    assert code == 3
    assert len(endpoint.requests) <= 8
    assert report["metrics"]["faithfulness"]["errors"]["JudgeGivenUp"] >= 32
    assert time.monotonic() - began < 60


def test_one_deadline_ends_the_run(endpoint: JudgeEndpoint, report_of: Any) -> None:
    """Scores that were made are kept, and what is left is counted with that reason."""
    seen = threading.Event()

    def slow_from_the_third(_: dict[str, Any]) -> Reply | None:
        if len(endpoint.requests) > 4:
            seen.set()
            endpoint.delay_s = 3600
        return None

    endpoint.before = slow_from_the_third
    code, report = report_of(
        [GOOD] * 20, "--deadline", "2s", "--concurrency", "1", "--no-cache", "--max-error-share", "1"
    )
    endpoint.released.set()
    assert seen.is_set()
    assert code == 0
    metric = report["metrics"]["faithfulness"]
    assert (metric["scored"], metric["errors"]) == (2, {"DeadlineReached": 18})
    assert len(report["cases"]) == 20
    endpoint.before, endpoint.delay_s = lambda _: None, 0.0


def test_prose_is_given_up(endpoint: JudgeEndpoint, report_of: Any) -> None:
    """A judge that talks is asked again a few times, and not three hundred."""
    endpoint.wrap = lambda _: "As a language model I like this answer."
    code, report = report_of([GOOD] * 100)
    assert code == 3
    assert len(endpoint.requests) <= 30
    assert (
        "no JSON object in 'As a language model" in report["metrics"]["faithfulness"]["error_reasons"]["JudgeInvalid"]
    )


@pytest.mark.parametrize(
    "wrap",
    [
        "```json\n{}\n```",
        "<think>the user wants {{braces}}</think>\n{}",
        "so {{many}} thoughts</think>{}",
        "Here it is:\n```\n{}\n```\nHope this helps!",
        "Sure! {}",
    ],
)
async def test_json_is_found_in_what_a_model_says(endpoint: JudgeEndpoint, wrap: str) -> None:
    """In a fence, after thinking, behind a word of politeness."""
    endpoint.wrap = lambda text: wrap.replace("{{", "{").replace("}}", "}") if "{}" not in wrap else wrap.format(text)
    score = await _score(endpoint, "faithfulness", Sample("1", "Q?", f"{GOOD} {BAD}", (CONTEXT,)))
    assert (score.value, score.error) == (0.5, "")
    assert len(endpoint.requests) == 2


async def test_an_answer_of_another_form_is_asked_again_with_the_reason(endpoint: JudgeEndpoint) -> None:
    """The model is told what was wrong, in the same conversation."""

    def wrong_once(body: dict[str, Any]) -> Reply | None:
        return judge_endpoint.said('{"claims": []}') if len(endpoint.requests) == 1 else None

    endpoint.before = wrong_once
    score = await _score(endpoint, "faithfulness", Sample("1", "Q?", GOOD, (CONTEXT,)), retries=1)
    assert score.value == 1
    assert [message["role"] for message in endpoint.requests[1]["messages"]] == ["user", "assistant", "user"]
    assert "does not have the requested form" in endpoint.requests[1]["messages"][2]["content"]


def test_refused_parameters_are_left_out_once_for_the_whole_run(endpoint: JudgeEndpoint, report_of: Any) -> None:
    """As reasoning models refuse them, one at a time; the limit of the answer keeps its newer name."""

    def picky(body: dict[str, Any]) -> Reply | None:
        if "max_tokens" in body:
            text = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
            return judge_endpoint.error(400, text, param="max_tokens", code="unsupported_parameter")
        for name in ("temperature", "top_p"):
            if name in body:
                return judge_endpoint.error(400, f"Unsupported value: '{name}' does not support {body[name]}")
        return None

    endpoint.before = picky
    code, report = report_of([GOOD] * 10, "--concurrency", "1", "--no-cache")
    assert (code, report["metrics"]["faithfulness"]["scored"]) == (0, 10)
    assert len(endpoint.requests) == 20 + 3
    assert endpoint.requests[-1].keys() == {"messages", "model", "response_format", "max_completion_tokens"}


def test_parameters_can_be_set(endpoint: JudgeEndpoint, report_of: Any) -> None:
    """`none` does not send one at all."""
    env = {"SIGHTLINE_JUDGE_TEMPERATURE": "none", "SIGHTLINE_JUDGE_TOP_P": "0.5"}
    report_of([GOOD], **env, SIGHTLINE_JUDGE_MAX_TOKENS_PARAMETER="max_completion_tokens")
    assert endpoint.requests[0].keys() == {"messages", "model", "response_format", "top_p", "max_completion_tokens"}


@pytest.mark.parametrize(
    ("refused", "sent"), [({"max_completion_tokens"}, {"max_tokens"}), ({"max_tokens", "max_completion_tokens"}, set())]
)
def test_both_names_of_the_longest_answer_are_tried(
    endpoint: JudgeEndpoint, report_of: Any, refused: set[str], sent: set[str]
) -> None:
    """An older server knows the older name only; one that knows neither gets none."""

    def picky(body: dict[str, Any]) -> Reply | None:
        return next((judge_endpoint.error(422, f"Unknown field {each}") for each in refused & body.keys()), None)

    endpoint.before = picky
    code, report = report_of([GOOD], SIGHTLINE_JUDGE_MAX_TOKENS_PARAMETER="max_completion_tokens")
    assert (code, report["metrics"]["faithfulness"]["scored"]) == (0, 1)
    assert endpoint.requests[-1].keys() == {"messages", "model", "response_format", "temperature", "top_p", *sent}


def test_paid_answers_are_not_paid_again(endpoint: JudgeEndpoint, report_of: Any) -> None:
    """A second run over the same cases costs nothing, unless that is wished."""
    _, first = report_of([GOOD, BAD])
    assert first["run"]["usage"] == {
        "judge_calls": 4,
        "cached_calls": 0,
        "input_tokens": 400,
        "output_tokens": 80,
        "cost_usd": None,
    }
    _, second = report_of([GOOD, BAD])
    assert second["run"]["usage"]["judge_calls"] == 0
    assert second["run"]["usage"]["cached_calls"] == 4
    assert second["metrics"] == first["metrics"]
    _, third = report_of([GOOD, BAD], "--no-cache")
    assert third["run"]["usage"]["judge_calls"] == 4


def test_a_budget_stops_the_asking_and_says_so(endpoint: JudgeEndpoint, report_of: Any) -> None:
    """In tokens and in dollars; what was paid is kept, the rest is no pass."""
    code, report = report_of([GOOD] * 40, "--budget-tokens", "3000", "--fail-under", "faithfulness=0.5")
    assert code == 3
    assert report["metrics"]["faithfulness"]["errors"].keys() == {"BudgetReached"}
    assert "--budget-tokens 3000 does not last" in report["metrics"]["faithfulness"]["error_reasons"]["BudgetReached"]
    usage = report["run"]["usage"]
    assert usage["input_tokens"] + usage["output_tokens"] <= 3000
    prices = {"SIGHTLINE_JUDGE_INPUT_PRICE_USD": "10", "SIGHTLINE_JUDGE_OUTPUT_PRICE_USD": "10"}
    _, report = report_of([GOOD] * 40, "--budget-usd", "0.05", "--no-cache", **prices)
    assert 0 < report["run"]["usage"]["cost_usd"] <= 0.05
    assert "--budget-usd 0.05 does not last" in report["metrics"]["faithfulness"]["error_reasons"]["BudgetReached"]


SAMPLE = Sample("1", "How do I join paths?", f"{GOOD} {BAD}", (CONTEXT, "Bananas are yellow fruit."), reference=GOOD)


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("faithfulness", 0.5),
        ("context_precision", 1.0),
        ("context_precision_with_reference", 1.0),
        ("context_precision_without_reference", 1.0),
        ("context_recall", 1.0),
        ("response_groundedness", 0.0),
        ("answer_relevancy", 1.0),
        ("noise_sensitivity", 0.0),
        ("factual_correctness", 0.67),
    ],
)
async def test_each_metric_of_ragas(endpoint: JudgeEndpoint, metric: str, value: float) -> None:
    """The numbers are RAGAS's own; each score says by which prompt it came."""
    score = await _score(endpoint, metric, SAMPLE)
    assert (score.error, score.explanation != "") == ("", True)
    assert score.value == pytest.approx(value, abs=1e-3)
    assert len(score.prompt_sha256) == 64
    assert score.prompt_sha256 == (await _score(endpoint, metric, SAMPLE)).prompt_sha256


async def test_semantic_similarity_needs_embeddings_only(endpoint: JudgeEndpoint) -> None:
    """Equal texts have a cosine of 1, and no model that writes is asked."""
    same = Sample("1", "Q?", GOOD, (), reference=GOOD)
    score = await _score(endpoint, "semantic_similarity", same)
    assert (score.value, score.label) == (1.0, "same")
    assert all("input" in body for body in endpoint.requests)


@pytest.mark.parametrize("metric", ["response_groundedness", "noise_sensitivity", "factual_correctness"])
async def test_a_failure_that_ragas_would_swallow_is_a_failure(endpoint: JudgeEndpoint, metric: str) -> None:
    """RAGAS makes a NaN, or takes the other of two judges, where a call failed."""
    endpoint.before = lambda _: judge_endpoint.error(500, "out of memory") if len(endpoint.requests) > 1 else None
    score = await _score(endpoint, metric, SAMPLE)
    assert math.isnan(score.value)
    assert (score.error, "out of memory" in score.explanation) == ("JudgeUnavailable", True)
    assert len(endpoint.requests) == 2


async def test_a_refusal_has_no_noise_sensitivity(endpoint: JudgeEndpoint) -> None:
    """There is no statement that could be wrong."""
    declined = Sample("1", "Q?", "I could not find that.", (CONTEXT,), reference=GOOD)
    score = await _score(endpoint, "noise_sensitivity", declined)
    assert math.isnan(score.value)
    assert (score.label, score.error) == ("no statements", "")


def test_a_panel_asks_for_a_second_opinion_where_two_judges_disagree(endpoint: JudgeEndpoint, report_of: Any) -> None:
    """Both models reject what the words support: the majority decides, and each judge's verdict is in the evidence."""
    endpoint.wrap = lambda text: text.replace('"verdict": 1', '"verdict": 0')
    panel = [part for name in ("offline", "remote", "remote:second") for part in ("--judge", name)]
    code, report = report_of([GOOD, BAD], *panel)
    assert code == 0
    name = "panel(offline lexical, m, second)"
    assert report["run"]["judge"] == name
    assert report["run"]["judge_version"].startswith("panel-1(0.2; lexical-2, ")
    disputed, agreed = sorted(report["scores"], key=lambda score: score["case"])
    assert (disputed["judge"], disputed["value"], agreed["value"]) == (f"ragas/{name}", 0.0, 0.0)
    assert len(disputed["prompt_sha256"]) == 64
    assert disputed["explanation"].startswith("majority of 2 to 1: offline lexical 1.000; m 0.000; second 0.000")
    supported = {each["reason"].split(":")[0]: each["supported"] for each in disputed["statements"]}
    assert supported == {"offline lexical": True, "m": False, "second": False}
    # Of the answer that nothing supports the first two agree: nobody asks the third.
    asked = [body["model"] for body in endpoint.requests]
    assert (asked.count("m"), asked.count("second")) == (4, 2)
    assert report["run"]["usage"]["judge_calls"] == 6

"""Two models behind the app's HTTP interface: routing, fallback and hedging, with what spans and budgets say."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from chat_app import events
from two_models import ModeModel

from sightline import semconv
from sightline.testing import Spans
from sightline_app.limits import attributes
from sightline_app.settings import LimitSettings, PrivacySettings, RouteSettings
from sightline_app.stages import generate, route

EASY = "How do I join paths?"
HARD = "Why do I join paths?"
BY_PHRASE = {"hard_top_score": 0.0, "hard_passages": 0}
"""Only the words decide, since the passages of the shelf are what they are."""

Start = Callable[..., str]


@pytest.fixture(scope="module", name="models")
def _models() -> Iterator[tuple[ModeModel, ModeModel]]:
    small, large = ModeModel("small"), ModeModel("large")
    yield small, large
    small.served.stop()
    large.served.stop()


@pytest.fixture
def small(models: tuple[ModeModel, ModeModel]) -> ModeModel:
    """The model for easy questions."""
    models[0].reset()
    return models[0]


@pytest.fixture
def large(models: tuple[ModeModel, ModeModel]) -> ModeModel:
    """The model for hard questions."""
    models[1].reset()
    return models[1]


@pytest.fixture(name="start")
def _start(small: ModeModel, large: ModeModel, serve: Callable[..., str]) -> Start:
    """Serve the app in this process; returns its address."""

    def start(app: dict[str, Any] | None = None, **routing: Any) -> str:
        return serve(
            model_base_url=small.url,
            chat_model="m-small",
            route=RouteSettings(large_model="m-large", large_base_url=large.url, **{**BY_PHRASE, **routing}),
            **(app or {}),
        )

    return start


def ask(url: str, question: str) -> list[tuple[str, Any]]:
    """Ask; the events of the answer."""
    body = {"question": question}
    return events(httpx.post(f"{url}/v1/chat", json=body, headers={"x-tenant-id": "acme"}, timeout=60).text)


def said(told: list[tuple[str, Any]]) -> str:
    """The text of an answer."""
    return "".join(data["text"] for name, data in told if name == "token")


def of_stage(spans: Spans, stage: str, count: int = 1) -> list[dict[str, Any]]:
    """Attributes of the spans of a stage, once there are that many; they may end after the response."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = [dict(s.attributes or {}) for s in spans if (s.attributes or {}).get(semconv.STAGE) == stage]
        if len(found) >= count:
            return found
        time.sleep(0.01)
    raise AssertionError(f"no {count} spans of {stage}")


def test_easy_question_goes_to_the_small_model_and_hard_one_to_the_large(
    start: Start, small: ModeModel, large: ModeModel, spans: Spans
) -> None:
    """Only the chosen one is asked; span and request say which, and why."""
    url = start()
    assert said(ask(url, EASY)) == "small says alpha "
    told = of_stage(spans, "request")[0]
    assert told[route.SIZE] == "small"
    assert told[generate.ANSWERED_BY] == "m-small"
    spans.clear()
    assert said(ask(url, HARD)) == "large says alpha "
    told = of_stage(spans, "request")[0]
    assert told[route.REASONS] == ("hard: phrase why",)
    assert told[route.MODELS] == ("m-large", "m-small")
    assert spans.attributes("route")[route.SIZE] == "large"
    model = of_stage(spans, "model")[0]
    assert (model[semconv.GEN_AI_REQUEST_MODEL], model[generate.ASKED]) == ("m-large", "first")
    assert (small.asked, large.asked) == (1, 1)


@pytest.mark.parametrize("mode", ["refuse", "too_long", "break_first"])
def test_model_that_fails_before_its_first_token_is_replaced(
    start: Start, small: ModeModel, large: ModeModel, spans: Spans, mode: str
) -> None:
    """The reader sees a whole answer of the other model; its span names the failure, the failed one's is an error."""
    large.mode = mode
    told = ask(start(), HARD)
    assert said(told) == "small says alpha "
    assert told[-1][1]["finish_reason"] == "stop"
    request = of_stage(spans, "request")[0]
    assert (request[generate.ANSWERED_BY], request[generate.ANSWERED_AS]) == ("m-small", "fallback")
    failed, answered = of_stage(spans, "model", 2)
    assert failed[semconv.ERROR_TYPE] == "ModelUnavailable" or semconv.ERROR_TYPE in failed
    assert answered[generate.ASKED] == "fallback"
    assert large.url in answered[generate.BECAUSE]
    assert (small.asked, large.asked) == (1, 1)


def test_silent_model_is_replaced_after_its_timeout(start: Start, large: ModeModel) -> None:
    """Silence for longer than the model's timeout is a failure like any other; its call is given up."""
    large.mode = "hang"
    assert said(ask(start({"model_timeout_s": 0.5}), HARD)) == "small says alpha "
    assert large.left.wait(30)


def test_model_that_never_answers_does_not_hold_the_request_beyond_its_deadline(
    start: Start, small: ModeModel, large: ModeModel, spans: Spans
) -> None:
    """The deadline counts while nothing comes; then no other model is asked, and the call is given up."""
    large.mode = "hang"
    name, data = ask(start({"request_timeout_s": 1.0}), HARD)[-1]
    assert (name, data["type"]) == ("error", "model_unavailable")
    assert "SIGHTLINE_APP_REQUEST_TIMEOUT_S=1" in data["message"]
    assert small.asked == 0
    assert large.left.wait(30)
    assert len(of_stage(spans, "model")) == 1


def test_nobody_takes_over_after_the_first_token(start: Start, small: ModeModel, large: ModeModel) -> None:
    """What was read cannot be taken back: the stream ends with an error."""
    large.mode = "break_later"
    told = ask(start(), HARD)
    assert said(told) == "large "
    assert (told[-1][0], told[-1][1]["type"]) == ("error", "model_unavailable")
    assert small.asked == 0


def test_failure_of_both_models_is_an_error(start: Start, small: ModeModel, large: ModeModel) -> None:
    """The last failure is told; each model was asked once."""
    small.mode = large.mode = "refuse"
    told = ask(start(), HARD)
    assert (told[-1][0], told[-1][1]["type"]) == ("error", "model_unavailable")
    assert (small.asked, large.asked) == (1, 1)


def test_fallback_that_is_turned_off_does_not_happen(start: Start, small: ModeModel, large: ModeModel) -> None:
    """Each question has one model."""
    large.mode = "refuse"
    assert ask(start(fallback=False), HARD)[-1][0] == "error"
    assert small.asked == 0


def test_open_circuit_leaves_a_model_alone_until_it_may_be_tried(
    start: Start, small: ModeModel, large: ModeModel, spans: Spans
) -> None:
    """After failures in a row the other one is asked first, and the reason says so."""
    large.mode = "refuse"
    url = start(circuit_failures=2, circuit_s=3600.0)
    for _ in range(3):
        assert said(ask(url, HARD)) == "small says alpha "
    assert large.asked == 2
    last = of_stage(spans, "request", 3)[-1]
    assert last[route.REASONS] == ("hard: phrase why", "circuit_open: large")
    assert last[generate.ANSWERED_AS] == "first"
    assert small.asked == 3


def test_question_that_a_model_refuses_opens_no_circuit(start: Start, large: ModeModel) -> None:
    """A too long question is one reader's; the others still get that model."""
    large.mode = "too_long"
    url = start(circuit_failures=1, circuit_s=3600.0)
    ask(url, HARD)
    large.mode = "answer"
    assert said(ask(url, HARD)) == "large says alpha "


def test_hedge_wins_and_the_slow_model_is_cancelled_and_charged(
    start: Start, small: ModeModel, large: ModeModel, spans: Spans
) -> None:
    """The second answers in time; the first one's call ends as cancelled, and its prompt is charged as well."""
    large.mode = "hang"
    limits = LimitSettings(tokens_per_day=1_000_000)
    told = ask(start({"limits": limits}, hedge_after_s=0.2), HARD)
    assert said(told) == "small says alpha "
    assert told[-1][1]["usage"] == {"input_tokens": 80, "output_tokens": 10}
    assert large.left.wait(30)
    request = of_stage(spans, "request")[0]
    assert request[generate.ANSWERED_AS] == "hedge"
    assert request[generate.IN_VAIN] == 40
    assert request[attributes.LIMIT_CHARGED_TOKENS] == 90
    by_model = {each[semconv.GEN_AI_REQUEST_MODEL]: each for each in of_stage(spans, "model", 2)}
    assert by_model["m-large"][semconv.SPAN_CANCELLED] is True
    assert by_model["m-small"][generate.BECAUSE] == "no first token within 0.2 s"
    assert by_model["m-small"][semconv.STREAM_OUTCOME] == "completed"
    assert small.asked == 1


def test_hedge_is_not_needed_for_a_model_that_answers_in_time(
    start: Start, small: ModeModel, large: ModeModel, spans: Spans
) -> None:
    """Only one is asked and charged."""
    told = ask(start(hedge_after_s=30.0), HARD)
    assert told[-1][1]["usage"] == {"input_tokens": 40, "output_tokens": 10}
    assert (small.asked, large.asked) == (0, 1)
    assert generate.IN_VAIN not in of_stage(spans, "request")[0]


def test_hedge_that_fails_leaves_the_first_model_its_time(start: Start, small: ModeModel, large: ModeModel) -> None:
    """The failure of the second one is not the end of the first one: here that of its own deadline is."""
    large.mode, small.mode = "hang", "refuse"
    name, data = ask(start({"request_timeout_s": 1.5}, hedge_after_s=0.2), HARD)[-1]
    assert (name, data["type"]) == ("error", "model_unavailable")
    assert "REQUEST_TIMEOUT" in data["message"]
    assert (small.asked, large.asked) == (1, 1)


def test_reader_who_leaves_ends_every_model(start: Start, small: ModeModel, large: ModeModel, spans: Spans) -> None:
    """Before the first token both calls are given up, and both spans end as cancelled."""
    small.mode = large.mode = "hang"
    url = start(hedge_after_s=0.2)
    body = {"question": HARD}
    with httpx.stream("POST", f"{url}/v1/chat", json=body, timeout=60) as answer:
        lines = answer.iter_lines()
        while "sources" not in next(lines):
            pass
        deadline = time.monotonic() + 30
        while not (small.asked and large.asked):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert small.left.wait(30)
    assert large.left.wait(30)
    assert all(each[semconv.SPAN_CANCELLED] is True for each in of_stage(spans, "model", 2))


def test_model_that_may_see_nothing_of_a_tenant_is_not_asked(
    start: Start, large: ModeModel, tmp_path: Path, spans: Spans
) -> None:
    """Residency rules hold for the large model too: the small one answers, even when it fails."""
    rules = tmp_path / "residency.toml"
    rules.write_text(
        f'[providers.far]\nurl = "{large.served.url}"\nregion = "us"\n'
        '[providers.near]\nurl = "http://127.0.0.1"\nregion = "de"\n'
        '[tenants.acme]\nregion = "de"\nin_country = true\n'
    )
    told = ask(start({"privacy": PrivacySettings(residency_file=rules)}), HARD)
    assert said(told) == "small says alpha "
    assert large.asked == 0
    assert of_stage(spans, "request")[0][route.REASONS] == ("data_residency: large",)

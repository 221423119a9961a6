"""What autoscalers read, how budgets are told to them, and how a process drains."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client.parser import text_string_to_metric_families

from sightline import semconv
from sightline_app.limits.budget_use import BudgetUse
from sightline_app.limits.rules import Decision, Standing
from sightline_app.scaling import signals as signals_module
from sightline_app.scaling.drain import Drain
from sightline_app.scaling.signals import Destination, ScaleSignals, Watched


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s


def decision(used: int, refused_by: str = "", name: str = "tokens_per_day") -> Decision:
    """What a ledger says of a budget of 100."""
    return Decision(
        refused_by, 0, False, (Standing(name, 100, 100 - used, 0, used), Standing("requests_per_minute", 9, 0, 0, 9))
    )


def test_budget_use_is_that_of_whoever_used_most() -> None:
    """Rates are no budgets; refusals and charges are counted; a caller who does not ask any more is forgotten."""
    clock = Clock()
    use = BudgetUse(clock)
    use.note(decision(80), 7)
    use.note(decision(20, refused_by="tokens_per_day"), 5)
    assert use.used() == {"tokens_per_day": 0.8}
    assert (use.charged_tokens, use.refused()) == (12, {"tokens_per_day": 1})
    clock.now_s += 301
    use.note(decision(30))
    assert use.used() == {"tokens_per_day": 0.8}  # of the last 5 to 10 minutes
    clock.now_s += 301
    assert use.used() == {"tokens_per_day": 0.3}
    clock.now_s += 900
    assert use.used() == {}


def test_drain_is_over_when_no_answer_runs() -> None:
    """Before the signal it is not, whatever runs."""
    running, clock, given_up = [2], Clock(), []
    drain = Drain(10.0, lambda: running[0], lambda: given_up.append(True), clock)
    assert not drain.has_begun
    assert not drain.is_over()
    drain.begin()
    assert drain.has_begun
    assert not drain.is_over()
    running[0] = 0
    assert drain.is_over()
    assert not given_up


def test_drain_gives_answers_up_when_its_time_is_over() -> None:
    """A second signal does not make the time longer."""
    clock, given_up = Clock(), []
    drain = Drain(10.0, lambda: 1, lambda: given_up.append(True), clock)
    drain.begin()
    clock.now_s += 9
    drain.begin()
    assert not drain.is_over()
    clock.now_s += 1
    assert drain.is_over()
    assert given_up == [True]


@pytest.fixture(name="signals")
def _signals() -> Any:
    signals = ScaleSignals()
    yield signals
    signals.close()


def samples(signals: ScaleSignals) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What the page shows: value by name and labels, buckets left out."""
    families = text_string_to_metric_families(signals.page().decode())
    return {
        (each.name, tuple(sorted(each.labels.items()))): each.value
        for family in families
        for each in family.samples
        if "le" not in each.labels
    }


def test_gauges_are_asked_when_the_page_is_read(signals: ScaleSignals) -> None:
    """They show the present, and name no tenant."""
    running = [1]
    signals.watch(
        Watched(
            open_answers=lambda: running[0],
            waiting_answers=lambda: 0,
            waiting_documents=lambda: 4,
            budgets_used=lambda: {"tokens_per_day": 0.25},
            charged_tokens=lambda: 50,
            refused=dict,
        )
    )
    assert samples(signals)["sightline_app_answers_open", ()] == 1
    running[0] = 3
    found = samples(signals)
    assert found["sightline_app_answers_open", ()] == 3
    assert found["sightline_app_documents_waiting", ()] == 4
    assert found["sightline_app_budget_used", (("sightline_budget_name", "tokens_per_day"),)] == 0.25
    assert found["sightline_app_budget_tokens_total", ()] == 50


def test_histograms_are_taken_from_spans(signals: ScaleSignals) -> None:
    """A request's time to its first token, and the duration of each call of a model; of others nothing."""
    provider = TracerProvider()
    provider.add_span_processor(signals)
    tracer = provider.get_tracer("test")
    request = {semconv.STAGE: semconv.STAGE_REQUEST, semconv.RESPONSE_TIME_TO_FIRST_TOKEN: 0.4}
    tracer.start_span("POST /v1/chat", attributes=request, start_time=0).end(2_000_000_000)
    call = {semconv.GEN_AI_OPERATION_NAME: "chat", semconv.GEN_AI_REQUEST_MODEL: "m"}
    tracer.start_span("chat m", attributes=call, start_time=0).end(1_500_000_000)
    tracer.start_span("search", start_time=0).end(1)
    found = samples(signals)
    assert found["sightline_app_response_time_to_first_token_seconds_sum", ()] == 0.4
    labels = (("gen_ai_operation_name", "chat"), ("gen_ai_request_model", "m"))
    assert found["gen_ai_client_operation_duration_seconds_sum", labels] == 1.5
    assert sum(name.endswith("_count") for name, _ in found) == 2


def test_metrics_go_to_the_collector_without_what_the_library_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the latest at the end; the duration of calls is on the page only."""
    sent: list[tuple[str, bytes]] = []

    def post(self: Any, url: str, *, content: bytes) -> Any:
        assert self.headers["authorization"] == "Bearer k"
        sent.append((url, content))
        return SimpleNamespace(is_success=True)

    monkeypatch.setattr(signals_module.httpx.Client, "post", post)
    where = Destination("http://collector/v1/metrics", {"authorization": "Bearer k"}, 3600.0, {"service.name": "rag"})
    signals = ScaleSignals(where)
    signals.record_first_token(0.2)
    signals.close()
    ((url, content),) = sent
    assert url == "http://collector/v1/metrics"
    (resource,) = ExportMetricsServiceRequest.FromString(content).resource_metrics
    assert {each.key: each.value.string_value for each in resource.resource.attributes}["service.name"] == "rag"
    names = [metric.name for scope in resource.scope_metrics for metric in scope.metrics]
    assert names == ["sightline_app.response.time_to_first_token"]


def test_collector_that_is_away_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The report is lost, and its totals are in the next one."""

    def post(self: Any, url: str, *, content: bytes) -> Any:
        raise signals_module.httpx.ConnectError("away")

    monkeypatch.setattr(signals_module.httpx.Client, "post", post)
    signals = ScaleSignals(Destination("http://collector/v1/metrics", {}, 3600.0, {}))
    signals.record_first_token(0.2)
    signals.close()

"""The page of alerts, over a store that answers given rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from asked_store import AskedStore, cells, data, shown, texts

from sightline_dashboards.alerts.machine import State, Status
from sightline_dashboards.alerts.phases import Phase, row_of
from sightline_dashboards.alerts.rules import Rule

RULE = Rule.model_validate(
    {
        "name": "slow", "about": "Look at <b>search</b>.", "metric": "ttft_p95_ms", "window": "10m", "above": 2500,
        "filters": {"tenant": "acme"},
    }
)  # fmt: skip


def row(
    status: Status, rule: str = "slow", ago_min: float = 20, seen_min: float = 0.2, episode: int = 1
) -> dict[str, Any]:
    """A row of the store about a rule."""
    now = datetime.now(UTC)
    state = State(status=status, episode=episode, since=now - timedelta(minutes=ago_min), peak=4000.0)
    return row_of(
        Phase(
            rule=rule, state=state, seen_at=now - timedelta(minutes=seen_min), value=3120.0, threshold=2500.0,
            events=840, severity="page", channels=("ops",), sentence="ttft_p95_ms is 3.12 s",
            definition=RULE.definition(),
        )
    )  # fmt: skip


def store(*states: dict[str, Any], phases: list[dict[str, Any]] | None = None, **more: Any) -> AskedStore:
    """A store with rules in these states."""
    return AskedStore({"alerts/states": list(states), "alerts/phases": phases or [], **more})


def test_without_an_evaluator_the_page_says_how_to_begin() -> None:
    """The commands, in order."""
    app = shown("alerts", store())
    assert "No rule has been evaluated yet" in texts(app)
    assert "alerts run" in app.code[0].value


def test_what_fires_is_first_and_leads_to_its_metric() -> None:
    """With the narrowing of the rule; what people wrote is no markup."""
    app = shown("alerts", store(row(Status.OK, "calm"), row(Status.FIRING)))
    first, second = data(app, "alert_rules")["rows"]
    assert first["cells"][:2] == ["▲ firing", "slow"]
    assert first["cells"][3:6] == ["3.12 s", "ttft_p95_ms > 2.50 s, tenant acme", "840"]
    assert first["href"] == "latency?tenant=acme"
    assert first["tones"][0] == "bad"
    assert second["cells"][:2] == ["✓ ok", "calm"]
    assert "Look at &lt;b&gt;search&lt;/b&gt;." in texts(app)
    assert "evaluated last" not in texts(app)


def test_an_evaluator_that_is_gone_is_said_first() -> None:
    """All that the page shows is old then."""
    app = shown("alerts", store(row(Status.OK, seen_min=180)))
    assert "The rules were evaluated last 3 h ago." in texts(app)


def test_history_silences_and_messages_that_wait_are_shown() -> None:
    """Who was told what, and who was not."""
    now_ms = datetime.now(UTC).timestamp() * 1e3
    delivery = {
        "rule": "slow", "episode": 1, "status": "firing", "channel": "ops", "state": "waiting", "attempts": 3,
        "next_ms": now_ms, "problem": "ops.test answered 503", "written_ms": now_ms,
    }  # fmt: skip
    silence = {
        "id": "1", "rule": "*", "begins_ms": now_ms - 1e6, "ends_ms": now_ms + 1e6, "reason": "rebuild", "author": "me",
    }  # fmt: skip
    phases = [row(Status.RESOLVED, ago_min=5), row(Status.FIRING, ago_min=20)]
    answers = {"alerts/deliveries": [delivery], "alerts/silences": [silence]}
    app = shown("alerts", store(row(Status.RESOLVED), phases=phases, **answers))
    (episode,) = cells(app, "alert_history")
    assert (episode[1], episode[3], episode[4], episode[6]) == ("slow", "15.0 min", "4.00 s", "ops: waiting")
    assert cells(app, "alert_rules")[0][-1].startswith("silent until ")
    assert cells(app, "alert_silences")[0][0::3] == ["every rule", "rebuild"]
    assert cells(app, "alert_undelivered")[0][3:] == ["3", "ops.test answered 503"]

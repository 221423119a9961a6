"""Alerts on a real store: rules on known traffic, restarts, two evaluators, a store that is away, the commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alert_journal import Channel
from alert_receivers import hook
from role_process import free_port

from sightline_dashboards.alerts import cli, conditions, readings, rules_file
from sightline_dashboards.alerts.evaluator import Evaluator
from sightline_dashboards.alerts.journal import StoreJournal
from sightline_dashboards.alerts.metrics import METRICS
from sightline_dashboards.alerts.phases import Phase
from sightline_dashboards.alerts.replay import replay
from sightline_dashboards.alerts.rules import Rule, RulesFile
from sightline_dashboards.settings import AlertSettings
from sightline_store import lease
from sightline_store.client import Client
from sightline_store.errors import StoreUnavailable
from sightline_store.lease import Lease
from sightline_store.settings import StoreSettings

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BEGIN = NOW - timedelta(hours=2)
SICK = range(60, 80)
"""The minutes of the two hours in which one request in five fails and first tokens come late."""
A_MINUTE = 30

RULES = """\
version: 1
channels: {ops: {kind: log}}
default_channels: [ops]
rules:
  - {name: errors, metric: error_rate, window: 5m, above: 5%, for: 2m, clear_for: 3m, severity: page}
  - {name: slow, metric: ttft_p95_ms, window: 5m, above: 1000, for: 2m, clear_for: 3m, filters: {tenant: acme}}
  - {name: quiet, metric: error_rate, window: 5m, above: 50%}
"""


@pytest.fixture(scope="module")
def filled(emptied: Callable[..., Client]) -> Client:
    """Two hours of requests, thirty a minute, of two tenants."""
    client = emptied()
    columns = [
        "Timestamp", "TraceId", "SpanId", "ServiceName", "Tenant", "Route", "StatusCode", "HttpStatus", "DurationMs",
        "TtftMs", "TtftDefinition",
    ]  # fmt: skip
    rows: list[list[Any]] = []
    for minute in range(120):
        for number in range(A_MINUTE):
            failed = minute in SICK and number % 5 == 0
            ttft_ms = (2000.0 if minute in SICK else 200.0) + number
            rows.append([
                BEGIN + timedelta(minutes=minute, seconds=2 * number), f"{minute:016x}{number:016x}", f"{number:016x}",
                "rag-api", "acme" if number % 2 else "globex", "/v1/chat", "Error" if failed else "Unset",
                500 if failed else 200, ttft_ms + 800, ttft_ms, "delivered",
            ])  # fmt: skip
    client.insert_rows("requests", columns, rows)
    return client


@pytest.fixture
def client(filled: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    """The store with its requests and nothing about alerts; claims of one process need not wait for others."""
    monkeypatch.setattr(lease, "_SETTLE_S", 0.0)
    for table in ("alert_events", "alert_deliveries", "alert_silences", "leases"):
        filled.command(f"TRUNCATE TABLE {table} SYNC")
    return filled


class Time:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> datetime:
        """The moment that was set."""
        return self.now


def evaluator(client: Client, clock: Time, ops: Channel, folder: Path, file: RulesFile | None = None) -> Evaluator:
    """An evaluator as a newly started process has it."""
    settings = AlertSettings(state_dir=folder, lease_s=60)
    rules = file or rules_file.parse(RULES, "a.yaml")
    return Evaluator(client, rules, dict.fromkeys(rules.channels, ops), settings, clock)


def history(client: Client) -> list[tuple[str, int, str]]:
    """The firing and resolved phases that are kept."""
    kept = StoreJournal(client).kept(NOW)
    return sorted((phase.rule, phase.state.episode, str(phase.state.status)) for phase in kept.phases)


def until(is_so: Callable[[], object]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline, "not within the time"
        time.sleep(0.02)


def test_metrics_are_those_of_the_traffic(client: Client) -> None:
    """Computed from the same rows in another way; narrowed too."""
    (row,) = client.query_rows(
        "SELECT countIf(HttpStatus >= 500) / count() AS errors, quantileExact(0.95)(TtftMs) AS p95, count() AS n "
        "FROM requests WHERE Tenant = 'globex' AND Timestamp >= {from:DateTime64(3, 'UTC')} "
        "AND Timestamp < {to:DateTime64(3, 'UTC')}",
        {"from": "2026-03-01 11:00:00.000", "to": "2026-03-01 11:10:00.000"},
    )
    for name, wanted, above in (
        ("error_rate", row["errors"], "1%"),
        ("ttft_p95_ms", row["p95"], 1000),
        ("requests_per_minute", row["n"] / 10, 1),
    ):
        late = timedelta(seconds=METRICS[name].late_s)
        fields = {"name": "a", "metric": name, "window": "10m", "above": above, "filters": {"tenant": "globex"}}
        rule = Rule.model_validate(fields)
        found = conditions.observe(rule, *readings.current(client, rule, NOW - timedelta(minutes=50) + late))
        assert found.value == pytest.approx(wanted, rel=0.006), name
        assert wanted > 0


def test_every_metric_is_answered_by_the_store(client: Client) -> None:
    """Also where there is nothing of it; the question of a week is one question."""
    for metric in METRICS.values():
        fields: dict[str, Any] = {"name": "a", "metric": metric.name, "window": "5m", "above": 1}
        rule = Rule.model_validate(fields | ({"slower_than": "1s"} if metric.slower_than else {}))
        series, end_s = readings.current(client, rule, datetime.now(UTC))
        found = conditions.observe(rule, series, end_s)
        known = {"requests_per_minute", "tokens_per_hour", "cost_per_hour_usd", "spans_lost", "disk_free_share"}
        assert (found.value is not None) == (metric.name in known), metric.name

    class Counting:
        asked = 0

        def query_rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
            self.asked += 1
            return client.query_rows(sql, params)

    counting = Counting()
    rule = Rule.model_validate({"name": "a", "metric": "error_rate", "burn_rate": {"objective": "99%"}})
    readings.past(counting, rule, NOW - timedelta(days=7), NOW)
    assert counting.asked == 1


def test_rules_fire_and_resolve_once_with_a_restart_before_every_evaluation(client: Client, tmp_path: Path) -> None:
    """Each evaluation is a new process; a silent one tells nobody; what happened is what `alerts test` says."""
    clock, ops = Time(), Channel()
    journal = StoreJournal(client)
    journal.silence("slow", BEGIN, NOW, "index rebuild", "me")
    seen: list[Phase] = []
    for minute in (*range(59, 69), *range(80, 92)):
        clock.now = BEGIN + timedelta(minutes=minute)
        assert evaluator(client, clock, ops, tmp_path).run_once()
        seen.append(journal.states()["errors"])
    assert ops.statuses == ["errors firing", "errors resolved"]
    fired, resolved = ops.taken
    assert fired.severity == "page"
    assert "error_rate over 5 min is" in fired.sentence
    assert resolved.peak == pytest.approx(0.2)
    assert history(client) == [
        ("errors", 1, "firing"), ("errors", 1, "resolved"), ("slow", 1, "firing"), ("slow", 1, "resolved"),
    ]  # fmt: skip
    told = {(key[0][0], each.told) for key, each in journal.kept(NOW).deliveries.items()}
    assert told == {("errors", "sent"), ("slow", "silenced")}
    assert {str(phase.state.status) for phase in seen} == {"ok", "pending", "firing", "resolved"}
    rule = rules_file.parse(RULES, "a.yaml").rule("errors")
    first = BEGIN + timedelta(minutes=58)
    series = readings.past(client, rule, first, first + timedelta(minutes=40))
    (episode,) = replay(rule, series, first, first + timedelta(minutes=40)).episodes
    assert abs(episode.begins - fired.since) <= timedelta(minutes=1)
    assert episode.ends is not None
    assert abs(episode.ends - resolved.since) <= timedelta(minutes=1)


def test_of_two_evaluators_one_acts(client: Client, tmp_path: Path) -> None:
    """While a claim holds the other does nothing; two that act all the same write and tell the same."""
    clock, ops = Time(), Channel()
    clock.now = BEGIN + timedelta(minutes=70)
    holder = Lease(client, "alerts", 60)
    assert holder.claim()
    assert not evaluator(client, clock, ops, tmp_path).run_once()
    assert StoreJournal(client).states() == {}
    holder.release()
    both = [evaluator(client, clock, ops, tmp_path) for _ in range(2)]
    threads = [threading.Thread(target=each.evaluate) for each in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    clock.now += timedelta(minutes=2)
    for each in both:
        each.evaluate()
    assert history(client) == [("errors", 1, "firing"), ("slow", 1, "firing")]


def test_a_store_that_is_away_is_told_once(client: Client, tmp_path: Path) -> None:
    """Three rules, a restart before every attempt, one message; when the store is back it is history."""
    gone = Client(StoreSettings(url=f"http://127.0.0.1:{free_port()}", database=client.settings.database))
    # The file of what is away is named after the store: this one comes back at another port.
    back = Client(client.settings)
    clock, ops = Time(), Channel()
    for minute in range(6):
        clock.now = BEGIN + timedelta(minutes=minute)
        with pytest.raises(StoreUnavailable):
            evaluator(gone, clock, ops, tmp_path).run_once()
    assert ops.statuses == ["store-away firing"]
    (file,) = tmp_path.iterdir()
    renamed = f"{client.settings.url} {client.settings.database}".replace("://", "-").replace(".", "-")
    file.rename(tmp_path / f"{renamed.replace(':', '-').replace(' ', '-')}.json")
    for minute in range(6, 9):
        clock.now = BEGIN + timedelta(minutes=minute)
        evaluator(back, clock, ops, tmp_path).run_once()
    assert ops.statuses == ["store-away firing", "store-away resolved"]
    assert [row[0::2] for row in history(client)] == [("store-away", "firing"), ("store-away", "resolved")]
    back.close()
    gone.close()


def test_a_rule_that_the_file_has_no_longer_is_closed(client: Client, tmp_path: Path) -> None:
    """People are told, by the channels that heard of it."""
    clock, ops = Time(), Channel()
    for minute in (70, 72):
        clock.now = BEGIN + timedelta(minutes=minute)
        evaluator(client, clock, ops, tmp_path).run_once()
    clock.now += timedelta(minutes=1)
    left = rules_file.parse("\n".join(RULES.splitlines()[:4]) + "\n" + RULES.splitlines()[6] + "\n", "a.yaml")
    evaluator(client, clock, ops, tmp_path, left).run_once()
    assert sorted(ops.statuses) == ["errors firing", "errors resolved", "slow firing", "slow resolved"]
    assert ops.taken[-1].sentence == "The rules file has this rule no longer."


def test_run_tells_a_webhook_and_ends_when_asked(client: Client, tmp_path: Path) -> None:
    """A receiver that refuses at first gets the message when it takes it again."""
    clock = Time()
    clock.now = BEGIN + timedelta(minutes=70)
    text = RULES.replace("{kind: log}", "{kind: webhook, url: 'HOOK'}").replace("for: 2m", "for: 0")
    with hook() as receiver:
        receiver.answers = [503, 503]
        file = rules_file.parse(text.replace("HOOK", f"http://127.0.0.1:{receiver.port}/"), "a.yaml")
        settings = AlertSettings(state_dir=tmp_path, interval_s=1, lease_s=5)
        working = Evaluator(client, file, cli.channels.build(file, settings, {}), settings, clock)
        thread = threading.Thread(target=working.run)
        thread.start()
        try:
            until(lambda: receiver.taken)
            clock.now += timedelta(minutes=1)
            until(lambda: len(receiver.taken) >= 2)
            clock.now += timedelta(minutes=1)
            until(lambda: len(receiver.taken) >= 4)
        finally:
            working.stop()
            thread.join(30)
    assert not thread.is_alive()
    ids = [{name.lower(): value for name, value in taken.headers.items()}["webhook-id"] for taken in receiver.taken]
    assert len(set(ids)) == 2
    waiting = [each for each in StoreJournal(client).kept(NOW).deliveries.values() if each.told != "sent"]
    assert waiting == []


def test_the_process_tells_of_a_store_that_is_away_and_ends_when_asked(tmp_path: Path) -> None:
    """One message for all rules; SIGTERM ends it with 0 while the store is still away."""
    with hook() as receiver:
        rules = tmp_path / "rules.yaml"
        away = "default_channels: [ops]\nstore_away: {for: 0s}"
        text = RULES.replace("{kind: log}", f"{{kind: webhook, url: 'http://127.0.0.1:{receiver.port}/'}}")
        rules.write_text(text.replace("default_channels: [ops]", away))
        env = {
            "SIGHTLINE_STORE_URL": f"http://127.0.0.1:{free_port()}",
            "SIGHTLINE_ALERTS_RULES": str(rules),
            "SIGHTLINE_ALERTS_STATE_DIR": str(tmp_path / "state"),
            "SIGHTLINE_ALERTS_INTERVAL_S": "1",
        }
        log = tmp_path / "alerts.log"
        command = [str(Path(sys.executable).with_name("sightline-dashboards")), "alerts", "run"]
        with log.open("wb") as out, subprocess.Popen(command, env=os.environ | env, stdout=out, stderr=out) as process:
            try:
                until(lambda: receiver.taken)
            finally:
                process.terminate()
            assert process.wait(30) == 0, log.read_text()
    (told,) = [json.loads(each.body) for each in receiver.taken]
    assert (told["type"], told["data"]["rule"]) == ("alert.firing", "store-away")
    assert "Traceback" not in log.read_text()


def test_a_stopped_evaluator_begins_nothing_more(client: Client, tmp_path: Path) -> None:
    """Neither a rule nor a message; the next one goes on with what was kept."""
    clock, ops = Time(), Channel()
    clock.now = BEGIN + timedelta(minutes=70)
    file = rules_file.parse(RULES.replace("for: 2m", "for: 0"), "a.yaml")
    stopped = evaluator(client, clock, ops, tmp_path, file)
    stopped.stop()
    stopped.run_once()
    assert (list(StoreJournal(client).states()), ops.attempts) == (["errors"], 0)
    evaluator(client, clock, ops, tmp_path, file).run_once()
    assert sorted(ops.statuses) == ["errors firing", "slow firing"]


def test_commands(
    client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a person sees: states, a silence, a test over the past, and what is wrong."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    env = {
        "SIGHTLINE_STORE_URL": client.settings.url,
        "SIGHTLINE_STORE_DATABASE": client.settings.database,
        "SIGHTLINE_ALERTS_RULES": str(rules),
        "SIGHTLINE_ALERTS_STATE_DIR": str(tmp_path / "state"),
    }

    def run(*given: str, code: int = 0) -> str:
        assert cli.main(given, env) == code
        out, err = capsys.readouterr()
        return out + err

    assert "No rule was evaluated yet" in run("list")
    assert run("run", "--once") == ""
    assert "errors  page" in run("list").replace("   ", "  ")
    assert "tells nobody until" in run("silence", "errors", "--for", "2h", "--why", "rebuild")
    assert f"{datetime.now(UTC) + timedelta(hours=2):%Y-%m-%d}" in run("list")
    assert "Ended: 1 silence of errors." in run("silence", "errors", "--end")

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert "tells nobody until" in run("silence", "errors")
    days = (datetime.now(UTC) - BEGIN) / timedelta(days=1)
    assert "evaluations" in run("test", "quiet", "--days", "0.01")
    for wrong in (str(days + 400), "0.0001", "-1", "nan"):
        needs = "needs a minute (0.0007) or more and at most 365"
        assert needs in run("test", "quiet", "--days", wrong, code=cli.USAGE)
    assert "needs at most 366d" in run("silence", "errors", "--for", "9999999w", code=cli.USAGE)
    assert "3 rules, 1 channel:" in run("check")
    assert "ttft_p95_ms" in run("metrics")
    assert "version: 1" in run("rules")
    assert "ops took it" in run("notify", "ops")
    assert "--every: 'soon' is no duration" in run("run", "--every", "soon", code=cli.USAGE)
    assert "there is no rule 'nope'; there are errors, slow, quiet" in run("test", "nope", code=cli.USAGE)
    rules.write_text(RULES.replace("above: 5%", "above: lots"))
    assert "rules.yaml:5: rule errors, field above: 'lots' is no number" in run("check", code=cli.USAGE)
    env["SIGHTLINE_STORE_URL"] = f"http://127.0.0.1:{free_port()}"
    rules.write_text(RULES)
    assert "no ClickHouse answers at SIGHTLINE_STORE_URL" in run("list", code=cli.UNAVAILABLE)

"""Rules files: what is read, and what a wrong one is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sightline_dashboards.alerts import messages, rules_file
from sightline_dashboards.alerts.errors import RulesInvalid
from sightline_dashboards.alerts.metrics import METRICS
from sightline_dashboards.alerts.rules import Rule, RulesFile
from sightline_dashboards.timeline import ranges

HEAD = "version: 1\nchannels:\n  ops: {kind: log}\nrules:\n"
DOCS = Path(__file__).parents[4] / "docs" / "alerts.md"


def parse(rules: str, head: str = HEAD) -> RulesFile:
    """Read rules below a head with one channel, which ends in line 4."""
    return rules_file.parse(head + rules, "a.yaml")


def problems(rules: str, head: str = HEAD) -> tuple[str, ...]:
    """What is wrong, without the file's name."""
    with pytest.raises(RulesInvalid) as raised:
        parse(rules, head)
    assert all(line.startswith("a.yaml:") for line in str(raised.value).splitlines())
    return raised.value.problems


def test_the_ready_rules_are_read_and_cover_what_they_promise() -> None:
    """Each metric and channel is there; what a rule leaves out has its default."""
    file = rules_file.load(None)
    assert {rule.metric for rule in file.rules} >= {
        *("ttft_p95_ms", "error_rate", "cost_per_hour_usd", "groundedness_mean", "drift_alarm", "spans_lost"),
        "spool_bytes",
    }
    assert all(file.channels_of(rule) == ("log",) for rule in file.rules)
    assert {rule.burn_rate.speed for rule in file.rules if rule.burn_rate} == {"fast", "slow"}


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("- {name: a, metric: error_rate, window: 5m, above: many}", "rule a, field above: 'many' is no number"),
        ("- {name: a, metric: error_rate, window: 5m, above: 5}", "field above: error_rate is between 0 and 1"),
        ("- {name: a, metric: error_rte, window: 5m, above: 1%}", "field metric: there is no metric 'error_rte'"),
        ("- {name: a, metric: error_rate, window: 5, above: 1%}", "field window: 5 is no duration"),
        ("- {name: a, metric: error_rate, window: 9999999w, above: 1%}", "field window: '9999999w' is too long: 366d"),
        ("- {name: a, metric: error_rate, window: 90s, above: 1%}", "field window: needs whole minutes"),
        ("- {name: a, metric: error_rate, window: 5m}", "rule a: needs one of above, below, change and burn_rate"),
        ("- {name: a, metric: error_rate, window: 5m, above: 1%, below: 0}", "field below: needs one of above"),
        ("- {name: a, metric: error_rate, above: 1%}", "field window: needs whole minutes, 1m or more"),
        ("- {name: a, metric: error_rate, window: 5m, above: 1%, resolve: 2%}", "field resolve: has to be on the good"),
        ("- {name: a, metric: error_rate, window: 5m, above: 1%, windo: 1m}", "field windo: there is no such field"),
        ("- {name: a, window: 5m, above: 1%}", "rule a, field metric: is missing"),
        ("- {name: A b, metric: error_rate, window: 5m, above: 1%}", "field name: 'A b' does not fit"),
        ("- {name: store-away, metric: error_rate, window: 5m, above: 1%}", "field name: this name is Sightline's own"),
        ("- {name: a, metric: error_rate, window: 5m, above: 1%, channels: [x]}", "there is no channel 'x'"),
        ("- {name: a, metric: error_rate, window: 5m, above: 1%, severity: loud}", "field severity: input should be"),
        ("- {name: a, metric: error_rate, window: 5m, above: 1%, for: soon}", "field for: 'soon' is no duration"),
        ("- {name: a, metric: spool_bytes, window: 5m, above: 1, filters: {tenant: t}}", "field filters.tenant: spool"),
        ("- {name: a, metric: ttft_slow_share, window: 5m, above: 1%}", "ttft_slow_share needs slower_than"),
        ("- {name: a, metric: error_rate, window: 5m, above: 1%, slower_than: 1s}", "field slower_than: error_rate"),
        ("- {name: a, metric: error_rate, burn_rate: {objective: 90%}}", "field burn_rate: can never be breached"),
        ("- {name: a, metric: ttft_p95_ms, burn_rate: {objective: 99%}}", "field burn_rate: needs a metric that is a"),
        ("- {name: a, metric: error_rate, window: 5m, burn_rate: {objective: 99%}}", "field window: a burn rate has"),
        ("- {name: a, metric: error_rate, burn_rate: {objective: 99.9}}", "field burn_rate.objective: input should be"),
        ("- {name: a, metric: disk_free_share, window: 5m, change: {against: window_before, below: -1%}}", "no ear"),
        ("- {name: a, metric: error_rate, window: 5m, change: {against: window_before}}", "field change: needs one of"),
    ],
)
def test_what_is_wrong_names_line_rule_and_field(line: str, wanted: str) -> None:
    """The rule is in line 5; each message says what it needs."""
    (problem,) = problems(line)
    assert problem.startswith(":5: ")
    assert wanted in problem


def test_everything_that_is_wrong_is_told_at_once() -> None:
    """Each with its own line."""
    found = problems(
        "- {name: a, metric: error_rate, window: 5m, above: 1%}\n"
        "- name: a\n  metric: error_rate\n  window: 7m\n  above: 7\n"
        "- {name: c, metric: error_rate, window: 5m, above: 1%, channels: [ops, x]}\n"
    )
    assert [problem.split(": ")[0] for problem in found] == [":6", ":9", ":10"]


@pytest.mark.parametrize(
    ("channels", "wanted"),
    [
        ("x: {kind: webhook}", "field channels.x: needs one of url, url_env and url_file"),
        ("x: {kind: webhook, url: 'http://me:secret@host/'}", "field channels.x.url: needs an http(s) address without"),
        ("x: {kind: webhook, url: 'http://h/', url_env: U}", "needs one of url, url_env and url_file"),
        ("x: {kind: slack, url: 'https://h/'}", "field channels.x.url: there is no such field"),
        ("x: {kind: email, to: [nobody]}", "'nobody' does not fit"),
        ("x: {kind: fax}", "there is no kind 'fax'; there are webhook, slack, email and log"),
        ("x: {url: 'https://h/'}", "field channels.x: needs a kind"),
        ("x: {kind: webhook, url: 'http://h/', secret_env: A, secret_file: B}", "field channels.x.secret_file: needs"),
    ],
)
def test_a_wrong_channel_is_named(channels: str, wanted: str) -> None:
    """Secrets are not in the file: an address that holds one is refused."""
    (problem,) = problems("  []", f"version: 1\nchannels:\n  {channels}\nrules:\n")
    assert problem.startswith(":3: ")
    assert wanted in problem


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("version: 1\nrules: [\n", "a.yaml:3: is no YAML"),
        ("version: 1\nversion: 1\nrules: []\n", "a.yaml:2: 'version' is there twice"),
        ("version: 2\nrules: []\n", "a.yaml:1: field version: input should be 1"),
        ("", "a.yaml:1: needs `version: 1`"),
        ("version: 1\nrules: &r []\nmore: *r\n", "a.yaml:3: aliases (*r) are not read"),
        ("version: 1\nrules: !!python/object:os.system []\n", "a.yaml:2: is no YAML"),
    ],
)
def test_what_is_no_rules_file_is_refused_with_its_line(text: str, wanted: str) -> None:
    """Neither tags nor aliases do anything."""
    with pytest.raises(RulesInvalid, match=wanted.replace("(", r"\(").replace(")", r"\)").replace("*", r"\*")):
        rules_file.parse(text, "a.yaml")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Missing, no text, or too large."""
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "large").write_text("#" * (1 << 20) + "\n")
    for name, reason in (("none", "No such file"), ("bytes", "is not UTF-8"), ("large", "larger than 1 MiB")):
        with pytest.raises(RulesInvalid, match=f"{name}: .*{reason}"):
            rules_file.load(tmp_path / name)


def test_defaults_and_overrides_are_those_of_the_documentation() -> None:
    """Twenty events for what is of events, two minutes pending, and none for burn rates, whose windows have waited."""
    rows = (
        "- {name: a, metric: error_rate, window: 5m, above: 5%}\n"
        "- {name: b, metric: error_rate, burn_rate: {objective: 99%}}\n"
        "- {name: c, metric: spool_bytes, window: 5m, above: 5, for: 0, least_events: 3, channels: []}\n"
    )
    first, burning, spool = parse(rows).rules
    assert (first.pending_s, first.events_needed, first.resolve_at) == (120, 20, pytest.approx(0.0475))
    assert (burning.pending_s, burning.window_s, burning.threshold) == (0, 1800, 1)
    assert (spool.pending_s, spool.events_needed) == (0, 3)
    assert parse(rows).channels_of(spool) == ()


def test_a_definition_is_read_again() -> None:
    """It is kept with the state, so that the page needs no file."""
    document = yaml.safe_load(DOCS.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0])
    example = rules_file.parse(yaml.safe_dump(document), "a.yaml")
    for rule in (*rules_file.load(None).rules, *example.rules):
        assert Rule.model_validate_json(rule.definition()) == rule


def test_links_name_the_windows_of_the_pages() -> None:
    """A window that a page does not know would be ignored."""
    assert {name: length for name, (_, length) in ranges.PRESETS.items()} == messages.LINK_WINDOWS


def test_every_metric_and_field_is_documented() -> None:
    """docs/alerts.md has a line for each metric, with its unit and words, and its example is a rules file."""
    text = DOCS.read_text(encoding="utf-8")
    lines = {f"| `{metric.name}` | {metric.unit} | {metric.about}" for metric in METRICS.values()}
    assert {line for line in lines if line not in text} == set()
    example = text.split("```yaml\n")[1].split("```")[0]
    document: dict[str, Any] = yaml.safe_load(example)
    assert rules_file.parse(example, "docs/alerts.md").rules
    assert {"burn_rate", "change"} <= {key for rule in document["rules"] for key in rule}

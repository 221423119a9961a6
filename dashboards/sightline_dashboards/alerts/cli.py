"""`sightline-dashboards alerts`: the evaluator, and what people do with rules at a command line."""

from __future__ import annotations

import argparse
import getpass
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from sightline_dashboards import formats
from sightline_dashboards.alerts import board, channels, readings, rules_file
from sightline_dashboards.alerts.conditions import condition_shown, length, value_shown
from sightline_dashboards.alerts.errors import AlertsError, DeliveryFailed
from sightline_dashboards.alerts.evaluator import Evaluator
from sightline_dashboards.alerts.journal import StoreJournal
from sightline_dashboards.alerts.messages import Message
from sightline_dashboards.alerts.metrics import METRICS
from sightline_dashboards.alerts.phases import Told
from sightline_dashboards.alerts.replay import Replay, replay
from sightline_dashboards.alerts.rules import STORE_AWAY, Rule, RulesFile
from sightline_dashboards.settings import AlertSettings
from sightline_roles.key_file import aligned
from sightline_roles.stopping import stopped_by_signals
from sightline_store.client import Client
from sightline_store.errors import StoreError
from sightline_store.moments import duration_s
from sightline_store.settings import StoreSettings

USAGE: Final = 2
UNAVAILABLE: Final = 3
_LONGEST_SILENCE_S: Final = 366 * 86_400

_EPILOG = """\
examples:
  sightline-dashboards alerts rules > alerts.yaml       the rules that Sightline ships, to begin with
  sightline-dashboards alerts test ttft-p95 --days 7    what that rule would have done over the past week
  sightline-dashboards alerts run                       evaluate every minute until SIGTERM or Ctrl-C
  sightline-dashboards alerts silence ttft-p95 --for 2h --why "index rebuild"

The rules are those of SIGHTLINE_ALERTS_RULES, or of --rules. docs/alerts.md describes every field.

exit codes: 0 done, 2 usage or a wrong rules file, 3 the store does not answer or refuses
"""


def main(given: Sequence[str], env: Mapping[str, str]) -> int:
    """Run a command of `alerts`.

    Args:
        given: the command line behind `sightline-dashboards alerts`.
        env: the environment.

    Returns:
        The exit code.
    """
    arguments = _parser().parse_args(given)
    try:
        code: int = arguments.run_part(arguments, env)
    except (AlertsError, ValueError) as exc:
        print(f"sightline-dashboards alerts: {exc}", file=sys.stderr)  # noqa: T201
        return USAGE
    except StoreError as exc:
        print(f"sightline-dashboards alerts: {exc}", file=sys.stderr)  # noqa: T201
        return UNAVAILABLE
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sightline-dashboards alerts",
        description="Evaluate rules on the store at SIGHTLINE_STORE_URL, and tell people.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rules", type=Path, metavar="FILE", help="rules file (default: SIGHTLINE_ALERTS_RULES)")
    parts = parser.add_subparsers(dest="part", required=True, metavar="COMMAND")

    def part(
        name: str, run: Callable[[argparse.Namespace, Mapping[str, str]], int], words: str
    ) -> argparse.ArgumentParser:
        made = parts.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.")
        made.set_defaults(run_part=run)
        return made

    run = part("run", _run, "evaluate every rule again and again, and tell people; of several evaluators one acts")
    run.add_argument(
        "--every", metavar="TIME", help="between two evaluations, such as 60s (default: SIGHTLINE_ALERTS_INTERVAL_S)"
    )
    run.add_argument("--once", action="store_true", help="evaluate once and end, for example from cron")
    part("list", _list, "show the rules with their states, silences and messages that wait")
    test = part("test", _test, "show what a rule would have done over past days; nobody is told")
    test.add_argument("rule", metavar="RULE")
    test.add_argument("--days", type=float, default=7.0, metavar="N", help="days back from now (default: 7)")
    silence = part("silence", _silence, "keep a rule from telling anybody for some time")
    silence.add_argument("rule", metavar="RULE", help="a rule's name; `*` is every rule")
    silence.add_argument("--for", dest="length", default="1h", metavar="TIME", help="such as 30m, 2h, 1d (default: 1h)")
    silence.add_argument("--why", default="", metavar="TEXT", help="shown beside the rule")
    silence.add_argument("--end", action="store_true", help="end the rule's silences instead")
    part("check", _check, "read the rules file and say what is wrong with it")
    part("rules", _rules, "print the rules that Sightline ships")
    part("metrics", _metrics, "list the metrics that a rule can name")
    notify = part("notify", _notify, "send a message to a channel, to see whether it arrives")
    notify.add_argument("channel", metavar="CHANNEL")
    return parser


def _run(arguments: argparse.Namespace, env: Mapping[str, str]) -> int:
    every = float(_length("--every", arguments.every)) if arguments.every else None
    settings = AlertSettings.from_env(env, interval_s=every)
    file = _file(arguments, settings)
    client = Client(StoreSettings.from_env(env))
    for noisy in ("urllib3", "clickhouse_connect"):  # each attempt is logged, or told, as what it means
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    evaluator = Evaluator(client, file, channels.build(file, settings, env), settings)
    if arguments.once:
        evaluator.run_once()
        return 0
    with stopped_by_signals(evaluator.stop):
        evaluator.run()
    return 0


def _list(arguments: argparse.Namespace, env: Mapping[str, str]) -> int:
    file = _file(arguments, AlertSettings.from_env(env))
    journal, now = StoreJournal(Client(StoreSettings.from_env(env))), datetime.now(UTC)
    states, kept = journal.states(), journal.kept(now)
    rows = [("rule", "severity", "state", "since", "value", "condition", "silent until")]
    for rule in file.rules:
        phase, silence = states.get(rule.name), board.longest_silence(kept.silences, rule.name, now)
        rows.append((
            rule.name,
            str(rule.severity),
            str(phase.state.status) if phase else "never evaluated",
            f"{phase.state.since:%Y-%m-%d %H:%M}" if phase else "",
            value_shown(rule, phase.value) if phase else "",
            condition_shown(rule),
            f"{silence.ends:%Y-%m-%d %H:%M}" if silence else "",
        ))  # fmt: skip
    away = states.get(STORE_AWAY)
    if away:
        since = f"{away.state.since:%Y-%m-%d %H:%M}"
        rows.append((STORE_AWAY, away.severity, str(away.state.status), since, "", "the store does not answer", ""))
    _print(aligned(rows))
    for each in board.undelivered(kept):
        what = "waits" if each.told is Told.WAITING else "was given up"
        rule_name, _, status = each.phase
        _print(f"A message to {each.channel}, that {rule_name} is {status}, {what}: {each.problem}\n")
    if not states:
        _print("No rule was evaluated yet: start `sightline-dashboards alerts run`.\n")
    return 0


def _test(arguments: argparse.Namespace, env: Mapping[str, str]) -> int:
    rule = _rule(_file(arguments, AlertSettings.from_env(env)), arguments.rule)
    if not 1 / 1440 <= arguments.days <= 365:
        raise ValueError(f"--days is {arguments.days:g}; needs a minute (0.0007) or more and at most 365")
    if not rule.of.has_history:
        raise ValueError(f"the store keeps no earlier values of {rule.metric}, so {rule.name} cannot be tested")
    end = readings.whole_minute(datetime.now(UTC) - timedelta(seconds=rule.of.late_s))
    start = end - timedelta(minutes=round(arguments.days * 1440))
    series = readings.past(Client(StoreSettings.from_env(env)), rule, start, end)
    _print(_told(rule, replay(rule, series, start, end), start, end))
    return 0


def _told(rule: Rule, done: Replay, start: datetime, end: datetime) -> str:
    """What `test` prints."""
    a_week = formats.significant(len(done.episodes) * timedelta(days=7) / (end - start))
    lines = [
        f"{rule.name}: {condition_shown(rule)}, for {length(rule.pending_s)}",
        f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC, {done.evaluations:,} evaluations, "
        f"{formats.share(done.judged / done.evaluations)} of them with enough events",
        f"Fired: {_times(len(done.episodes))} ({a_week} a week). Pending without firing: {_times(done.pending)}.",
    ]
    if done.worst is not None:
        lines.append(f"Values from {value_shown(rule, done.best)} to {value_shown(rule, done.worst)}.")
    if not done.judged:
        lines.append(
            f"No window had {rule.events_needed} {rule.of.events}: the rule stays as it is (missing: {rule.missing})."
        )
    text = "\n".join(lines) + "\n"
    if done.episodes:
        rows = [("fired", "resolved", "lasted", "peak")]
        for episode in done.episodes:
            ends = episode.ends or end
            rows.append((
                f"{episode.begins:%Y-%m-%d %H:%M}",
                f"{ends:%Y-%m-%d %H:%M}" if episode.ends else "still firing",
                formats.duration((ends - episode.begins) / timedelta(milliseconds=1)),
                value_shown(rule, episode.peak),
            ))  # fmt: skip
        text += "\n" + aligned(rows)
    return text


def _silence(arguments: argparse.Namespace, env: Mapping[str, str]) -> int:
    file = _file(arguments, AlertSettings.from_env(env))
    if arguments.rule != "*":
        _rule(file, arguments.rule)
    journal, now = StoreJournal(Client(StoreSettings.from_env(env))), datetime.now(UTC)
    if arguments.end:
        ended = journal.end_silences(arguments.rule, now)
        _print(f"Ended: {_counted(len(ended), 'silence')} of {arguments.rule}.\n")
        return 0
    length_s = _length("--for", arguments.length)
    if length_s > _LONGEST_SILENCE_S:
        raise ValueError(f"--for is {arguments.length}; needs at most 366d")
    ends = now + timedelta(seconds=length_s)
    journal.silence(arguments.rule, now, ends, arguments.why, _user())
    _print(f"{arguments.rule} tells nobody until {ends:%Y-%m-%d %H:%M} UTC. Its state is still kept and shown.\n")
    return 0


def _check(arguments: argparse.Namespace, env: Mapping[str, str]) -> int:
    settings = AlertSettings.from_env(env)
    file = _file(arguments, settings)
    channels.build(file, settings, env)
    rules_read, channels_read = _counted(len(file.rules), "rule"), _counted(len(file.channels), "channel")
    _print(f"{rules_read}, {channels_read}: nothing is wrong.\n")
    return 0


def _rules(_: argparse.Namespace, __: Mapping[str, str]) -> int:
    _print(rules_file.ready_text())
    return 0


def _metrics(_: argparse.Namespace, __: Mapping[str, str]) -> int:
    head = ("metric", "unit", "what it is", "filters")
    rows = [(m.name, m.unit, m.about, ", ".join(sorted(m.filters)) or "none") for m in METRICS.values()]
    _print(aligned([head, *rows]))
    return 0


def _notify(arguments: argparse.Namespace, env: Mapping[str, str]) -> int:
    settings = AlertSettings.from_env(env)
    file = _file(arguments, settings)
    if arguments.channel not in file.channels:
        raise ValueError(f"there is no channel {arguments.channel!r}; there are {', '.join(file.channels) or 'none'}")
    now = datetime.now(UTC).replace(microsecond=0)
    sender = channels.build(file, settings, env)[arguments.channel]
    try:
        sender.send(_trial(now, settings.dashboards_url))
    except DeliveryFailed as exc:
        _print(f"{arguments.channel} did not take it: {exc}\n")
        return UNAVAILABLE
    _print(f"{arguments.channel} took it.\n")
    return 0


def _trial(now: datetime, dashboards_url: str) -> Message:
    return Message(
        id=f"trial_0_firing_{round(now.timestamp())}", rule="trial", about="", status="firing", severity="info",
        sentence="This is a trial message: nothing is wrong.", metric="", filters={}, value=None, threshold=0.0,
        peak=None, events=0.0, since=now, lasted_s=None, link=f"{dashboards_url.rstrip('/')}/alerts",
    )  # fmt: skip


def _file(arguments: argparse.Namespace, settings: AlertSettings) -> RulesFile:
    return rules_file.load(arguments.rules or settings.rules)


def _rule(file: RulesFile, name: str) -> Rule:
    try:
        return file.rule(name)
    except KeyError as exc:
        raise ValueError(exc.args[0]) from None


def _length(option: str, text: str) -> int:
    try:
        return duration_s(text)
    except ValueError as exc:
        raise ValueError(f"{option}: {exc}") from None


def _user() -> str:
    """Who asks; '' for a user id that has no name, as containers run with."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # OSError from Python 3.13 on
        return ""


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")


def _print(text: str) -> None:
    sys.stdout.write(text)

"""`sightline-evals health`: is the judge still the one of yesterday, and how far do people agree with it?"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tqdm import tqdm

from sightline_evals import data, report_file
from sightline_evals.datasets import read_dataset
from sightline_evals.emit import Emitter
from sightline_evals.errors import ScoresNotSent, UsageError
from sightline_evals.gate import ExitCode
from sightline_evals.health.control import control_sha256, identity, pin, read_pinned, shift
from sightline_evals.health.figures import MAX_FAILED, Figure, State, control_figure, exit_code, people_figures
from sightline_evals.health.people import judged_answers
from sightline_evals.judges import Judge
from sightline_evals.judges.choosing import add_judges, have_no_model, judge_of, named_judges
from sightline_evals.runs.records import whole_sample
from sightline_evals.runs.running import new_run_id
from sightline_evals.runs.wishes import Limits
from sightline_evals.scoring.metrics import default_gated_metric, metric_of
from sightline_evals.scoring.scorer import Scorer
from sightline_evals.scoring.scores import SampleScore
from sightline_evals.settings import JudgeSettings, RunSettings
from sightline_store.client import Client
from sightline_store.moments import parse_moment
from sightline_store.questions import judges as questions
from sightline_store.questions.asking import Filters
from sightline_store.settings import StoreSettings

SCHEMA: Final = "sightline-evals-health/1"
"""Version of the report of `--json`."""
_MOST_ANSWERS: Final = 200_000
_SHIPPED: Final = "the 200 shipped answers"
_EPILOG = """\
examples:
  sightline-evals health                                both parts, by the judge that `run` would take
  sightline-evals health --only control --control cases.jsonl --pins ci/pins
                                                        in CI: needs no store; keep the folder of pins with the code
  sightline-evals health --only people --since 90d --human review --human-note "queue: random" --json -
                                                        by reviews of answers that were drawn at random
  sightline-evals health --only control --pin           accept the judge as it is now

control set: the same answers are judged again, and their scores are compared with those of the first run, which were
pinned. A model's kept answers are not taken. The file has the schema of `run --dataset`.

people: the human scores of one name in the store (thumbs of `sightline.feedback`, reviews of the dashboards, ratings;
above 0 is good) beside the newest score of the judge on the same traces.
  kappa      agreement of verdicts beyond chance; the judge's verdict is bad below --pass-at
  auroc      probability that of two answers the one that people call bad has the worse score
  ppi_rate   share of bad answers in the traffic: the judge's mean over all judged traces, corrected by the labels
             (prediction-powered inference). It holds although the judge errs, if chance decided which have a label.

exit codes:
  0    the judge held, or its scores were pinned now; figures about people never fail
  1    the judge moved by more than --max-shift and by more than chance explains, or many answers lost their score
  2    usage
  3    infrastructure: the judge failed on more than a tenth of the control set, or the store or the collector failed
  4    inconclusive, with --strict only: the interval of the shift reaches over --max-shift, or nothing was pinned

environment: SIGHTLINE_STORE_URL, OTEL_EXPORTER_OTLP_ENDPOINT, SIGHTLINE_JUDGE_*, SIGHTLINE_EVALS_CACHE_DIR.
`sightline-store query judge/health` shows what was sent.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the subcommand, and return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "health",
        help="judge the judge: its shift on a control set, its agreement with people",
        description="Judge the judge: by a control set that never changes, and by what people said of stored answers.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", choices=["control", "people"], help="one part (default: both)")
    add_judges(parser)
    parser.add_argument("--metric", metavar="NAME", help="the score (default: groundedness, of a model faithfulness)")
    parser.add_argument(
        "--pass-at", type=float, default=0.5, metavar="VALUE", help="score from which an answer passes (default: 0.5)"
    )
    control = parser.add_argument_group("control set")
    control.add_argument("--control", type=Path, metavar="FILE", help=f"cases (default: {_SHIPPED})")
    control.add_argument(
        "--max-shift", type=float, default=0.02, metavar="D", help="tolerated shift of the mean (default: 0.02)"
    )
    control.add_argument(
        "--pins", type=Path, metavar="FOLDER", help="pinned scores (default: control in SIGHTLINE_EVALS_CACHE_DIR)"
    )
    control.add_argument("--pin", action="store_true", help="pin the scores of this run in place of those before")
    control.add_argument(
        "--concurrency", type=int, default=4, metavar="N", help="answers judged at the same time (default: 4)"
    )
    control.add_argument("--budget-usd", type=float, metavar="USD", help="most that the judge may cost")
    control.add_argument(
        "--strict", action="store_true", help="exit 4 if the shift is inconclusive, or nothing was pinned before"
    )
    people = parser.add_argument_group("people")
    people.add_argument(
        "--since", default="30d", metavar="TIME", help="answers since then, such as 7d or 2026-01-31 (default: 30d)"
    )
    people.add_argument(
        "--human", default="feedback", metavar="NAME", help="name of the human scores (default: feedback)"
    )
    people.add_argument(
        "--human-note", default="", metavar="TEXT", help="only human scores with this note, such as 'queue: random'"
    )
    output = parser.add_argument_group("output")
    output.add_argument("--run-id", metavar="ID", help="sent with every figure (default: date, time and a suffix)")
    output.add_argument(
        "--send",
        action=argparse.BooleanOptionalAction,
        help="send the figures to the collector (default: yes, but not with --only control)",
    )
    output.add_argument("--json", metavar="PATH", help="write the figures as JSON; - is standard output")
    return parser


def run(arguments: argparse.Namespace, env: Mapping[str, str]) -> ExitCode:
    """Judge the judge, report, send, and give the verdict."""
    settings, places = JudgeSettings.from_env(env), RunSettings.from_env(env)
    _check(arguments)
    names = named_judges(arguments.judge, settings)
    metric = metric_of(arguments.metric or default_gated_metric(is_offline=have_no_model(names))).name
    limits = Limits(usd=arguments.budget_usd, use_cache=False)
    judge = judge_of(
        names, settings, places, limits=limits, concurrency=arguments.concurrency, disagreement=arguments.disagreement
    )
    scorer = Scorer(judge, (metric,), settings, arguments.concurrency)
    health = _Health(scorer.judge_of(metric), judge.version, metric)
    # The store first: that it is away is known before a model is paid.
    if arguments.only != "control":
        health.figures += _of_people(arguments, health, env)
    if arguments.only != "people":
        pins = arguments.pins or places.folder / "control"
        health.figures.insert(0, _of_control(arguments, judge, scorer, pins, health))
    code = exit_code(health.figures, strict=arguments.strict)
    not_sent = None
    if arguments.send or (arguments.send is None and arguments.only != "control"):
        not_sent = _send(health, arguments.run_id or new_run_id(), env)
        code = code if not_sent is None or code is ExitCode.BELOW else ExitCode.INFRASTRUCTURE
    text = [*health.lines(), *([f"not sent: {not_sent}"] if not_sent else []), f"exit code {int(code)}"]
    (sys.stderr if arguments.json == "-" else sys.stdout).write("\n".join(text) + "\n")
    if arguments.json is not None:
        with report_file.stream(arguments.json) as out:
            indent = None if arguments.json == "-" else 2
            out.write(json.dumps({**health.as_json(), "exit_code": int(code)}, indent=indent, allow_nan=False) + "\n")
    return code


@dataclass
class _Health:
    """What is known of a judge.

    Attributes:
        judge: its name, as its scores have it.
        judge_version: its version.
        metric: the score that was looked at.
        figures: what was found.
        control: what the control set is.
        window: which answers people's labels are of.
    """

    judge: str
    judge_version: str
    metric: str
    figures: list[Figure] = field(default_factory=list)
    control: dict[str, Any] | None = None
    window: dict[str, Any] | None = None

    def lines(self) -> list[str]:
        """The report for a person."""
        lines = [f"judge: {self.judge}, version {self.judge_version}; {self.metric}"]
        lines += [f"{figure.name}: {figure.sentence}" for figure in self.figures]
        if self.window is not None and self.window["newest_only"]:
            lines.append(f"only the newest {_MOST_ANSWERS:,} judged answers were read")
        return lines

    def as_json(self) -> dict[str, Any]:
        """The report for a program."""
        return {
            "schema": SCHEMA,
            "judge": self.judge,
            "judge_version": self.judge_version,
            "metric": self.metric,
            "control": self.control,
            "people": self.window,
            "figures": {figure.name: figure.as_json() for figure in self.figures},
        }


def _check(arguments: argparse.Namespace) -> None:
    """Refuse what cannot work before anything is paid for."""
    report_file.check(arguments.json)
    if not arguments.max_shift >= 0:  # also where it is NaN
        raise UsageError(f"--max-shift is {arguments.max_shift:g}; needs 0 or more")
    if not 0 < arguments.pass_at <= 1:
        raise UsageError(f"--pass-at is {arguments.pass_at:g}; needs a number above 0, at most 1")
    if arguments.only == "people" and (arguments.control or arguments.pin or arguments.pins):
        raise UsageError("--control, --pins and --pin are about the control set, which --only people leaves out")


def _of_control(arguments: argparse.Namespace, judge: Judge, scorer: Scorer, pins: Path, health: _Health) -> Figure:
    """Judge the control set, compare or pin."""
    path = arguments.control or Path(data.__file__).with_name("demo_answers.jsonl")
    samples = [whole_sample(sample) for sample in read_dataset(path)]
    sha256 = control_sha256(samples)
    health.control = {"name": path.name, "sha256": sha256, "cases": len(samples)}
    scored = asyncio.run(_scored(judge, scorer, samples))
    wanted = identity(scored[0].score, sha256)
    failed = sum(bool(each.score.error) for each in scored)
    pinned = None if arguments.pin else read_pinned(pins, wanted)
    if pinned is not None:
        return control_figure(shift(pinned, scored, arguments.pass_at), pinned, arguments.max_shift)
    values = [each.score.value for each in scored if each.score.has_value]
    if failed > MAX_FAILED * len(scored) or not values:
        reason = next((each.score.explanation for each in scored if each.score.error), "no answer makes a statement")
        sentence = f"not pinned: {len(values)} of {len(scored)} answers have a score; {reason}"
        return Figure("control_shift", State.JUDGE_FAILED, sentence, n=len(values), details={"failed": failed})
    kept = pin(pins, wanted, scored)
    mean = sum(values) / len(values)
    sentence = (
        f"pinned: the scores of {len(scored)} answers, {len(values)} with a value, mean {mean:.4f}; the next run "
        f"compares with them ({kept})"
    )
    if not arguments.pin:
        sentence = f"nothing was pinned for this judge and this control set; {sentence}"
    state = State.PINNED if arguments.pin else State.FIRST
    return Figure("control_shift", state, sentence, n=len(values), details={"mean_now": mean, "failed": failed})


async def _scored(judge: Judge, scorer: Scorer, samples: Sequence[Any]) -> list[SampleScore]:
    with tqdm(total=len(samples), desc="judging", unit="answer", disable=None, file=sys.stderr) as bar:

        def on_score(_: SampleScore) -> None:
            bar.update()

        try:
            return await scorer.score_all(samples, on_score)
        finally:
            await judge.close()


def _of_people(arguments: argparse.Namespace, health: _Health, env: Mapping[str, str]) -> list[Figure]:
    """Ask the store, and compare."""
    end = datetime.now(UTC)
    filters = Filters(start=parse_moment(arguments.since, end), end=end)
    client = Client(StoreSettings.from_env(env))
    try:
        rows = questions.judged(
            client,
            filters,
            name=health.metric,
            judge=health.judge,
            judge_version=health.judge_version,
            human=arguments.human,
            human_note=arguments.human_note,
            limit=_MOST_ANSWERS,
        )
        others = [] if rows else questions.judges(client, filters.start, health.metric)
    finally:
        client.close()
    health.window = {
        "since": arguments.since,
        "human": arguments.human,
        "human_note": arguments.human_note or None,
        "judged": len(rows),
        "newest_only": len(rows) == _MOST_ANSWERS,
    }
    if not rows:
        there = ", ".join(f"{row['judge']} {row['judge_version']} ({row['traces']} traces)" for row in others)
        sentence = (
            f"no answer since {filters.start:%Y-%m-%d %H:%M} UTC has a {health.metric} of this judge; there are "
            f"scores of {there or 'no judge'}. `sightline-evals run --since` and `watch` make them"
        )
        return [Figure(name, State.TOO_FEW, sentence) for name in ("kappa", "auroc", "ppi_rate")]
    answers = judged_answers(rows, lower_is_better=metric_of(health.metric).lower_is_better)
    return people_figures(answers, arguments.human, arguments.pass_at, note=arguments.human_note)


def _send(health: _Health, run_id: str, env: Mapping[str, str]) -> ScoresNotSent | None:
    """Send the figures; returns why they were not accepted."""
    emitter = Emitter(run_id, env)
    try:
        for figure in health.figures:
            facts = {name: value for name, value in figure.as_json().items() if name not in {"state", "value"}}
            emitter.result(
                f"judge.{figure.name}",
                figure.value,
                label=str(figure.state),
                explanation=json.dumps({"metric": health.metric, **facts}, ensure_ascii=False),
                judge=health.judge,
                judge_version=health.judge_version,
            )
        emitter.flush()
    except ScoresNotSent as exc:
        return exc
    finally:
        emitter.close()
    return None

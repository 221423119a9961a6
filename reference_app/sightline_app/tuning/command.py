"""What ``sightline-app tune`` does with its arguments, which are in `arguments`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import sightline
from sightline_app.corpus import Source
from sightline_app.documents import DocumentFolder
from sightline_app.errors import InvalidSetting
from sightline_app.index import Steps
from sightline_app.settings import AppSettings
from sightline_app.tuning import charts, telling
from sightline_app.tuning.arguments import STORES
from sightline_app.tuning.report import Report, line
from sightline_app.tuning.running import Plan, tune
from sightline_app.tuning.workload import read_workload
from sightline_demo_corpus import questions_file


def run(settings: AppSettings, options: argparse.Namespace) -> int:
    """Run the command; 0 where an index reaches the target, 1 where none does."""
    plan = _plan(settings, options)
    folder = options.charts or settings.data_dir / "tuning"
    if not options.no_charts:
        charts.check(folder)
    source: Source | None = None
    if options.docs is not None:
        source = DocumentFolder(options.docs, settings.max_document_bytes)
    steps = Steps()
    told = telling.Telling(is_on=not options.no_send)
    try:
        workload = read_workload(
            settings,
            source,
            options.questions or questions_file(),
            most_passages=options.passages,
            most_questions=options.most_questions,
            step=steps.step,
        )
        with (
            tempfile.TemporaryDirectory(prefix="sightline-tune-") as place,
            sightline.trace("tune", stage=telling.STAGE),
        ):
            report = tune(settings, plan, workload, Path(place), steps.step)
            told.results(report)
    finally:
        steps.close()
        sent = told.close()
    _show(report, folder, sent, options)
    return 0 if report.recommendation.chosen is not None else 1


def _show(report: Report, folder: Path, sent: str, options: argparse.Namespace) -> None:
    sys.stdout.write(report.text())
    if report.found and not options.no_charts:
        sys.stdout.write(charts.terminal(report, colored=sys.stdout.isatty()))
        sys.stdout.write("".join(f"{path}\n" for path in charts.files(report, folder)))
    if sent:
        sys.stdout.write(f"{sent}\n")
    if options.json:
        sys.stdout.write(line(report))


def _plan(settings: AppSettings, options: argparse.Namespace) -> Plan:
    if not 0 < options.recall <= 1:
        raise InvalidSetting("--recall", options.recall, "needs a number above 0 and at most 1")
    for name, least in (("at", 1), ("rounds", 1), ("tenants", 0), ("most_questions", 1)):
        if getattr(options, name) < least:
            raise InvalidSetting(f"--{name.replace('_', '-')}", getattr(options, name), f"needs at least {least}")
    if options.passages is not None and options.passages < 2:
        raise InvalidSetting("--passages", options.passages, "needs at least 2")
    stores = tuple(dict.fromkeys(name.strip() for name in options.stores.split(","))) if options.stores else ()
    if not stores:
        own = "weaviate" if settings.retrieval in {"auto", "pinecone"} else settings.retrieval
        stores = tuple(dict.fromkeys((own, "milvus")))
    if unknown := [name for name in stores if name not in STORES]:
        raise InvalidSetting("--stores", options.stores, f"{unknown[0]!r} is none of {', '.join(STORES)}")
    return Plan(stores, options.recall, options.at, options.rounds, options.tenants, options.only)

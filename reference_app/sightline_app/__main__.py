"""``sightline-app``: the reference RAG backend. See ``sightline-app --help`` for its commands.

Each command imports only what it needs, so that ``--help`` and small commands start at once.

Exit codes: 0 done or stopped as asked, 1 it failed (the last line says why), 2 a setting or an argument can't work.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sightline_app.chaos import arguments as chaos_arguments
from sightline_app.errors import AppError, InvalidSetting
from sightline_app.ingestion import commands as ingestion_commands
from sightline_app.limits import api_keys
from sightline_app.load import arguments as load_arguments
from sightline_app.log_output import log_to_stderr
from sightline_app.serving import run
from sightline_app.settings import AppSettings
from sightline_app.tuning import arguments as tuning_arguments
from sightline_roles.serving import listen

_log = logging.getLogger("sightline.app")
_LAST_EVENTS_S = 1
"""How long clients may take to read the last events of answers that were cancelled at the end, in seconds."""

_EPILOG = """examples:
  sightline-app ingest                        index the documentation of the Python standard library
  sightline-app ingest --docs ./handbook      index a folder of Markdown, text, HTML or PDF files instead
  sightline-app ingest --docs ./hr --tenant acme   add documents that only tenant acme may see
  sightline-app quantize                      compare the precisions of the embedding model on what was ingested
  sightline-app tune --recall 0.95            measure vector indexes on what was ingested and recommend one
  sightline-app serve                         answer questions on http://127.0.0.1:8000/v1/chat
  sightline-app ask --concurrency 4           ask the shipped questions as three tenants
  sightline-app ask --forever --rate 0.5      go on asking, one conversation every two seconds
  sightline-app load --rate 2 --store         send traffic at a set rate and compare with what the store holds
  sightline-app chaos slow-search --for 120   break something on purpose, for a while
  sightline-app keys create --name web --tenant acme   make an API key for SIGHTLINE_APP_KEYS_FILE
  sightline-app guardrails                    measure the guardrails on the shipped attacks and benign texts
  sightline-app worker --concurrency 2        index what clients upload, behind a broker
  sightline-app consume                       index the documents of a Kafka topic
  sightline-app reembed                       embed the whole collection again, resumable, by Temporal
  sightline-app dead-letters list             what could not be indexed

settings come from the environment (SIGHTLINE_APP_*, OPENAI_*, WEAVIATE_URL, ...); see docs/settings.md
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sightline-app",
        description="The reference RAG backend: hybrid search in Weaviate, a streamed answer, every stage a span.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    ingest = commands.add_parser("ingest", help="bring the index up to date; nothing to do takes no time")
    ingest.add_argument(
        "--docs", type=Path, help="folder (or file) of Markdown, text, HTML or PDF; default: the Python documentation"
    )
    ingest.add_argument("--tenant", default="public", help="who may see the documents; default: public, everybody")
    ingest.add_argument("--force", action="store_true", help="build again even when nothing changed")
    ingest.add_argument(
        "--wait",
        type=float,
        default=3.0,
        metavar="S",
        help="seconds to wait for Weaviate before ClickHouse is taken; default 3",
    )
    ingest.add_argument("--no-measure", action="store_true", help="do not measure retrieval on the shipped questions")
    ingest.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    quantize = commands.add_parser(
        "quantize", help="build the embedding model in FP32, FP16 and INT8 and compare them on your passages"
    )
    quantize.add_argument("--docs", type=Path, help="folder (or file) to compare on; default: what was ingested")
    quantize.add_argument(
        "--passages", type=int, default=1000, metavar="N", help="compare on at most N passages; default 1000"
    )
    serve = commands.add_parser("serve", help="answer questions over HTTP until stopped")
    serve.add_argument("--port", type=int, help="port instead of SIGHTLINE_APP_PORT")
    ask = commands.add_parser("ask", help="ask questions through a running app and measure what a client sees")
    ask.add_argument(
        "--questions",
        default="default",
        metavar="FILE",
        help="JSON lines of id, question, names; default: the shipped ones",
    )
    ask.add_argument("--url", help="address of the app; default from SIGHTLINE_APP_HOST and _PORT")
    ask.add_argument("--limit", type=int, metavar="N", help="only the first N questions")
    ask.add_argument(
        "--concurrency", type=int, default=4, metavar="N", help="conversations at the same time; default 4"
    )
    ask.add_argument(
        "--tenants", default="acme,globex,initech", metavar="A,B", help="tenants to ask as; default acme,globex,initech"
    )
    ask.add_argument("--rounds", type=int, default=1, metavar="N", help="ask everything N times; default 1")
    ask.add_argument("--forever", action="store_true", help="go on until stopped")
    ask.add_argument(
        "--rate", type=float, default=0.0, metavar="R", help="at most R conversations a second; default no limit"
    )
    ask.add_argument("--seed", type=int, default=1, help="fixes who asks what; default 1")
    ask.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    ask.add_argument(
        "--show", type=int, default=0, metavar="N", help="print the first N answers while they arrive; default 0"
    )
    tuning_arguments.add_parser(commands)
    load_arguments.add_parser(commands)
    chaos_arguments.add_parser(commands)
    ingestion_commands.add_parsers(commands)
    api_keys.add_parser(commands)
    guardrails = commands.add_parser(
        "guardrails", help="measure what the guardrails catch, and what they flag by mistake, on labelled texts"
    )
    guardrails.add_argument(
        "--examples", type=Path, metavar="FILE", help="JSON lines of labelled texts; default: the shipped ones"
    )
    guardrails.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    return parser


def _ingest(settings: AppSettings, options: argparse.Namespace) -> int:
    import sightline  # noqa: PLC0415
    from sightline_app.corpus import Source  # noqa: PLC0415
    from sightline_app.documents import DocumentFolder  # noqa: PLC0415
    from sightline_app.index import ingest  # noqa: PLC0415
    from sightline_demo_corpus.standard_library import StandardLibrary  # noqa: PLC0415

    source: Source = StandardLibrary()
    if options.docs is not None:
        source = DocumentFolder(options.docs, settings.max_document_bytes, options.tenant)
    elif options.tenant != "public":
        raise InvalidSetting("--tenant", options.tenant, "needs --docs: the Python documentation is for everybody")
    changed_at = source.changed_at() if isinstance(source, DocumentFolder) else 0.0
    started = time.monotonic()
    tracing = sightline.configure(service_name="rag-ingest", capture=settings.capture)
    try:
        manifest, built = ingest(
            settings,
            source,
            tenant=options.tenant,
            force=options.force,
            wait_s=options.wait,
            changed_at=changed_at,
        )
    finally:
        tracing.shutdown()  # before retrieval is measured: nobody asked those questions
    took_s, spans = time.monotonic() - started, tracing.stats()
    embedding = f"{manifest.embedding} {manifest.embedding_version}"
    what = f"{manifest.passages} passages in {manifest.backend} ({manifest.collection}), embedding {embedding}"
    sys.stdout.write(f"{'indexed' if built else 'unchanged:'} {what}, {took_s:.1f} s\n")
    if built and options.docs is None and not options.no_measure:
        asyncio.run(_measure(settings))
    if options.json:
        told = {"version": manifest.version, "passages": manifest.passages, "built": built, "took_s": round(took_s, 3)}
        sys.stdout.write(json.dumps(told | {"spans": {"emitted": spans.emitted, "dropped": spans.dropped}}) + "\n")
    return 0


def _quantize(settings: AppSettings, options: argparse.Namespace) -> int:
    from sightline_app.documents import DocumentFolder  # noqa: PLC0415
    from sightline_app.embeddings.comparison import compare, table  # noqa: PLC0415
    from sightline_app.embeddings.protocol import passage_text  # noqa: PLC0415
    from sightline_app.index import Steps, read_corpora  # noqa: PLC0415

    if options.passages < 2:
        raise InvalidSetting("--passages", options.passages, "needs at least 2")
    steps = Steps()
    try:
        if options.docs is not None:
            folder = DocumentFolder(options.docs, settings.max_document_bytes)
            passages = folder.passages(steps.step(f"reading {folder.describe()}"))
        else:
            passages = read_corpora(settings.data_dir)
        stride = max(1, -(-len(passages) // options.passages))
        texts = [passage_text(each) for each in passages[::stride]]
        found = compare(texts, settings.minilm, settings.cache_dir, steps.step)
    finally:
        steps.close()
    sys.stdout.write(f"{len(texts)} of {len(passages)} passages\n{table(found)}")
    return 0


async def _measure(settings: AppSettings) -> None:
    """Print retrieval quality on the shipped questions, as it is."""
    from sightline_app.api import open_pipeline  # noqa: PLC0415
    from sightline_app.quality import is_held_out, measure, read_questions, summary  # noqa: PLC0415
    from sightline_demo_corpus import questions_file  # noqa: PLC0415

    if not questions_file().is_file():
        return
    questions = read_questions(questions_file())
    pipeline = open_pipeline(settings)
    try:
        found = await measure(pipeline, questions)
    finally:
        await pipeline.close()
    halves = {
        "all": found,
        "developed on": [each for each in found if not is_held_out(each.known)],
        "held out": [each for each in found if is_held_out(each.known)],
    }
    for which, part in halves.items():
        searched, reranked = summary(part)
        sys.stdout.write(f"retrieval, {which}, search alone: {searched}\n")
        sys.stdout.write(f"retrieval, {which}, after rerank: {reranked}\n")


def _tune(settings: AppSettings, options: argparse.Namespace) -> int:
    from sightline_app.tuning import command  # noqa: PLC0415

    return command.run(settings, options)


def _serve(settings: AppSettings, options: argparse.Namespace) -> int:
    import sightline  # noqa: PLC0415
    from sightline_app.api import create_app  # noqa: PLC0415
    from sightline_app.scaling.signals import scale_signals  # noqa: PLC0415

    settings = replace(settings, port=options.port) if options.port else settings
    tracing = sightline.configure(service_name="rag-api", capture=settings.capture)
    opened = listen(settings)
    signals = scale_signals(tracing)
    try:
        app = create_app(settings, tracing, signals=signals)
    except BaseException:
        opened.close()
        raise
    try:
        return run(
            app,
            opened,
            "the app",
            settings,
            max_message_bytes=settings.max_body_bytes,
            origins=settings.api.allowed_origins,
            grace_s=_LAST_EVENTS_S,
            drain=app.state.drain,
        )
    finally:
        tracing.shutdown()


def _ask(settings: AppSettings, options: argparse.Namespace) -> int:
    import sightline  # noqa: PLC0415
    from sightline_app.quality import read_questions  # noqa: PLC0415
    from sightline_app.traffic import Plan, Summary  # noqa: PLC0415
    from sightline_app.traffic import run as run_traffic  # noqa: PLC0415
    from sightline_demo_corpus import questions_file  # noqa: PLC0415

    questions = read_questions(questions_file() if options.questions == "default" else Path(options.questions))
    if options.limit is not None:
        questions = questions[: max(1, options.limit)]
    tenants = tuple(name.strip() for name in options.tenants.split(",") if name.strip())
    if not tenants or options.concurrency < 1 or options.rate < 0 or options.rounds < 1:
        raise InvalidSetting(
            "arguments",
            options.tenants,
            "--tenants needs a name, --concurrency and --rounds at least 1, --rate 0 or more",
        )
    plan = Plan(
        url=(options.url or f"http://{settings.host}:{settings.port}").rstrip("/"),
        tenants=tenants,
        concurrency=options.concurrency,
        rounds=0 if options.forever else options.rounds,
        rate=options.rate,
        seed=options.seed,
        shown=options.show,
        api_key=settings.limits.ask_api_key or "",
        timeout_s=settings.request_timeout_s,
    )
    tracing = sightline.configure(service_name="sightline-traffic")

    async def go() -> Summary:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        return await run_traffic(questions, plan, stop)

    try:
        summary = asyncio.run(go())
    finally:
        tracing.force_flush(5.0)
        tracing.shutdown()
    numbers = summary.as_json()
    if options.json:
        sys.stdout.write(json.dumps(numbers) + "\n")
    else:
        for name, value in numbers.items():
            if name == "answers":
                continue
            sys.stdout.write(f"{name:14} {value}\n")
    return 1 if numbers["requests"] and numbers["errors"] == numbers["requests"] else 0


def _load(settings: AppSettings, options: argparse.Namespace) -> int:
    from sightline_app.load import command  # noqa: PLC0415

    return command.run(options, settings)


def _chaos(settings: AppSettings, options: argparse.Namespace) -> int:
    from sightline_app.chaos import command  # noqa: PLC0415

    return command.run(options, settings)


def _guardrails(settings: AppSettings, options: argparse.Namespace) -> int:
    from sightline_app.guardrails import command  # noqa: PLC0415

    return command.run(options, settings.guardrails)


def _keys(settings: AppSettings, options: argparse.Namespace) -> int:
    return api_keys.run(options, settings.limits.keys_file)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; see the module's docstring for exit codes."""
    options = _parser().parse_args(argv)
    log_to_stderr()
    try:
        settings = AppSettings.from_env(os.environ)
        commands = {"ingest": _ingest, "quantize": _quantize, "serve": _serve, "ask": _ask, "keys": _keys}
        commands |= {"guardrails": _guardrails, "load": _load, "chaos": _chaos, "tune": _tune}
        commands |= ingestion_commands.COMMANDS
        return commands[options.command](settings, options)
    except InvalidSetting as exc:
        sys.stderr.write(f"sightline-app: {exc}\n")
        return 2
    except AppError as exc:
        sys.stderr.write(f"sightline-app: {exc}\n")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())

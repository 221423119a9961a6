"""What tracing costs the caller: Sightline beside the bare OpenTelemetry SDK and the peers, in one run.

    python benchmarks/sdk.py [--rounds 9]

One decorated call with its input and output captured, CPU time of the calling thread; a chunk of a stream; the import
of what decorated code needs, and the start of a process that is traced, beside the SDK with its OTLP exporter; the
memory of 100,000 spans that wait; a process that ends with a full queue beside Sightline's own collector, wall time
(nothing else may run then). Each measurement is a process of its own, and the contenders take turns, so that a noisy
neighbour meets all of them. The ratios are medians over the rounds, each against the bare SDK of the same round.
The peers (Traceloop, OpenInference, Logfire, Langfuse, MLflow) are installed into a virtual environment in Sightline's
cache folder. The last line is one JSON object; it is kept in benchmarks/results/sdk.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import peers
import processes
import results

_CONTENDER = Path(__file__).with_name("sdk_contender.py")
_LIBRARY = Path(__file__).parents[1] / "instrumentation"
_STATEMENTS = {
    "nothing": "pass",
    "otel import": "import opentelemetry.trace, opentelemetry.sdk.trace, opentelemetry.sdk.trace.export",
    "sightline import": "import sightline",
    "otel start": """
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
""",
    "sightline start": "import sightline; sightline.configure()",
}


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="how often each is measured (default: 9)")
    rounds = parser.parse_args().rounds
    python, versions = peers.tracing_libraries()
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SIGHTLINE_"))},
        "PYTHONPATH": str(_LIBRARY),
        "PYTHONDONTWRITEBYTECODE": "",  # else each import compiles the sources of this working copy again
    }
    env["BENCH_ATTRIBUTES"] = _run(python, env, "sample", "sightline")

    contenders = ["otel", "sightline", *peers.TRACING_LIBRARIES]
    us: dict[str, list[float]] = {name: [] for name in contenders}
    ratios: dict[str, list[float]] = {name: [] for name in contenders}
    chunks: list[float] = []
    seconds: dict[str, list[float]] = {name: [] for name in _STATEMENTS}
    for statement in _STATEMENTS.values():
        _cpu_s(python, env, statement)  # writes the bytecode
    for number in range(rounds):
        for name in contenders:
            us[name].append(float(json.loads(_run(python, env, "call", name))["us"]))
            ratios[name].append(us[name][-1] / us["otel"][-1])
        chunks.append(float(json.loads(_run(python, env, "chunk", "sightline"))["us"]))
        for name, statement in _STATEMENTS.items():
            seconds[name].append(_cpu_s(python, env, statement))
        told = "  ".join(f"{name} {us[name][-1]:.1f}" for name in contenders)
        print(f"round {number + 1} of {rounds}, microseconds a call: {told}", file=sys.stderr, flush=True)
    exits = _exits(python, env, rounds)
    memory = {name: json.loads(_run(python, env, "memory", name))["mib"] for name in ("otel", "sightline")}

    beyond_python = {
        what: statistics.median(
            (ours - base) / (theirs - base)
            for base, theirs, ours in zip(
                seconds["nothing"], seconds[f"otel {what}"], seconds[f"sightline {what}"], strict=True
            )
        )
        for what in ("import", "start")
    }
    results.keep(
        {
            "bench": "sdk",
            "us_per_call": round(statistics.median(us["sightline"]), 1),
            "otel_us_per_call": round(statistics.median(us["otel"]), 1),
            "ratio_to_otel": round(statistics.median(ratios["sightline"]), 2),
            "peers_ratio": {name: round(statistics.median(ratios[name]), 2) for name in peers.TRACING_LIBRARIES},
            "us_per_chunk": round(statistics.median(chunks), 2),
            "import_ratio_to_otel": round(beyond_python["import"], 2),
            "start_ratio_to_otel": round(beyond_python["start"], 2),
            "exit_s_full_queue": round(statistics.median(each["s"] for each in exits), 2),
            "exit_exported_of_queued": round(min(each["exported"] / each["queued"] for each in exits), 4),
            "mib_per_100k_queued": round(memory["sightline"], 1),
            "otel_mib_per_100k_queued": round(memory["otel"], 1),
            "rounds": rounds,
        },
        **versions,
    )


def _run(python: Path, env: dict[str, str], what: str, name: str) -> str:
    """The last line that a contender prints."""
    done = subprocess.run(
        [python, _CONTENDER, what, name], env=env, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode != 0 or not done.stdout.strip():
        raise SystemExit(f"{name} could not be measured:\n{done.stdout}\n{done.stderr}")
    return done.stdout.strip().splitlines()[-1]


def _exits(python: Path, env: dict[str, str], rounds: int) -> list[dict[str, float]]:
    """What became of a full queue when its process ended, beside a collector that keeps what it takes."""
    with tempfile.TemporaryDirectory() as folder:
        collector, port = processes.collector(Path(folder), "http://127.0.0.1:9", "otel")
        with collector:
            # Nothing leaves before the process ends, so the queue is full then.
            told = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", "OTEL_BSP_SCHEDULE_DELAY": "600000"}
            return [json.loads(_run(python, env | told, "exit", "sightline")) for _ in range(rounds)]


def _cpu_s(python: Path, env: dict[str, str], statement: str) -> float:
    """CPU seconds of an interpreter that runs a statement."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([python, "-c", statement], env=env, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


if __name__ == "__main__":
    main()

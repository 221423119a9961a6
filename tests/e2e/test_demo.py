"""The demo and `sightline up` as a person runs them: through the command line, on free ports, with the real roles."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from role_process import free_port

BIN = Path(sys.executable).parent
UP_PORTS = ("store", "collector", "collector-grpc", "dashboards")
DEMO_PORTS = (*UP_PORTS, "app", "model", "weaviate", "weaviate-grpc", "redis")
RESTART_READY_S = 40.0
"""A second run on the same folder must be ready to serve within this time, in seconds."""


def _flags(ports: tuple[str, ...]) -> list[str]:
    return [part for name in ports for part in (f"--port-{name}", str(free_port()))]


def _env() -> dict[str, str]:
    """Return the environment without anything that would point the demo elsewhere.

    Where no Weaviate server is to be had quickly, the demo is told so: building one is for `make weaviate`.
    """
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OTEL_", "OPENAI_", "WEAVIATE_", "SIGHTLINE_STORE_"))
    }
    found = subprocess.run([BIN / "sightline-weaviate", "--find-only"], capture_output=True, check=False)
    return env if found.returncode == 0 else {**env, "SIGHTLINE_RETRIEVAL": "clickhouse"}


def _once(data: Path, *options: str, **env: str) -> tuple[dict[str, Any], str]:
    """The demo's numbers, and what a person saw."""
    command = [BIN / "sightline", "demo", "--once", "--data", data, *_flags(DEMO_PORTS), *options]
    # The lexical embedding is there in seconds; the real one is tested where it is made.
    environ = _env() | {"SIGHTLINE_EMBEDDING": "lexical"} | env
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{done.stderr}\n{done.stdout}"
    numbers: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return numbers, done.stderr + done.stdout


def _few_docs(folder: Path) -> str:
    """A folder of four short documents: nothing to wait for at ingest."""
    folder.mkdir()
    for name, text in {
        "join": "os.path.join joins pathname components and inserts slashes between them as needed.",
        "copytree": "shutil.copytree copies a whole directory tree and returns the path of the copy.",
        "loads": "json.loads turns a string with a JSON document into a Python object.",
        "sleep": "time.sleep suspends the calling thread for the given number of seconds.",
    }.items():
        (folder / f"{name}.md").write_text(f"# {name}\n\n{text}\n")
    return str(folder)


def _children(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def _wait_for(text: str, log: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 90
    while text not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def _up(data: Path, log: Path, flags: list[str]) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            [BIN / "sightline", "up", "--data", data, *flags], env=_env(), stdout=out, stderr=out
        )
    _wait_for("Sightline is ready", log, process)
    return process


def test_demo_stores_every_span_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Two runs on one folder, the first with the language model: every emitted span stored, the second ready soon.

    The first answers are shown while they arrive; the summary tells queue and prompt apart and has the worst answer.
    """
    docs, data = _few_docs(tmp_path / "docs"), tmp_path / "data"
    few_tokens = {"SIGHTLINE_APP_MAX_OUTPUT_TOKENS": "24"}
    first, seen = _once(data, "--docs", docs, "--questions", "4", "--scored", "4", **few_tokens)
    assert first["spans_emitted"] == first["spans_stored"] > 0
    assert first["requests"] >= 4
    assert first["errors"] == 0, (data / "logs" / "ask.log").read_text()
    assert first["model"] == "smollm2-135m-instruct"
    assert first["prompt_p50_ms"] < first["ttft_p50_ms"] < first["total_p50_ms"]
    assert first["queue_p50_ms"] >= 0
    assert first["cached_input_tokens"] > 0
    assert first["cost_usd"] > 0
    assert first["faithfulness_n"] > 0
    assert first["worst"]["faithfulness"] <= first["faithfulness"]
    for text in ("| Q: ", "| A: ", "reading the prompt", "in the model's queue", "Least faithful answer"):
        assert text in seen
    second, seen = _once(data, "--docs", docs, "--questions", "2", "--scored", "1", "--model", "extractive")
    assert second["ok"]
    assert second["requests"] < first["requests"]
    assert second["ready_s"] < RESTART_READY_S
    assert second["model"] == "extractive-v1 (extractive, no LLM)"
    for role in ("admin", "reader"):
        assert stat.S_IMODE((data / "keys" / f"{role}.key").stat().st_mode) == 0o600
    held = json.loads((data / "store.access" / "access_keys.json").read_text())["keys"]
    assert sorted(key["role"] for key in held) == ["admin", "reader"]


def test_killed_supervisor_leaves_nothing_and_its_folder_is_taken_over(tmp_path: Path) -> None:
    """After kill -9 all roles end by themselves, and the next start on the same folder and ports works."""
    flags, log = _flags(UP_PORTS), tmp_path / "up.log"
    with _up(tmp_path / "data", log, flags) as killed:
        family = _children(killed)
        killed.kill()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
    with _up(tmp_path / "data", log, flags) as again:
        assert "cut off" in log.read_text()
        again.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        assert again.wait(20) == 0
        assert time.monotonic() - begun < 10


@dataclass(frozen=True)
class Running:
    """A `sightline up` that is ready.

    Attributes:
        data: its data folder.
        log: what it prints.
        store_port: of its store.
        process: the supervisor.
    """

    data: Path
    log: Path
    store_port: int
    process: subprocess.Popen[bytes]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One for the tests that leave it running; when it has ended, no key stands in what it has logged."""
    folder, store_port = tmp_path_factory.mktemp("running"), free_port()
    data, log = folder / "data", folder / "up.log"
    with _up(data, log, [*_flags(UP_PORTS[1:]), "--port-store", str(store_port)]) as process:
        try:
            yield Running(data, log, store_port, process)
        finally:
            process.send_signal(signal.SIGTERM)
    kept = [(data / "keys" / f"{name}.key").read_text().strip() for name in ("admin", "reader")]
    for file in [log, *(data / "logs").iterdir()]:
        assert not any(key in file.read_text(errors="replace") for key in kept), file


def test_another_terminal_is_told_which_file_holds_a_key(running: Running) -> None:
    """Without one, `query` and `shell` name it; with the reader's they read and cannot write."""
    reader = running.data / "keys" / "reader.key"
    env = _env() | {"SIGHTLINE_STORE_URL": f"http://127.0.0.1:{running.store_port}"}
    keyed = env | {"SIGHTLINE_STORE_PASSWORD": reader.read_text().strip()}
    for command, text in (("query", ""), ("shell", "SELECT 41 + 1;")):
        line = [BIN / "sightline-store", command, *(["price_list"] if command == "query" else [])]
        refused = subprocess.run(line, env=env, input=text, capture_output=True, text=True, timeout=60, check=False)
        assert refused.returncode == 1
        assert f"export SIGHTLINE_STORE_PASSWORD=$(cat {reader})" in refused.stderr + refused.stdout
    shell = [BIN / "sightline-store", "shell"]
    read = subprocess.run(
        shell, env=keyed, input="SELECT 41 + 1;", capture_output=True, text=True, timeout=60, check=False
    )
    assert (read.returncode, "42" in read.stdout) == (0, True), read.stderr
    drop = subprocess.run(
        shell, env=keyed, input="DROP TABLE otel_traces;", capture_output=True, text=True, timeout=60, check=False
    )
    assert "ACCESS_DENIED" in drop.stdout + drop.stderr


def test_second_supervisor_on_the_same_folder_is_refused(running: Running) -> None:
    """It ends at once with one sentence and exit code 1."""
    command = [BIN / "sightline", "up", "--data", running.data, *_flags(UP_PORTS)]
    refused = subprocess.run(command, env=_env(), capture_output=True, text=True, timeout=30, check=False)
    assert refused.returncode == 1
    assert f"(pid {running.process.pid}) already runs on the data folder" in refused.stderr


def test_role_that_is_killed_comes_back(running: Running) -> None:
    """Kill -9 of the collector is told with its signal, and it is ready again."""
    (collector,) = (child for child in _children(running.process) if "sightline-collector" in " ".join(child.cmdline()))
    assert running.log.read_text().count("collector ready") == 1
    collector.kill()
    _wait_for("collector was ended by SIGKILL", running.log, running.process)
    deadline = time.monotonic() + 30
    while running.log.read_text().count("collector ready") < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert running.log.read_text().count("collector ready") == 2


def test_alert_rules_are_evaluated_beside_the_pages(running: Running) -> None:
    """The ready rules have states, which a reader's key shows."""
    env = _env() | {
        "SIGHTLINE_STORE_URL": f"http://127.0.0.1:{running.store_port}",
        "SIGHTLINE_STORE_PASSWORD": (running.data / "keys" / "reader.key").read_text().strip(),
    }
    deadline, shown = time.monotonic() + 60, "No rule was evaluated yet"
    while "No rule was evaluated yet" in shown and time.monotonic() < deadline:
        listed = [BIN / "sightline-dashboards", "alerts", "list"]
        shown = subprocess.run(listed, env=env, capture_output=True, text=True, timeout=60, check=True).stdout
    states = {line.split()[0]: line.split()[2] for line in shown.splitlines()[1:]}
    assert states["errors-fast"] == "ok", shown
    assert (running.data / "alerts").is_dir()


@pytest.mark.parametrize("command", [("up", "--port-store", "http"), ("demo", "--questions", "0"), ()])
def test_wrong_arguments_end_with_code_2(command: tuple[str, ...]) -> None:
    """Nothing is started."""
    done = subprocess.run([BIN / "sightline", *command], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "usage: sightline" in done.stderr

"""Every command and every program in README.md is run here, or an equivalent that is named beside it.

Run as they stand: the Python program, the commands of `sightline-evals`, `-store` and `-collector`. Mapped to what is
cheaper, because the real thing installs, builds or runs for minutes:

* `make ...` is checked by `make -n` with the same arguments. What the targets then start is run for real by
  `test_demo.py` (`sightline demo --once`) and by the fixture of this file (`sightline up`).
* `pip install ./instrumentation` is resolved by a dry run.
* `export ...` is read by the settings classes, which must know each variable.

A command without a runner is a failure, and so is a runner without a command.
"""

import json
import re
import shlex
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running_up import Up

from sightline_supervisor.roles import demo_env, demo_roles
from sightline_supervisor.settings import SupervisorSettings

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
README = (ROOT / "README.md").read_text()


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


def _commands() -> list[str]:
    lines = "".join(_blocks("bash")).replace("\\\n", " ").splitlines()
    return sorted({line.split("  #")[0].strip() for line in lines if line.strip() and not line.startswith("#")})


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """`sightline up`, ended at the end by what Ctrl-C sends; leaves no process behind."""
    running = Up(tmp_path_factory.mktemp("readme"), BIN)
    yield running
    running.stop()


def _make(command: str, up: Up, folder: Path) -> None:
    done = up.run([*shlex.split(command), "-n"], ROOT)
    assert done.stdout


def _pip(command: str, up: Up, folder: Path) -> None:
    arguments = shlex.split(command)[1:]
    tool = [str(BIN / "uv"), "pip", "install", "--python", sys.executable, "--dry-run", "--no-deps", "--reinstall"]
    assert "sightline" in up.run([*tool, *arguments[1:]], ROOT).stderr


def _export(command: str, up: Up, folder: Path) -> None:
    """Each variable is a documented setting, and what it names is not started by the demo."""
    assigned = dict(part.split("=", 1) for part in shlex.split(command)[1:])
    documented = (ROOT / "docs" / "settings.md").read_text()
    assert all(f"`{name}`" in documented for name in assigned)
    settings = SupervisorSettings.from_env(assigned, data_dir=folder)
    roles = {
        role.name for role in demo_roles(settings, demo_env(settings, assigned), with_weaviate=True, with_redis=True)
    }
    replaced = {"SIGHTLINE_STORE_URL": "store", "WEAVIATE_URL": "weaviate", "OPENAI_BASE_URL": "model"}
    assert not roles & {role for name, role in replaced.items() if name in assigned}


def _evals_dataset(command: str, up: Up, folder: Path) -> None:
    text = "Sightline stores spans in ClickHouse."
    case = {"question": "Where are spans stored?", "contexts": [text], "answer": text}
    (folder / "cases.jsonl").write_text(json.dumps(case) + "\n")
    up.run(shlex.split(command), folder)
    assert json.loads((folder / "report.json").read_text())["outcome"] == "pass"


def _evals_stored(command: str, up: Up, folder: Path) -> None:
    """No application runs here: without traces the command ends with 3, as it should."""
    assert "0 samples" in up.run(shlex.split(f"{command} --allow-empty"), folder).stdout


def _evals_gate(command: str, up: Up, folder: Path) -> None:
    """The first run becomes the baseline, the second one is compared with it."""
    for _ in range(2):
        _evals_dataset(f"sightline-evals run --dataset cases.jsonl --json {folder / 'report.json'}", up, folder)
        shown = up.run(shlex.split(command), folder).stdout
    assert len(list((folder / "baselines").iterdir())) == 2
    assert "faithfulness" in shown
    assert "<testsuite" in (folder / "gate.xml").read_text()


def _plain(command: str, up: Up, folder: Path) -> None:
    assert up.run(shlex.split(command), folder).stdout


RUNNERS: dict[str, Callable[[str, Up, Path], None]] = {
    "make demo": _make,
    "make test": _make,
    "make demo ONCE=1": _make,
    "make demo DOCS=docs": _make,
    "make demo QUESTIONS=10": _make,
    "make demo MODEL=extractive": _make,
    "make up": _make,
    "pip install ./instrumentation": _pip,
    "export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318": _export,
    (
        "export SIGHTLINE_STORE_URL=http://clickhouse:8123 SIGHTLINE_STORE_USER=default SIGHTLINE_STORE_PASSWORD=secret"
    ): _export,
    "export WEAVIATE_URL=http://weaviate:8080 WEAVIATE_GRPC_PORT=50051": _export,
    "export OPENAI_BASE_URL=https://api.openai.com/v1 OPENAI_API_KEY=secret SIGHTLINE_CHAT_MODEL=gpt-4o-mini": _export,
    "sightline-evals run --dataset cases.jsonl --fail-under faithfulness=0.8 --json report.json": _evals_dataset,
    "sightline-evals gate report.json --baseline baselines --keep --junit gate.xml": _evals_gate,
    "sightline-evals run --since 1h": _evals_stored,
    "sightline-evals watch --help": _plain,
    "sightline-evals dataset add cases.jsonl --since 7d --feedback down": _plain,
    "sightline-evals drift --window 1h": _plain,
    "sightline-store query": _plain,
    "sightline-collector doctor": _plain,
    "sightline-collector keys create --name rag-api --tenant acme": _plain,
}


def test_every_command_has_a_runner_and_every_runner_a_command() -> None:
    """A command that nobody runs would rot."""
    assert set(_commands()) == set(RUNNERS)


def test_program_of_the_readme_is_on_the_dashboards(up: Up, tmp_path: Path) -> None:
    """The program runs as it stands, its three spans are stored, and the pages are served."""
    (program,) = _blocks("python")
    (tmp_path / "program.py").write_text(program)
    done = up.run([sys.executable, "program.py"], tmp_path)
    assert done.stdout == "It marks stages.\n"
    up.wait_for_spans("my-app", 3)
    with urllib.request.urlopen(up.dashboards, timeout=10) as page:
        assert page.status == 200


@pytest.mark.parametrize("command", _commands())
def test_command_of_the_readme_works(command: str, up: Up, tmp_path: Path) -> None:
    """Each command of a fenced block does what its runner says."""
    assert command in RUNNERS, f"README.md has a command without a runner: {command}"
    RUNNERS[command](command, up, tmp_path)


def test_links_of_the_readme_lead_somewhere() -> None:
    """Each relative link and image is a file of the repository."""
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert targets
    assert not [target for target in targets if "://" not in target and not (ROOT / target).exists()]

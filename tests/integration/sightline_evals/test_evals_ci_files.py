"""The CI files of `deploy/ci`, run here command by command with the offline judge.

What a CI server does around the commands (checkout, caches, artifacts) is its own; `pip install` is recorded, not run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

CI = Path(__file__).parents[3] / "deploy" / "ci"

ANSWER = """\
import json, os, sys

for line in open(sys.argv[1]):
    case = json.loads(line)
    name = case["id"]
    case["contexts"] = [f"The {name} is made of red stone and has two doors."]
    case["answer"] = f"The {name} is made of {os.environ['MATERIAL']}."
    print(json.dumps(case))
"""


class Pipeline:
    """A folder as a CI job finds it, in which commands are run as a CI server runs them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bin = folder / "bin"
        self._bin.mkdir()
        self._tool("python", f'exec "{sys.executable}" "$@"')
        self._tool("sightline-evals", f'exec "{sys.executable}" -m sightline_evals "$@"')
        self._tool("pip", f'echo "$@" >> "{folder}/installed"')
        self.work = folder / "work"
        (self.work / "evals").mkdir(parents=True)
        (self.work / "evals" / "answer.py").write_text(ANSWER)
        questions = [
            {"id": f"house {n}", "question": f"What is house {n} made of?", "reference": "stone"} for n in range(12)
        ]
        (self.work / "evals" / "questions.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in questions))
        self.summary = folder / "summary.md"
        self.output = ""

    def run(self, commands: list[str], shell: list[str], env: Mapping[str, str]) -> int:
        """Run commands one after the other until one fails, and return its exit code."""
        for command in commands:
            done = subprocess.run(
                [*shell, command],
                cwd=self.work,
                env={
                    "PATH": f"{self._bin}{os.pathsep}{os.environ['PATH']}",
                    "HOME": str(self._folder),
                    "GITHUB_STEP_SUMMARY": str(self.summary),
                    **env,
                },
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            self.output = done.stdout + done.stderr
            if done.returncode:
                return done.returncode
        return 0

    @property
    def baselines(self) -> list[Path]:
        """Reports that were kept."""
        return sorted((self.work / "evals" / "baselines").glob("*.json"))

    @property
    def failures(self) -> int:
        """In the JUnit file."""
        suite = ElementTree.parse(self.work / "gate.xml").getroot().find("testsuite")
        assert suite is not None
        return int(suite.attrib["failures"])

    @property
    def installed(self) -> str:
        """What pip was asked for."""
        return (self._folder / "installed").read_text()

    def _tool(self, name: str, line: str) -> None:
        path = self._bin / name
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)


@pytest.fixture(name="pipeline")
def _pipeline(tmp_path: Path) -> Pipeline:
    return Pipeline(tmp_path)


def _nights_and_changes(pipeline: Pipeline, run: Callable[[str, str], int]) -> None:
    """A first night, a change that makes nothing worse, and one that does."""
    assert run("red stone", "--keep") == 0, pipeline.output
    assert len(pipeline.baselines) == 1
    assert run("red stone", "") == 0, pipeline.output
    assert run("cheese from the moon", "") == 1, pipeline.output
    assert len(pipeline.baselines) == 1
    assert pipeline.failures >= 1
    assert json.loads((pipeline.work / "gate.json").read_text())["outcome"] == "regression"
    assert "sightline-platform[evals]" in pipeline.installed


def test_github_workflow_keeps_baselines_and_stops_a_worse_change(pipeline: Pipeline) -> None:
    """Its `run:` lines, by the shell that GitHub uses; the summary of the job has the table of each run."""
    workflow = yaml.safe_load((CI / "github-actions.yml").read_text())
    job = workflow["jobs"]["gate"]
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert len(commands) == 4
    assert set(workflow[True]) == {"pull_request", "schedule", "workflow_dispatch"}  # YAML 1.1 reads `on` as true
    assert list(job["env"]) == ["KEEP"]

    def run(material: str, keep: str) -> int:
        return pipeline.run(commands, ["bash", "-e", "-c"], {"KEEP": keep, "MATERIAL": material})

    _nights_and_changes(pipeline, run)
    assert pipeline.summary.read_text().count("### Evaluation gate:") == 3
    assert "### Evaluation gate: regression" in pipeline.summary.read_text()


def test_gitlab_pipeline_keeps_baselines_and_stops_a_worse_change(pipeline: Pipeline) -> None:
    """Its `script:` lines, by the shell of a Docker executor, with the variables of each job."""
    file = yaml.safe_load((CI / "gitlab-ci.yml").read_text())
    template = file[".evals"]
    commands = [*template["before_script"], *template["script"]]
    jobs = {
        "--keep": file["evals-nightly"],
        "": file["evals-of-merge-request"],
    }

    def run(material: str, keep: str) -> int:
        job = jobs[keep]
        assert job["extends"] == ".evals"
        variables = {**template["variables"], **job.get("variables", {})}
        assert variables["KEEP"] == keep
        return pipeline.run(commands, ["sh", "-e", "-c"], {**variables, "MATERIAL": material})

    _nights_and_changes(pipeline, run)
    assert "| groundedness |" in (pipeline.work / "gate.md").read_text()
    for path in template["artifacts"]["paths"]:
        assert (pipeline.work / path).is_file()

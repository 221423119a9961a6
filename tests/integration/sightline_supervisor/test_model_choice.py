"""Which model the demo runs where the language model cannot be had."""

import io
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.console import Console

from sightline_supervisor.demo import DemoOptions, _Demo
from sightline_supervisor.errors import StepFailed
from sightline_supervisor.process import Launcher
from sightline_supervisor.role import Step
from sightline_supervisor.screen import Screen
from sightline_supervisor.settings import SupervisorSettings
from sightline_supervisor.supervise import StepResult, Supervisor


async def _chosen(folder: Path, chosen: str | None, env: Mapping[str, str]) -> tuple[str, str]:
    """The model that the demo would run, and what a person sees."""
    out = io.StringIO()
    screen = Screen(Console(file=out, width=400))
    settings = SupervisorSettings(data_dir=folder, model=chosen)
    run = _Demo(settings, env, DemoOptions(), screen)
    async with Supervisor(Launcher(folder / "logs", 1.0, env), screen) as supervisor:
        run._supervisor = supervisor
        await run._choose_model()
    return run._env["SIGHTLINE_MODEL"], out.getvalue()


def _without_engine(folder: Path) -> dict[str, str]:
    """An environment in which the engine cannot be imported."""
    (folder / "xllamacpp.py").write_text("raise ImportError('not for this machine')\n")
    return {**os.environ, "PYTHONPATH": str(folder)}


async def test_language_model_is_the_default(tmp_path: Path) -> None:
    """Its packages are here, its file has the hash: nothing is said."""
    assert await _chosen(tmp_path, None, os.environ) == ("smollm2", "")


async def test_missing_language_model_is_said_loudly(tmp_path: Path) -> None:
    """The extractive server answers instead; the reason and the way out are on the screen."""
    model, said = await _chosen(tmp_path, None, _without_engine(tmp_path))
    assert model == "extractive"
    assert said.startswith("! NO LANGUAGE MODEL")
    assert "not for this machine" in said
    assert 'pip install "sightline-platform[app]"' in said


async def test_language_model_that_was_asked_for_by_name_is_not_replaced(tmp_path: Path) -> None:
    """Its absence ends the demo; so does a file that is not the expected one, whoever asked."""
    with pytest.raises(StepFailed, match="not for this machine"):
        await _chosen(tmp_path, "smollm2", _without_engine(tmp_path))
    (tmp_path / "other.gguf").write_bytes(b"GGUF")
    wrong = {"SIGHTLINE_MODEL_FILE": str(tmp_path / "other.gguf"), "SIGHTLINE_MODEL_SHA256": "0" * 64}
    with pytest.raises(StepFailed, match="has the SHA-256"):
        await _chosen(tmp_path, None, {**os.environ, **wrong})


async def test_processor_that_cannot_run_the_engine_is_like_a_missing_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An illegal instruction ends the check by SIGILL, and the extractive server answers."""

    async def killed(supervisor: Supervisor, step: Step) -> StepResult:
        del supervisor
        assert -signal.SIGILL in step.allowed_codes
        return StepResult(-signal.SIGILL, "", 0.1)

    monkeypatch.setattr(Supervisor, "run_step", killed)
    model, said = await _chosen(tmp_path, None, os.environ)
    assert (model, "NO LANGUAGE MODEL" in said) == ("extractive", True)

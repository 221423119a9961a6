"""Settings of the judge, and durations."""

import pytest

from sightline_evals.errors import UsageError
from sightline_evals.judges.remote import RemoteJudge
from sightline_evals.settings import JudgeSettings


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    """No variable is needed."""
    settings = JudgeSettings.from_env({})
    assert settings == JudgeSettings()
    assert (settings.model, settings.max_tokens, settings.threshold) == ("", 4096, None)


def test_own_variables_go_before_those_of_openai() -> None:
    """The judge may be another endpoint than the application's model."""
    env = {"OPENAI_BASE_URL": "http://a/v1", "OPENAI_API_KEY": "a", "SIGHTLINE_JUDGE_API_KEY": "b"}
    settings = JudgeSettings.from_env(env)
    assert (settings.base_url, settings.api_key) == ("http://a/v1", "b")
    assert JudgeSettings.from_env({**env, "SIGHTLINE_JUDGE_BASE_URL": "http://b/v1"}).base_url == "http://b/v1"


def test_the_key_does_not_show_in_text() -> None:
    """Settings end up in logs; keys must not."""
    assert "secret" not in repr(JudgeSettings(api_key="secret"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SIGHTLINE_JUDGE_BASE_URL", "localhost:8081"),
        ("SIGHTLINE_JUDGE_THRESHOLD", "0"),
        ("SIGHTLINE_JUDGE_THRESHOLD", "high"),
        ("SIGHTLINE_JUDGE_MAX_TOKENS", "0"),
        ("SIGHTLINE_JUDGE_TIMEOUT_S", "-1"),
        ("SIGHTLINE_JUDGE_RETRIES", "-1"),
        ("SIGHTLINE_JUDGE_GIVE_UP_AFTER", "0"),
    ],
)
def test_an_invalid_value_is_reported_with_its_variable(name: str, value: str) -> None:
    """The message names what to change."""
    with pytest.raises(ValueError, match=name):
        JudgeSettings.from_env({name: value})


def test_a_remote_judge_needs_a_model_and_an_endpoint_or_a_key() -> None:
    """Missing settings are reported before the first call."""
    with pytest.raises(UsageError, match="SIGHTLINE_JUDGE_MODEL"):
        RemoteJudge(JudgeSettings())
    with pytest.raises(UsageError, match="SIGHTLINE_JUDGE_BASE_URL"):
        RemoteJudge(JudgeSettings(model="m"))

"""Settings of an evaluation run, read from the environment once and passed down."""

from __future__ import annotations

from dataclasses import dataclass

from sightline_roles.settings import Settings, is_http_url, setting


@dataclass(frozen=True, kw_only=True)
class JudgeSettings(Settings):
    """Which judge is asked, and how long it may take."""

    model: str = setting(
        "SIGHTLINE_JUDGE_MODEL",
        "",
        "Model that judges at an OpenAI-compatible endpoint",
        default_text="unset, the offline judge",
    )
    base_url: str = setting(
        ("SIGHTLINE_JUDGE_BASE_URL", "OPENAI_BASE_URL"),
        "",
        "Address of that endpoint, with its /v1",
        check=is_http_url,
        need="an address such as http://127.0.0.1:8081/v1",
        default_text="the hosted OpenAI API",
    )
    api_key: str = setting(("SIGHTLINE_JUDGE_API_KEY", "OPENAI_API_KEY"), "", "Key of that endpoint", secret=True)
    max_tokens: int = setting(
        "SIGHTLINE_JUDGE_MAX_TOKENS", 4096, "Longest answer of the judge, in tokens; verdicts are long", at_least=1
    )
    timeout_s: float = setting("SIGHTLINE_JUDGE_TIMEOUT_S", 60.0, "Seconds that one call may take", above=0)
    deadline_s: float = setting(
        "SIGHTLINE_JUDGE_DEADLINE_S",
        180.0,
        "Seconds that one score may take, all its calls and retries together",
        above=0,
    )
    retries: int = setting("SIGHTLINE_JUDGE_RETRIES", 2, "Further attempts after a failed call", at_least=0)
    give_up_after: int = setting(
        "SIGHTLINE_JUDGE_GIVE_UP_AFTER", 20, "Failures in a row after which the judge is not asked any more", at_least=1
    )
    threshold: float = setting(
        "SIGHTLINE_JUDGE_THRESHOLD",
        0.5,
        "Probability from which the offline judge calls a statement unsupported",
        above=0,
        at_most=1,
    )

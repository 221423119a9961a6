"""Settings of an evaluation run, read from the environment once and passed down."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class JudgeSettings:
    """Who judges, and with how much patience."""

    model: str = ""
    """SIGHTLINE_JUDGE_MODEL: model that judges at an OpenAI-compatible endpoint. Default: unset, the offline judge."""
    base_url: str = ""
    """SIGHTLINE_JUDGE_BASE_URL: the endpoint, with its /v1. Default: OPENAI_BASE_URL, else the hosted OpenAI API."""
    api_key: str = field(default="", repr=False)
    """SIGHTLINE_JUDGE_API_KEY: its key. Default: OPENAI_API_KEY."""
    max_tokens: int = 4096
    """SIGHTLINE_JUDGE_MAX_TOKENS: longest answer of the judge, in tokens. Default: 4096; verdicts need room."""
    timeout_s: float = 60.0
    """SIGHTLINE_JUDGE_TIMEOUT_S: seconds that one call may take. Default: 60."""
    deadline_s: float = 180.0
    """SIGHTLINE_JUDGE_DEADLINE_S: seconds that one score may take, all its calls and retries together. Default: 180."""
    retries: int = 2
    """SIGHTLINE_JUDGE_RETRIES: further attempts after a failed call. Default: 2."""
    give_up_after: int = 20
    """SIGHTLINE_JUDGE_GIVE_UP_AFTER: failures in a row after which the judge is not asked any more. Default: 20."""
    threshold: float = 0.5
    """SIGHTLINE_JUDGE_THRESHOLD: probability at which the offline judge calls a statement unsupported. Default: 0.5."""

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the variable."""
        if self.base_url and not self.base_url.startswith(("http://", "https://")):
            raise ValueError(
                f"SIGHTLINE_JUDGE_BASE_URL is {self.base_url!r}; needs an address such as http://127.0.0.1:8081/v1"
            )
        if not 0 < self.threshold <= 1:
            raise ValueError(f"SIGHTLINE_JUDGE_THRESHOLD is {self.threshold:g}; needs more than 0 and at most 1")
        if self.max_tokens < 1:
            raise ValueError(f"SIGHTLINE_JUDGE_MAX_TOKENS is {self.max_tokens}; needs 1 or more")
        if self.timeout_s <= 0 or self.deadline_s <= 0:
            raise ValueError("SIGHTLINE_JUDGE_TIMEOUT_S and SIGHTLINE_JUDGE_DEADLINE_S need more than 0 seconds")
        if self.retries < 0:
            raise ValueError(f"SIGHTLINE_JUDGE_RETRIES is {self.retries}; needs 0 or more")
        if self.give_up_after < 1:
            raise ValueError(f"SIGHTLINE_JUDGE_GIVE_UP_AFTER is {self.give_up_after}; needs 1 or more")

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> JudgeSettings:
        """Read the variables named above; what is absent keeps its default."""
        return cls(
            model=env.get("SIGHTLINE_JUDGE_MODEL", ""),
            base_url=env.get("SIGHTLINE_JUDGE_BASE_URL") or env.get("OPENAI_BASE_URL", ""),
            api_key=env.get("SIGHTLINE_JUDGE_API_KEY") or env.get("OPENAI_API_KEY", ""),
            max_tokens=int(_number(env, "SIGHTLINE_JUDGE_MAX_TOKENS", cls.max_tokens)),
            timeout_s=_number(env, "SIGHTLINE_JUDGE_TIMEOUT_S", cls.timeout_s),
            deadline_s=_number(env, "SIGHTLINE_JUDGE_DEADLINE_S", cls.deadline_s),
            retries=int(_number(env, "SIGHTLINE_JUDGE_RETRIES", cls.retries)),
            give_up_after=int(_number(env, "SIGHTLINE_JUDGE_GIVE_UP_AFTER", cls.give_up_after)),
            threshold=_number(env, "SIGHTLINE_JUDGE_THRESHOLD", cls.threshold),
        )


def _number(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name)
    if text is None or not text.strip():
        return default
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}; needs a number, default {default:g}") from None

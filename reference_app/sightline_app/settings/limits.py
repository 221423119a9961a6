"""Settings of who may ask, how often, and how much that may cost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sightline_app.settings.base import OwnSettings
from sightline_roles.settings import setting


@dataclass(frozen=True, kw_only=True)
class LimitSettings(OwnSettings):
    """Who may ask `sightline-app`, how often, and how many tokens that may cost."""

    keys_file: Path | None = setting(
        "SIGHTLINE_APP_KEYS_FILE",
        None,
        "File of hashed API keys, written by `sightline-app keys create`; with it every question needs a key, without "
        "it the app is open",
    )
    allow_open: bool = setting(
        "SIGHTLINE_APP_ALLOW_OPEN",
        False,
        "Whether the app may listen beyond loopback without a file of keys, for example behind a gateway that checks "
        "callers",
    )
    requests_per_minute: int = setting(
        "SIGHTLINE_APP_REQUESTS_PER_MINUTE",
        0,
        "Requests a minute of one API key, or of one tenant where the app is "
        "open; 0 is no limit, and a key may have its own",
        at_least=0,
        at_most=1_000_000,
    )
    tokens_per_minute: int = setting(
        "SIGHTLINE_APP_TOKENS_PER_MINUTE",
        0,
        "Tokens a minute, input and output, likewise",
        at_least=0,
        at_most=1_000_000_000,
    )
    tokens_per_day: int = setting(
        "SIGHTLINE_APP_TOKENS_PER_DAY", 0, "Tokens a day (UTC), likewise", at_least=0, at_most=10**12
    )
    tokens_per_month: int = setting(
        "SIGHTLINE_APP_TOKENS_PER_MONTH", 0, "Tokens a calendar month (UTC), likewise", at_least=0, at_most=10**12
    )
    user_tokens_per_day: int = setting(
        "SIGHTLINE_APP_USER_TOKENS_PER_DAY",
        0,
        "Tokens a day (UTC) of one user (`x-user-id`) of a tenant; requests without a user share one budget; 0 is no "
        "limit, and an API key may set another one for its users",
        at_least=0,
        at_most=10**12,
    )
    user_tokens_per_month: int = setting(
        "SIGHTLINE_APP_USER_TOKENS_PER_MONTH", 0, "Tokens a calendar month (UTC), likewise", at_least=0, at_most=10**12
    )
    ask_api_key: str | None = setting(
        "SIGHTLINE_APP_API_KEY",
        None,
        "API key that `sightline-app ask` sends; for several tenants a service's",
        secret=True,
    )
    when_away: str = setting(
        "SIGHTLINE_APP_LIMITS_WHEN_AWAY",
        "open",
        "What happens to requests with a limit while Redis is away: `open` answers them unchecked and charges them "
        "later, `closed` answers 503",
        choices=("open", "closed"),
    )

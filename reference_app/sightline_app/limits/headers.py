"""What a response says about the limits of its caller. Pure.

The fields are those of the IETF draft, `RateLimit-Policy` and `RateLimit`, since they name any number of limits with
any window; OpenAI's `x-ratelimit-*` know a minute's requests and tokens only, and this is no OpenAI endpoint.

    RateLimit-Policy: "requests_per_minute";q=60;w=60, "tokens_per_day";q=200000;qu="tokens";w=86400
    RateLimit: "requests_per_minute";r=59;t=1, "tokens_per_day";r=187000;t=30211

`q` is the limit, `qu` its unit where that is not requests, `w` the window in seconds; `r` is what is left and `t` the
seconds until all of it is there again.

Source: https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
"""

from __future__ import annotations

import math

from sightline_app.limits.rules import RATES, Decision

_WINDOWS_S = {"minute": 60, "day": 86_400, "month": 2_592_000}


def fields(decision: Decision) -> dict[str, str]:
    """Return the header fields of a response; none where no limit is set."""
    policies, rates = [], []
    for standing in decision.standings:
        unit = "" if standing.name == RATES[0] else ';qu="tokens"'
        window_s = _WINDOWS_S[standing.name.rpartition("_")[2]]
        policies.append(f'"{standing.name}";q={standing.limit}{unit};w={window_s}')
        rates.append(f'"{standing.name}";r={standing.left};t={math.ceil(standing.whole_after_ms / 1000)}')
    found = {"ratelimit-policy": ", ".join(policies), "ratelimit": ", ".join(rates)} if policies else {}
    if decision.refused_by and not decision.never:
        found["retry-after"] = str(max(1, math.ceil(decision.wait_ms / 1000)))
    return found

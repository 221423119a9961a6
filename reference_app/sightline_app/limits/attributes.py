"""Names of the span attributes of limits and budgets."""

from __future__ import annotations

from typing import Final

API_KEY_ID: Final = "sightline_app.api_key.id"
"""Id of the API key of a request, which is no secret."""
LIMIT_DECISION: Final = "sightline_app.limit.decision"
"""allowed, refused, or unchecked (the state of the limits was away)."""
LIMIT_REASON: Final = "sightline_app.limit.reason"
"""Which limit refused a request, for example ``user_tokens_per_day``; or ``state_away``."""
LIMIT_RESERVED_TOKENS: Final = "sightline_app.limit.reserved_tokens"
"""int, tokens that were reserved for a request before its answer, by estimate."""
LIMIT_CHARGED_TOKENS: Final = "sightline_app.limit.charged_tokens"
"""int, tokens that were charged for a request after its answer."""

"""Settings of the stages between a question and its answer that can be turned off: cache, packing and routing."""

from __future__ import annotations

from dataclasses import dataclass

from sightline_app.settings.base import OwnSettings
from sightline_roles.settings import setting


@dataclass(frozen=True, kw_only=True)
class CacheSettings(OwnSettings):
    """The semantic cache of `sightline-app`: answers that are given again to questions that mean the same."""

    on: bool = setting(
        "SIGHTLINE_APP_CACHE",
        False,
        "Whether whole answers are kept, and given again to nearly the same question of the same tenant",
    )
    threshold: float = setting(
        "SIGHTLINE_APP_CACHE_THRESHOLD",
        0.95,
        "Cosine similarity of two questions from which they count as the same; 0.98 or more without the same words",
        above=0,
        at_most=1,
    )
    words: str = setting(
        "SIGHTLINE_APP_CACHE_WORDS",
        "same",
        "Whether such questions must have the `same` words as well, but for endings and words without meaning, since "
        "the vectors of opposites are nearly the same; `any` trusts the vectors",
        choices=("same", "any"),
    )
    ttl_s: float = setting(
        "SIGHTLINE_APP_CACHE_TTL_S", 3600.0, "Seconds after which a kept answer is not given any more", above=0
    )
    max_entries: int = setting(
        "SIGHTLINE_APP_CACHE_MAX_ENTRIES",
        1000,
        "Answers that are kept of one tenant; beyond, the oldest are forgotten",
        at_least=1,
        at_most=10_000,
    )
    max_question_chars: int = setting(
        "SIGHTLINE_APP_CACHE_QUESTION_CHARS",
        500,
        "Longest question that the cache is asked for, in characters; of a longer one, too much is not in its vector",
        at_least=1,
        at_most=4000,
    )


@dataclass(frozen=True, kw_only=True)
class PackSettings(OwnSettings):
    """Which of the passages that were found `sightline-app` gives to the model."""

    on: bool = setting("SIGHTLINE_APP_PACK", True, "Whether passages are packed before they go into the prompt")
    max_tokens: int = setting(
        "SIGHTLINE_APP_PACK_TOKENS",
        0,
        "Tokens of all passages in a prompt, by estimate; one that does not fit is cut after a sentence or left out. "
        "The best passage always has its first sentence. 0 is no limit",
        at_least=0,
        at_most=10_000_000,
    )
    duplicate_share: float = setting(
        "SIGHTLINE_APP_PACK_DUPLICATE",
        0.7,
        "Share of words in common (Jaccard) from which a passage repeats a better one and is left out; 0 keeps all",
        at_least=0,
        at_most=1,
    )
    min_score_share: float = setting(
        "SIGHTLINE_APP_PACK_MIN_SCORE",
        0.0,
        "Share of the best passage's score below which a passage is left out; 0 keeps all. Scores compare within one "
        "search only, and with few candidates say little",
        at_least=0,
        at_most=1,
    )


@dataclass(frozen=True, kw_only=True)
class RouteSettings(OwnSettings):
    """Which of two models of `sightline-app` answers, and what happens when it does not."""

    large_model: str | None = setting(
        "SIGHTLINE_APP_LARGE_MODEL",
        None,
        "Name of a larger model for hard questions; SIGHTLINE_CHAT_MODEL is then the small one",
        default_text="unset: one model answers everything",
    )
    large_base_url: str | None = setting(
        "SIGHTLINE_APP_LARGE_MODEL_BASE_URL",
        None,
        "OpenAI-compatible endpoint of the large model",
        default_text="that of OPENAI_BASE_URL",
    )
    large_api_key: str | None = setting(
        "SIGHTLINE_APP_LARGE_MODEL_API_KEY",
        None,
        "Key sent to the large model's endpoint",
        secret=True,
        default_text="that of OPENAI_API_KEY where the endpoint is the same, else `local`",
    )
    large_priced_as: str | None = setting(
        "SIGHTLINE_APP_LARGE_PRICED_AS", None, "`provider/model` whose prices the large model's tokens are shown at"
    )
    rule: str = setting(
        "SIGHTLINE_APP_ROUTE",
        "rule",
        "Which model is asked first: by the rule below, or always the same",
        choices=("rule", "small", "large"),
    )
    hard_words: int = setting(
        "SIGHTLINE_APP_ROUTE_WORDS", 25, "Words from which a question is hard; 0 does not count them", at_least=0
    )
    hard_top_score: float = setting(
        "SIGHTLINE_APP_ROUTE_TOP_SCORE",
        0.6,
        "Score of the best passage (0 to 1, after the rerank stage) below which a question is hard; 0 does not look",
        at_least=0,
        at_most=1,
    )
    hard_passages: int = setting(
        "SIGHTLINE_APP_ROUTE_PASSAGES",
        2,
        "Passages below which a question is hard: little was found; 0 does not count them",
        at_least=0,
    )
    hard_messages: int = setting(
        "SIGHTLINE_APP_ROUTE_MESSAGES",
        4,
        "Earlier messages from which a question is hard; 0 does not count them",
        at_least=0,
    )
    hard_phrases: tuple[str, ...] = setting(
        "SIGHTLINE_APP_ROUTE_PHRASES",
        ("why", "compare", "difference", "differences", "versus", "vs", "explain", "trade-off", "better"),
        "Words and phrases that make a question hard",
    )
    fallback: bool = setting(
        "SIGHTLINE_APP_ROUTE_FALLBACK",
        True,
        "Whether the other model is asked when the first one fails before its first token",
    )
    circuit_failures: int = setting(
        "SIGHTLINE_APP_CIRCUIT_FAILURES",
        3,
        "Failures in a row after which a model is not asked first any more; 0 always asks it",
        at_least=0,
    )
    circuit_s: float = setting(
        "SIGHTLINE_APP_CIRCUIT_S", 30.0, "Seconds until one request tries such a model again", above=0
    )
    hedge_after_s: float = setting(
        "SIGHTLINE_APP_HEDGE_AFTER_S",
        0.0,
        "Seconds without a first token after which the other model is asked as well; the first to say something "
        "answers, and both prompts are charged. 0 never does",
        at_least=0,
    )

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the variable."""
        super().__post_init__()
        if self.large_base_url and not self.large_model:
            raise self.invalid("large_model", "the name of the model at SIGHTLINE_APP_LARGE_MODEL_BASE_URL")
        if self.rule == "large" and not self.large_model:
            raise self.invalid("rule", "SIGHTLINE_APP_LARGE_MODEL beside it")

"""Settings of the guardrails and of what leaves for a model's provider."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sightline_app.settings.base import OwnSettings
from sightline_roles.settings import setting

_KINDS = ("email", "phone", "iban", "card", "ip", "national_id")


def _are_topics(text: str) -> bool:
    parts = [each.partition(":") for each in text.split(";")]
    return all(name.strip() and words.strip(" ,") for name, _, words in parts)


@dataclass(frozen=True, kw_only=True)
class GuardrailSettings(OwnSettings):
    """Which questions `sightline-app` refuses, which passages it leaves out, and what may stand in an answer."""

    question: bool = setting("SIGHTLINE_APP_GUARD_QUESTION", True, "Whether questions are judged before anything else")
    question_families: tuple[str, ...] = setting(
        "SIGHTLINE_APP_GUARD_QUESTION_FAMILIES",
        ("injection", "jailbreak", "secret", "personal_data", "topic"),
        "Families of rules that judge a question",
        choices=("injection", "jailbreak", "secret", "personal_data", "topic"),
    )
    question_kinds: tuple[str, ...] = setting(
        "SIGHTLINE_APP_GUARD_QUESTION_KINDS",
        ("card", "iban", "national_id"),
        "Personal data for which a question is refused",
        choices=_KINDS,
    )
    threshold: float = setting(
        "SIGHTLINE_APP_GUARD_THRESHOLD",
        0.5,
        "Score from which a question or a passage counts as an attack; lower catches more and has more false alarms",
        above=0,
        at_most=1,
    )
    deny_topics: str = setting(
        "SIGHTLINE_APP_DENY_TOPICS",
        "",
        "Topics that are refused, with their words: `politics: election*, prime minister; weapons: gun*, rifle*`",
        check=_are_topics,
        need="name: word, word; name: word",
    )
    allow_topics: str = setting(
        "SIGHTLINE_APP_ALLOW_TOPICS",
        "",
        "The only topics that are answered, likewise; unset allows all",
        check=_are_topics,
        need="name: word, word; name: word",
    )
    passages: str = setting(
        "SIGHTLINE_APP_GUARD_PASSAGES",
        "drop",
        "What happens to a retrieved passage with instructions for the model: `drop` leaves it out of the prompt, "
        "`fence` marks it as data that holds instructions, `off` does not look",
        choices=("drop", "fence", "off"),
    )
    answer: bool = setting(
        "SIGHTLINE_APP_GUARD_ANSWER",
        True,
        "Whether answers are judged while they are streamed: keys and passwords, personal data, the system prompt",
    )
    answer_kinds: tuple[str, ...] = setting(
        "SIGHTLINE_APP_GUARD_ANSWER_KINDS",
        ("email", "phone", "iban", "card", "national_id"),
        "Personal data that is replaced in an answer unless it is permitted",
        choices=_KINDS,
    )
    answer_permits: str = setting(
        "SIGHTLINE_APP_GUARD_ANSWER_PERMITS",
        "known",
        "Which personal data may stand in an answer: `known` is what the question, the conversation or the passages "
        "hold, `nothing`, or `all`",
        choices=("known", "nothing", "all"),
    )
    engine: str = setting(
        "SIGHTLINE_APP_GUARD_ENGINE",
        "rules",
        "What judges questions: the rules alone, or NeMo Guardrails with the rules as actions (extra `nemo`)",
        choices=("rules", "nemo"),
    )
    nemo_config: Path | None = setting(
        "SIGHTLINE_APP_NEMO_CONFIG",
        None,
        "Folder of a NeMo Guardrails configuration",
        default_text="unset: rails that run the rules, without a language model",
    )
    nemo_answers: bool = setting(
        "SIGHTLINE_APP_NEMO_ANSWERS",
        False,
        "Whether NeMo's output rails judge each answer as a whole; the answer is not streamed then",
    )

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the variable."""
        super().__post_init__()
        if self.nemo_answers and self.engine != "nemo":
            raise self.invalid("nemo_answers", "SIGHTLINE_APP_GUARD_ENGINE=nemo beside it")


@dataclass(frozen=True, kw_only=True)
class PrivacySettings(OwnSettings):
    """What providers may see of the texts of `sightline-app`'s tenants."""

    mask: str = setting(
        "SIGHTLINE_APP_MASK",
        "residency",
        "When personal data is masked before a text leaves for a model, an embeddings endpoint or a vector store: as "
        "the residency rules say, always, or never",
        choices=("residency", "always", "off"),
    )
    residency_file: Path | None = setting(
        "SIGHTLINE_APP_RESIDENCY_FILE",
        None,
        "TOML or JSON file of what providers and regions may see of each tenant's texts; its form is in "
        "docs/guardrails.md",
        default_text="unset: every provider sees everything",
    )
    mask_kinds: tuple[str, ...] = setting(
        "SIGHTLINE_APP_MASK_KINDS",
        ("email", "phone", "iban", "card", "ip", "national_id", "secret"),
        "What is masked where SIGHTLINE_APP_MASK=always; the residency file says it for its tenants",
        choices=(*_KINDS, "secret", "name"),
    )
    names: str = setting(
        "SIGHTLINE_APP_NAMES",
        "none",
        "What recognizes names of people, where `name` is masked: nothing, or Presidio (extra `presidio`)",
        choices=("none", "presidio"),
    )
    names_model: str = setting(
        "SIGHTLINE_APP_NAMES_MODEL",
        "en_core_web_sm",
        "Installed spaCy model, or its folder, with which Presidio recognizes names",
    )
    names_language: str = setting("SIGHTLINE_APP_NAMES_LANGUAGE", "en", "Language of that model, two letters")
    names_min_score: float = setting(
        "SIGHTLINE_APP_NAMES_MIN_SCORE", 0.5, "Least score of a name", at_least=0, at_most=1
    )

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the variable."""
        super().__post_init__()
        if self.residency_file is not None and self.mask != "residency":
            raise self.invalid("mask", "residency, or no SIGHTLINE_APP_RESIDENCY_FILE beside it")

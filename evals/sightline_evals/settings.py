"""Settings of an evaluation run, read from the environment once and passed down."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sightline_roles.settings import Settings, is_http_url, setting

_NOT_SENT = "none"
_TEMPERATURE: float | None = 0.01
_TOP_P: float | None = 0.1


def _number_or_none(text: str) -> float | None:
    return None if text.strip().lower() == _NOT_SENT else float(text)


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
        "SIGHTLINE_JUDGE_MAX_TOKENS",
        4096,
        "Longest answer of the judge, in tokens, thinking included; verdicts are long",
        at_least=1,
    )
    max_tokens_parameter: str = setting(
        "SIGHTLINE_JUDGE_MAX_TOKENS_PARAMETER",
        "max_tokens",
        "How that limit is sent; an endpoint that refuses a name is sent the other one, then none",
        choices=("max_tokens", "max_completion_tokens", _NOT_SENT),
    )
    temperature: float | None = setting(
        "SIGHTLINE_JUDGE_TEMPERATURE",
        _TEMPERATURE,
        "Sampling temperature of the judge; not sent again in a run once an endpoint has refused it",
        read=_number_or_none,
        check=lambda value: 0 <= value <= 2,
        need="a number from 0 to 2, or none",
    )
    top_p: float | None = setting(
        "SIGHTLINE_JUDGE_TOP_P",
        _TOP_P,
        "Nucleus of the judge's sampling; not sent again in a run once an endpoint has refused it",
        read=_number_or_none,
        check=lambda value: 0 < value <= 1,
        need="a number above 0, at most 1, or none",
    )
    input_price_usd: float | None = setting(
        "SIGHTLINE_JUDGE_INPUT_PRICE_USD",
        None,
        "US dollars per million tokens that the judge reads",
        at_least=0,
        default_text="the price list's, by the model's name",
    )
    output_price_usd: float | None = setting(
        "SIGHTLINE_JUDGE_OUTPUT_PRICE_USD",
        None,
        "US dollars per million tokens that the judge writes",
        at_least=0,
        default_text="the price list's, by the model's name",
    )
    embedding_model: str = setting(
        "SIGHTLINE_JUDGE_EMBEDDING_MODEL",
        "",
        "Embedding model for answer_relevancy and semantic_similarity",
        default_text="unset, these metrics are not to be had",
    )
    embedding_base_url: str = setting(
        "SIGHTLINE_JUDGE_EMBEDDING_BASE_URL",
        "",
        "Address of its OpenAI-compatible endpoint, with its /v1",
        check=is_http_url,
        need="an address such as http://127.0.0.1:8081/v1",
        default_text="the judge's",
    )
    timeout_s: float = setting("SIGHTLINE_JUDGE_TIMEOUT_S", 60.0, "Seconds that one call may take", above=0)
    deadline_s: float = setting(
        "SIGHTLINE_JUDGE_DEADLINE_S",
        180.0,
        "Seconds that one score may take, all its calls and retries together, but for waiting at a rate limit",
        above=0,
    )
    retries: int = setting(
        "SIGHTLINE_JUDGE_RETRIES", 2, "Further attempts after a failed call; a rate limit uses none of them", at_least=0
    )
    rate_limit_wait_s: float = setting(
        "SIGHTLINE_JUDGE_RATE_LIMIT_WAIT_S",
        300.0,
        "Seconds of nothing but rate limits after which the judge counts as failed",
        at_least=0,
    )
    give_up_after: int = setting(
        "SIGHTLINE_JUDGE_GIVE_UP_AFTER", 5, "Failures in a row after which the judge is not asked any more", at_least=1
    )
    threshold: float | None = setting(
        "SIGHTLINE_JUDGE_THRESHOLD",
        None,
        "Probability from which the judges offline and onnx call a statement unsupported",
        above=0,
        at_most=1,
        default_text="the calibration's, 0.5 without one",
    )
    calibration: Path | None = setting(
        "SIGHTLINE_JUDGE_CALIBRATION",
        None,
        "File of `sightline-evals calibrate` that maps the offline judge's probabilities to those of your labels",
        default_text="unset, as fitted to public sets",
    )
    onnx_folder: Path | None = setting(
        "SIGHTLINE_JUDGE_ONNX_FOLDER",
        None,
        "Folder of the classifier of `--judge onnx`: model.onnx, tokenizer.json, config.json",
    )
    onnx_label: str = setting(
        "SIGHTLINE_JUDGE_ONNX_LABEL",
        "",
        "Name or number of its label that says that the context supports the statement",
        default_text="the one that id2label in config.json calls entailment, consistent or the like",
    )
    onnx_tokens: int = setting(
        "SIGHTLINE_JUDGE_ONNX_TOKENS",
        512,
        "Tokens that it reads at once; longer contexts are cut in parts",
        at_least=64,
    )
    onnx_batch: int = setting("SIGHTLINE_JUDGE_ONNX_BATCH", 8, "Pairs that it judges at once", at_least=1)
    onnx_threads: int = setting(
        "SIGHTLINE_JUDGE_ONNX_THREADS", 0, "Threads of the classifier; 0 is one a core", at_least=0
    )


@dataclass(frozen=True, kw_only=True)
class RunSettings(Settings):
    """Where runs keep what they have scored, and how applications are asked."""

    cache_dir: Path | None = setting(
        "SIGHTLINE_EVALS_CACHE_DIR",
        None,
        "Folder of runs that can go on after a crash, and of the judge's answers",
        default_text="the folder `evals` in `SIGHTLINE_CACHE_DIR`",
    )
    shared_cache_dir: Path | None = setting(
        "SIGHTLINE_CACHE_DIR", None, "Downloaded or built files", default_text="`~/.cache/sightline`"
    )
    keep_days: float = setting(
        "SIGHTLINE_EVALS_KEEP_DAYS",
        7.0,
        "Days after which a run's folder, which holds questions and answers, is deleted by a later run",
        above=0,
    )

    ask_headers: str = setting(
        "SIGHTLINE_EVALS_ASK_HEADERS",
        "",
        "Header fields for the application of `--ask`, as name=value with commas between",
        secret=True,
    )
    ask_timeout_s: float = setting(
        "SIGHTLINE_EVALS_ASK_TIMEOUT_S", 120.0, "Seconds that this application may be silent", above=0
    )

    @property
    def folder(self) -> Path:
        """The folder, whether it exists or not."""
        shared = self.shared_cache_dir or Path.home() / ".cache" / "sightline"
        return self.cache_dir or shared / "evals"


@dataclass(frozen=True, kw_only=True)
class GateSettings(Settings):
    """What the gate keeps."""

    keep_baselines: int = setting(
        "SIGHTLINE_EVALS_KEEP_BASELINES",
        30,
        "Reports that passed which `gate --keep` leaves in the folder of baselines, the newest",
        at_least=1,
    )

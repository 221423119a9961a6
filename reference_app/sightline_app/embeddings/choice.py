"""Which embedding is used: the one of the setting, or the best that can be had.

``auto`` takes an endpoint where one is set, else all-MiniLM-L6-v2 in this process. Only where the package of its
weights is missing, the lexical embedding stands in, and a warning says so at each start.

What was chosen is part of the index: questions are embedded with the embedding, and the precision, that the passages
were embedded with.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from sightline_app.embeddings import fastembed_model, inference_endpoint, minilm, onnx_file, weights
from sightline_app.embeddings.lexical import LexicalEmbedding
from sightline_app.embeddings.openai_endpoint import OpenAIEmbedding
from sightline_app.embeddings.precision import Precision
from sightline_app.embeddings.protocol import Embedding
from sightline_app.errors import InvalidSetting
from sightline_app.settings import AppSettings

_log = logging.getLogger("sightline.app")


def kind(settings: AppSettings) -> str:
    """Return what the settings mean: ``openai``, ``oip``, ``minilm``, ``onnx``, ``fastembed`` or ``lexical``."""
    if settings.embedding != "auto":
        return settings.embedding
    if settings.embeddings_base_url:
        return "openai"
    return "minilm" if weights.is_installed() else "lexical"


def wish(settings: AppSettings) -> str:
    """Return the settings that decide about the vectors; another wish needs another index."""
    wanted, oip = kind(settings), settings.inference
    parts = {
        "openai": f"{settings.embeddings_base_url}|{settings.embeddings_model}",
        "oip": f"{oip.url}|{oip.model}|{oip.input}|{oip.output}",
        "onnx": f"{settings.onnx_file.file}|{settings.onnx_file.tokenizer_file}|{settings.onnx_file.max_tokens}",
        "minilm": minilm.version(Precision(settings.minilm.precision)),
        "fastembed": settings.fastembed_model,
        "lexical": str(settings.lexical_dimensions),
    }
    return f"{wanted}|{parts[wanted]}"


def choose(settings: AppSettings, fit: Callable[[], LexicalEmbedding]) -> Embedding:
    """Return the embedding to index with.

    Args:
        settings: what is wished for.
        fit: builds the lexical embedding, called only when it is the choice.

    Raises:
        InvalidSetting: the one asked for by name cannot be had.
    """
    wanted = kind(settings)
    if wanted == "openai":
        if not settings.embeddings_base_url:
            raise InvalidSetting("SIGHTLINE_EMBEDDING", "openai", "set SIGHTLINE_EMBEDDINGS_BASE_URL as well")
        return OpenAIEmbedding(
            settings.embeddings_base_url,
            settings.embeddings_api_key,
            settings.embeddings_model,
            settings.model_timeout_s,
        )
    if wanted == inference_endpoint.KIND:
        return inference_endpoint.InferenceEmbedding(settings.inference, settings.model_timeout_s)
    if wanted == onnx_file.KIND:
        return onnx_file.OnnxFile(settings.onnx_file, settings.minilm)
    if wanted == "minilm":
        return minilm.MiniLM(settings.minilm, settings.cache_dir)
    if wanted == "fastembed":
        return _fastembed(
            settings,
            f'run `pip install "sightline-platform[onnx]"` and let it fetch {settings.fastembed_model} once',
        )
    if settings.embedding == "auto":
        _warn_of_fallback()
    return fit()


def load(name: str, version: str, dimensions: int, folder: Path, settings: AppSettings) -> Embedding:
    """Return the embedding that an index was built with.

    Args:
        name: its name in the manifest.
        version: its version in the manifest.
        dimensions: length of the index's vectors.
        folder: files of the index version, where a fitted embedding is.
        settings: addresses, keys and precision.

    Raises:
        InvalidSetting: it needs a setting or a package that is not there now, or another precision.
        CorpusError: the fitted embedding is missing or damaged.
    """
    if name == LexicalEmbedding.name:
        if settings.embedding == "auto":
            _warn_of_fallback()
        return LexicalEmbedding.load(folder)
    if name == minilm.NAME:
        wanted = minilm.version(Precision(settings.minilm.precision))
        if version != wanted:
            raise InvalidSetting(
                "SIGHTLINE_EMBEDDING_PRECISION",
                settings.minilm.precision,
                f"the index holds vectors of version {version}, questions would get {wanted}; "
                "set the index's precision, or run `sightline-app ingest`",
            )
        return minilm.MiniLM(settings.minilm, settings.cache_dir)
    which, _, model = name.partition(":")
    if which == "openai":
        if not settings.embeddings_base_url:
            raise InvalidSetting(
                "SIGHTLINE_EMBEDDINGS_BASE_URL", "", f"the index was built with {name}; set it, or ingest again"
            )
        return OpenAIEmbedding(
            settings.embeddings_base_url, settings.embeddings_api_key, model, settings.model_timeout_s, dimensions
        )
    if which == inference_endpoint.KIND:
        served = inference_endpoint.InferenceEmbedding(settings.inference, settings.model_timeout_s)
        return _same(served, name, version, "SIGHTLINE_OIP_MODEL")
    if which == onnx_file.KIND:
        read = onnx_file.OnnxFile(settings.onnx_file, settings.minilm)
        return _same(read, name, version, "SIGHTLINE_EMBEDDING_ONNX_FILE")
    made = _fastembed(settings, f"the index was built with {name}; ingest again")
    if made.name != name:
        raise InvalidSetting(
            "SIGHTLINE_FASTEMBED_MODEL", settings.fastembed_model, f"the index was built with {name}; ingest again"
        )
    return made


def _same(made: Embedding, name: str, version: str, variable: str) -> Embedding:
    """Return an embedding if it gives the vectors that the index was built with."""
    if (made.name, made.version) != (name, version):
        raise InvalidSetting(
            variable,
            made.model,
            f"the index was built with {name} {version}, and this is {made.name} {made.version}; "
            "run `sightline-app ingest --force`",
        )
    return made


def _fastembed(settings: AppSettings, way_out: str) -> fastembed_model.FastEmbedEmbedding:
    made = fastembed_model.find(settings)
    if made is None:
        raise InvalidSetting("SIGHTLINE_EMBEDDING", "fastembed", way_out)
    return made


def _warn_of_fallback() -> None:
    _log.warning(
        "NO EMBEDDING MODEL: the weights of %s are not installed (`%s`), so passages are found by their words only",
        minilm.NAME,
        weights.INSTALL,
    )

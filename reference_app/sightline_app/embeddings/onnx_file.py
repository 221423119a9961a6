"""An ONNX file of one's own as the embedding, such as `exporting` writes from a model of PyTorch or Keras."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from sightline_app.embeddings.minilm import SentenceModel
from sightline_app.embeddings.protocol import Matrix, unit
from sightline_app.errors import InvalidSetting
from sightline_app.settings import MiniLMSettings, OnnxFileSettings

KIND = "onnx"
"""What names of such embeddings begin with in manifests, and the value of SIGHTLINE_EMBEDDING."""

_FILE, _TOKENIZER = "SIGHTLINE_EMBEDDING_ONNX_FILE", "SIGHTLINE_EMBEDDING_TOKENIZER_FILE"
_INPUTS = {"input_ids", "attention_mask"}


class OnnxFile(SentenceModel):
    """Sentence vectors of a file's model; those that are not of unit length are scaled to it.

    Args:
        settings: the file, its tokenizer, and how many word pieces it reads.
        running: threads and batching.

    Raises:
        InvalidSetting: a file is missing, cannot be read, or has other inputs and outputs.
    """

    def __init__(self, settings: OnnxFileSettings, running: MiniLMSettings) -> None:
        if settings.file is None:
            raise InvalidSetting("SIGHTLINE_EMBEDDING", KIND, f"set {_FILE} as well")
        graph = _read(settings.file, _FILE)
        tokenizer_file = settings.tokenizer_file or settings.file.with_name("tokenizer.json")
        tokenizer = _read(tokenizer_file, _TOKENIZER)
        try:
            super().__init__(graph, tokenizer.decode(), running, settings.max_tokens)
        except Exception as exc:  # onnxruntime and tokenizers have no common error
            raise InvalidSetting(_FILE, settings.file, f"with {tokenizer_file} it cannot be used: {exc}") from exc
        inputs = {each.name for each in self._session.get_inputs()}
        if inputs != _INPUTS:
            raise InvalidSetting(_FILE, settings.file, f"its inputs are {sorted(inputs)}, needs {sorted(_INPUTS)}")
        self.name = f"{KIND}:{settings.file.stem}"
        self.model = settings.file.stem
        told = graph + tokenizer + str(settings.max_tokens).encode()
        self.version = hashlib.sha256(told).hexdigest()[:12]
        self.dimensions = int(self._measured(settings.file).shape[1])

    def _vectors(self, batch: Any) -> Matrix:
        return unit(super()._vectors(batch))

    def _measured(self, file: Path) -> Matrix:
        """Return the vectors of two texts of different length, which show what comes out and that batches are taken."""
        read = [each.ids for each in self.tokens(["size", "a longer text"])]
        try:
            vectors = self._vectors(read)
        except Exception as exc:  # whatever the runtime raises for a graph that takes no such batch
            raise InvalidSetting(_FILE, file, f"it cannot compute a batch of two texts: {exc}") from exc
        if vectors.ndim != 2 or len(vectors) != len(read) or not np.isfinite(vectors).all():
            raise InvalidSetting(
                _FILE, file, f"its first output has the shape {list(vectors.shape)}, needs one vector a text"
            )
        return vectors


def _read(path: Path, variable: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise InvalidSetting(variable, path, f"cannot be read: {exc.strerror}") from exc

"""An ONNX model that reads texts, with its tokenizer: loaded and fed. The packages are an extra."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sightline_evals.errors import UsageError

_FIELDS: Final = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
INPUTS: Final = frozenset(_FIELDS)
"""Inputs that can be fed."""


class OnnxModel:
    """A model and its tokenizer.

    Args:
        path: the model; `tokenizer.json` of the `tokenizers` library stands beside it.
        what: what the model is for, at the begin of errors.
        threads: of one run of the model; 0 is one a core.

    Attributes:
        tokenizer: a `tokenizers.Tokenizer`.
        session: an `onnxruntime.InferenceSession`.

    Raises:
        UsageError: a package or a file is missing, or a file cannot be used.
    """

    def __init__(self, path: Path, what: str, threads: int = 0) -> None:
        try:
            import onnxruntime  # type: ignore[import-untyped]  # noqa: PLC0415 - optional
            import tokenizers  # noqa: PLC0415 - optional
        except ImportError as exc:
            raise UsageError(
                f'{what} needs onnxruntime and tokenizers: pip install "sightline-platform[onnx]"'
            ) from exc
        words = path.with_name("tokenizer.json")
        for file in (path, words):
            if not file.is_file():
                raise UsageError(
                    f"{what}: there is no file {file}; needs an ONNX model and its tokenizer.json beside it"
                )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            self.tokenizer: Any = tokenizers.Tokenizer.from_file(str(words))
            self.session: Any = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as exc:  # the libraries have no common error
            raise UsageError(f"{what} {path} cannot be used: {' '.join(str(exc).split())[:300]}") from exc


def outputs(session: Any, encodings: Sequence[Any]) -> NDArray[Any]:
    """The model's first output for some encoded texts; inputs that are not among `INPUTS` are not fed."""
    fed = {
        each.name: np.array([getattr(encoding, _FIELDS[each.name]) for encoding in encodings], dtype=np.int64)
        for each in session.get_inputs()
        if each.name in INPUTS
    }
    return np.asarray(session.run(None, fed)[0])

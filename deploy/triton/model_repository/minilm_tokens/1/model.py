"""From texts to word pieces, in Triton's Python backend. Needs `tokenizers` in the backend's Python."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from tokenizers import Tokenizer

MAX_TOKENS = 256
"""Word pieces that all-MiniLM-L6-v2 reads."""


class TritonPythonModel:
    """What the backend looks for by this name."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the tokenizer of the parameter `tokenizer`."""
        parameters = json.loads(args["model_config"])["parameters"]
        self._tokenizer = Tokenizer.from_file(parameters["tokenizer"]["string_value"])
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding(length=MAX_TOKENS)

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer each request of a batch."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        texts = [row[0].decode() for row in pb_utils.get_input_tensor_by_name(request, "TEXT").as_numpy()]
        read = self._tokenizer.encode_batch(texts)
        ids = np.array([each.ids for each in read], np.int64)
        mask = np.array([each.attention_mask for each in read], np.int64)
        told = [pb_utils.Tensor("INPUT_IDS", ids), pb_utils.Tensor("ATTENTION_MASK", mask)]
        return pb_utils.InferenceResponse(output_tensors=told)

"""Models of PyTorch and of Keras become ONNX files that the app loads; skipped where the frameworks are missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx_words import WORDS, read, write

from sightline_app.embeddings.exporting import from_keras, from_torch


def check(path: Path, expected: NDArray[Any]) -> None:
    """An exported file is one that the app loads; its vectors are the model's."""
    write(path.parent)  # for its tokenizer
    vectors = read(path).embed_texts(["a longer text", "goose"], lambda done, total: None)
    lengths = np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.allclose(vectors, expected / lengths, atol=1e-4)


TWO_TEXTS = (np.array([[2, 3, 4], [5, 0, 0]]), np.array([[1, 1, 1], [1, 0, 0]]))
"""Both texts of `check` as word pieces, and their mask."""


@pytest.mark.filterwarnings("ignore")  # of the exporters and what they import
def test_model_of_pytorch_becomes_a_file_that_the_app_loads(tmp_path: Path) -> None:
    """With any number of texts and word pieces."""
    torch = pytest.importorskip("torch", reason="NO PYTORCH: torch is not installed")
    pytest.importorskip("onnxscript", reason="NO PYTORCH EXPORT: onnxscript is not installed")

    class Pooled(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Embedding(len(WORDS), 8)
            self.linear = torch.nn.Linear(8, 4)

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            column = attention_mask.unsqueeze(-1).to(torch.float32)
            return self.linear((torch.tanh(self.table(input_ids)) * column).sum(1) / column.sum(1))

    module = Pooled()
    path = tmp_path / "model" / "pooled.onnx"
    from_torch(module, path, vocabulary=len(WORDS))
    check(path, module(*map(torch.from_numpy, TWO_TEXTS)).detach().numpy())


@pytest.mark.filterwarnings("ignore")  # of the exporters and what they import
def test_model_of_keras_becomes_a_file_that_the_app_loads(tmp_path: Path) -> None:
    """With any number of texts and word pieces."""
    keras = pytest.importorskip("keras", reason="NO TENSORFLOW: keras is not installed")
    pytest.importorskip("tf2onnx", reason="NO TENSORFLOW EXPORT: tf2onnx is not installed")
    ids, mask = (keras.Input((None,), dtype="int64", name=name) for name in ("input_ids", "attention_mask"))
    column = keras.ops.expand_dims(keras.ops.cast(mask, "float32"), -1)
    each = keras.layers.Dense(8, activation="tanh")(keras.layers.Embedding(len(WORDS), 8)(ids))
    mean = keras.ops.sum(each * column, 1) / keras.ops.sum(column, 1)
    model = keras.Model([ids, mask], keras.layers.Dense(4)(mean))
    path = tmp_path / "model" / "pooled.onnx"
    from_keras(model, path, vocabulary=len(WORDS))
    check(path, np.asarray(model(list(TWO_TEXTS))))

"""Models of PyTorch and Keras as ONNX files that the app can load (`SIGHTLINE_EMBEDDING=onnx`).

The model takes ``input_ids`` and ``attention_mask``, int64[n, length], and returns float32[n, dimensions]: pooling is
part of it. After the export the file is run on batches of other sizes, and its vectors are compared with the model's
own, so a graph that has a size or a branch of the example fixed is refused instead of written.

PyTorch, onnxscript, TensorFlow and tf2onnx are needed here only, not by the app.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

INPUTS = ("input_ids", "attention_mask")
OUTPUT = "vectors"

_OPSET = 18
_TOLERANCE = 1e-4
_TRIED = ((1, 3), (2, 9), (5, 17))
"""Texts and word pieces of the batches on which file and model are compared."""

Batch = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Word pieces and mask of some texts."""


class ExportFailed(Exception):
    """The file does not compute what the model computes; nothing was written."""


def from_torch(module: Any, path: Path, *, vocabulary: int) -> None:
    """Write a module of PyTorch.

    Args:
        module: a ``torch.nn.Module``, called with both inputs.
        path: of the file; written only after the comparison.
        vocabulary: word pieces that it knows; the batches of the comparison are drawn from them.

    Raises:
        ExportFailed: the file computes something else.
    """
    import torch  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415

    module = module.eval()
    ids, mask = (torch.from_numpy(each) for each in _batch(2, 5, vocabulary))
    rows, length = torch.export.Dim("n"), torch.export.Dim("length")

    def write(draft: Path) -> None:
        torch.onnx.export(
            module,
            (ids, mask),
            str(draft),
            input_names=list(INPUTS),
            output_names=[OUTPUT],
            dynamic_shapes=({0: rows, 1: length}, {0: rows, 1: length}),
            opset_version=_OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )

    def compute(batch: Batch) -> NDArray[Any]:
        with torch.no_grad():
            return np.asarray(module(*(torch.from_numpy(each) for each in batch)).numpy())

    write_compared(write, compute, path, vocabulary)


def from_keras(model: Any, path: Path, *, vocabulary: int) -> None:
    """Write a model of Keras on TensorFlow; otherwise as `from_torch`.

    Args:
        model: called with a list of both inputs.
        path: of the file.
        vocabulary: word pieces that it knows.

    Raises:
        ExportFailed: the file computes something else.
    """
    import tensorflow  # type: ignore[import-not-found, import-untyped, unused-ignore]  # noqa: PLC0415
    import tf2onnx  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415

    signature = [tensorflow.TensorSpec([None, None], tensorflow.int64, name=name) for name in INPUTS]

    @tensorflow.function(input_signature=signature)  # type: ignore[untyped-decorator, unused-ignore]
    def traced(input_ids: Any, attention_mask: Any) -> dict[str, Any]:
        return {OUTPUT: model([input_ids, attention_mask], training=False)}

    def write(draft: Path) -> None:
        tf2onnx.convert.from_function(traced, input_signature=signature, opset=_OPSET, output_path=str(draft))

    def compute(batch: Batch) -> NDArray[Any]:
        return np.asarray(model(list(batch), training=False))

    write_compared(write, compute, path, vocabulary)


def write_compared(
    write: Callable[[Path], None], compute: Callable[[Batch], NDArray[Any]], path: Path, vocabulary: int
) -> None:
    """Export to a file, which appears under its name only if it computes what the model computes.

    Args:
        write: exports to a path.
        compute: the model itself.
        path: of the file.
        vocabulary: word pieces that the model knows.

    Raises:
        ExportFailed: the file computes something else.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        draft = Path(folder) / path.name
        write(draft)
        _compare(draft, compute, vocabulary)
        draft.replace(path)


def _compare(draft: Path, compute: Callable[[Batch], NDArray[Any]], vocabulary: int) -> None:
    import onnxruntime  # type: ignore[import-untyped]  # noqa: PLC0415

    session = onnxruntime.InferenceSession(draft.read_bytes(), providers=["CPUExecutionProvider"])
    for rows, length in _TRIED:
        batch = _batch(rows, length, vocabulary)
        expected = compute(batch)
        try:
            found = session.run(None, dict(zip(INPUTS, batch, strict=True)))[0]
        except Exception as exc:  # the runtime's own errors have no common root
            raise ExportFailed(
                f"the exported graph cannot compute {rows} texts of {length} word pieces: {exc}"
            ) from exc
        difference = float(np.abs(found - expected).max()) if found.shape == expected.shape else float("inf")
        if not difference <= _TOLERANCE:
            raise ExportFailed(
                f"the exported graph differs by {difference:g} for {rows} texts of {length} word pieces; "
                f"at most {_TOLERANCE:g} is rounding"
            )


def _batch(rows: int, length: int, vocabulary: int) -> Batch:
    """Return a batch of texts of different lengths, the same at each call."""
    ids = np.random.default_rng(rows * 1000 + length).integers(0, vocabulary, (rows, length), np.int64)
    mask = np.ones((rows, length), np.int64)
    for row in range(1, rows):
        mask[row, max(1, length - row) :] = 0
    return ids, mask

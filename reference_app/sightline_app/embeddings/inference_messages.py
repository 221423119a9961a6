"""Requests and responses of the Open Inference Protocol (version 2, HTTP): texts in, vectors out. Pure.

Tensors travel as JSON, or as raw bytes behind the JSON where the server offers the extension ``binary_tensor_data``:
little-endian, row by row, each text with its length before it as an unsigned integer of 4 bytes.

Source: https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md and
https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/protocol/extension_binary_data.html
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from sightline_app.embeddings.protocol import Matrix

HEADER_LENGTH: Final = "inference-header-content-length"
"""Header field: bytes of the JSON in a body with raw tensors behind it."""
BINARY: Final = "binary_tensor_data"
"""Name of the extension among those that a server offers."""

_TEXTS: Final = "BYTES"
_FLOATS: Final = {"FP16": "<f2", "FP32": "<f4", "FP64": "<f8"}


@dataclass(frozen=True)
class Model:
    """How a model is asked."""

    input: str
    """Name of the tensor of texts."""
    output: str
    """Name of the tensor of vectors."""
    input_rank: int
    """1: a text is an element; 2: a text is a row of one element."""
    dimensions: int
    """Length of the vectors; 0 where the model does not say."""
    versions: tuple[str, ...]
    """Versions of the model that the server has."""


def read_model(metadata: Mapping[str, Any], input_name: str, output_name: str) -> Model:
    """Return how a model is asked, from its metadata.

    Args:
        metadata: as ``v2/models/NAME`` answers.
        input_name: tensor of texts; empty for the only one.
        output_name: tensor of vectors; empty for the only one.

    Raises:
        ValueError: there is no such tensor, or it is of another kind; the message says what there is.
    """
    texts = _tensor(metadata, "inputs", input_name)
    vectors = _tensor(metadata, "outputs", output_name)
    shape, sizes = list(texts.get("shape", [])), list(vectors.get("shape", []))
    if texts.get("datatype") != _TEXTS:
        raise ValueError(f"its input {texts['name']} has {texts.get('datatype')}, not texts (BYTES)")
    if len(shape) not in {1, 2} or (len(shape) == 2 and shape[1] not in {1, -1}):
        raise ValueError(f"its input {texts['name']} has the shape {shape}, not one text for each row")
    if vectors.get("datatype") not in _FLOATS:
        raise ValueError(f"its output {vectors['name']} has {vectors.get('datatype')}, not one of {', '.join(_FLOATS)}")
    if len(sizes) != 2:
        raise ValueError(f"its output {vectors['name']} has the shape {sizes}, not one vector for each row")
    versions = tuple(map(str, metadata.get("versions") or ()))
    return Model(texts["name"], vectors["name"], len(shape), max(0, int(sizes[1])), versions)


def _tensor(metadata: Mapping[str, Any], side: str, name: str) -> Mapping[str, Any]:
    tensors = [each for each in metadata.get(side) or () if isinstance(each, dict) and "name" in each]
    found = [each for each in tensors if not name or each["name"] == name]
    if len(found) != 1:
        listed = ", ".join(str(each["name"]) for each in tensors) or "none"
        raise ValueError(f"its {side} are {listed}; {f'there is no {name}' if name else 'name one of them'}")
    return found[0]


def encode(texts: Sequence[str], model: Model, *, binary: bool) -> tuple[bytes, dict[str, str]]:
    """Return body and header fields of a request.

    Args:
        texts: at least one.
        model: what is asked.
        binary: whether tensors travel as raw bytes.
    """
    shape = [len(texts)] if model.input_rank == 1 else [len(texts), 1]
    tensor: dict[str, Any] = {"name": model.input, "shape": shape, "datatype": _TEXTS}
    output: dict[str, Any] = {"name": model.output}
    if not binary:
        body = {"inputs": [tensor | {"data": list(texts)}], "outputs": [output]}
        return json.dumps(body).encode(), {"content-type": "application/json"}
    content = b"".join(struct.pack("<I", len(each)) + each for each in (text.encode() for text in texts))
    tensor["parameters"] = {"binary_data_size": len(content)}
    output["parameters"] = {"binary_data": True}
    head = json.dumps({"inputs": [tensor], "outputs": [output]}).encode()
    return head + content, {"content-type": "application/octet-stream", HEADER_LENGTH: str(len(head))}


def decode(body: bytes, headers: Mapping[str, str], model: Model, rows: int) -> Matrix:
    """Return float32[rows, dimensions] of a response, as the model gave them.

    Args:
        body: of the response.
        headers: its fields, by lower-case name.
        model: what was asked.
        rows: texts that were sent.

    Raises:
        ValueError: the response is not what was asked for.
    """
    length = int(headers.get(HEADER_LENGTH, len(body)))
    told = json.loads(body[:length])
    at = length
    for output in told.get("outputs") or ():
        size = (output.get("parameters") or {}).get("binary_data_size")
        raw, at = (None, at) if size is None else (body[at : at + int(size)], at + int(size))
        if output.get("name") == model.output:
            return _matrix(output, raw, model, rows)
    raise ValueError(f"no output {model.output} in the response")


def _matrix(output: Mapping[str, Any], raw: bytes | None, model: Model, rows: int) -> Matrix:
    kind, shape = str(output.get("datatype")), list(output.get("shape") or ())
    if (
        kind not in _FLOATS
        or len(shape) != 2
        or shape[0] != rows
        or (model.dimensions and shape[1] != model.dimensions)
    ):
        expected = [rows, model.dimensions or "any"]
        raise ValueError(f"the output {model.output} is {kind} {shape}, expected floats of the shape {expected}")
    values = np.asarray(output["data"], np.float32) if raw is None else np.frombuffer(raw, _FLOATS[kind])
    matrix = values.astype(np.float32, copy=False).reshape(shape)  # ValueError where the number of values is another
    if not np.isfinite(matrix).all():
        raise ValueError(f"the output {model.output} holds values that are no finite numbers")
    return matrix

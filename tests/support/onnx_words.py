"""A model that looks words up and adds their vectors, as an ONNX file with its tokenizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from sightline_app.embeddings.onnx_file import OnnxFile
from sightline_app.settings import MiniLMSettings, OnnxFileSettings

WORDS = ["[UNK]", "size", "a", "longer", "text", "goose", "geese"]
TABLE = np.random.default_rng(1).normal(size=(len(WORDS), 4)).astype(np.float32)
"""Vector of each word; a text's is the mean over its words."""


def write(folder: Path, *, inputs: tuple[str, str] = ("input_ids", "attention_mask"), keeps_words: int = 0) -> Path:
    """Write a model that looks words up and adds them, and its tokenizer."""
    ids, mask = inputs
    nodes = [
        helper.make_node("Gather", ["table", ids], ["each"]),
        helper.make_node("Cast", [mask], ["admitted"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["admitted", "last"], ["column"]),
        helper.make_node("Mul", ["each", "column"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "middle"], ["sum"], keepdims=keeps_words),
    ]
    constants = [
        numpy_helper.from_array(TABLE, "table"),
        numpy_helper.from_array(np.array([2]), "last"),
        numpy_helper.from_array(np.array([1]), "middle"),
    ]
    sides = [helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "length"]) for name in inputs]
    output = helper.make_tensor_value_info("sum", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "sum", sides, [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = folder / "words.onnx"
    onnx.save(model, str(path))
    vocabulary = {word: number for number, word in enumerate(WORDS)}
    tokenizer: dict[str, Any] = {
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"},
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return path


def read(path: Path, **changes: Any) -> OnnxFile:
    """The embedding of a file."""
    return OnnxFile(OnnxFileSettings(file=path, **changes), MiniLMSettings(threads=1, batch_wait_ms=0))

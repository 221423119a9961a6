"""The encoder of all-MiniLM-L6-v2 as an ONNX graph, built from its weights.

Inputs ``input_ids`` and ``attention_mask`` are int64[n, length]; the output ``vectors`` is float32[n, 384] of unit
length: six BERT layers, the mean over the word pieces that the mask admits, and the division by the length.

Attention, GELU and the INT8 product are operators of ONNX Runtime itself (domain ``com.microsoft``): one node each
instead of a dozen that the runtime would have to recognise and merge.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from sightline_app.embeddings.precision import Precision
from sightline_app.embeddings.weights import DIMENSIONS, MAX_TOKENS

_LAYERS, _HEADS = 6, 12
_EPSILON = 1e-12
_CONTRIB = "com.microsoft"
_BLOCK = 32
_INT8_COMPUTE = 4
"""``accuracy_level`` of MatMulNBits: activations become INT8 too, in blocks of a row, so that rows do not influence
each other and a batch gives what each text alone gives."""

Array = NDArray[np.float32]


class _Graph:
    """Nodes and constants of a graph under construction; an operation is known by the name of its output."""

    def __init__(self, weights: Mapping[str, Array], precision: Precision) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self._weights = weights
        self._precision = precision

    def constant(self, name: str, value: NDArray[Any]) -> str:
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def node(self, kind: str, inputs: list[str], name: str, domain: str = "", **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, domain=domain, **attributes))
        return name

    def linear(self, value: str, part: str) -> str:
        """Multiply by a weight matrix and add its bias."""
        matrix, bias = self._weights[f"{part}.weight"], self._weights[f"{part}.bias"]
        added = self.constant(f"{part}.bias", bias)
        if self._precision is Precision.INT8:
            return self._linear_int8(value, part, matrix, added)
        if self._precision is Precision.FP16:
            stored = self.constant(f"{part}.weight", matrix.T.astype(np.float16))
            factor = self.node("Cast", [stored], f"{part}.fp32", to=onnx.TensorProto.FLOAT)
        else:
            factor = self.constant(f"{part}.weight", matrix.T)
        return self.node("Add", [self.node("MatMul", [value, factor], f"{part}.product"), added], part)

    def _linear_int8(self, value: str, part: str, matrix: Array, bias: str) -> str:
        columns, rows = matrix.shape
        blocks = matrix.reshape(columns, rows // _BLOCK, _BLOCK)
        numbers, scales = to_int8(blocks)
        stored = self.constant(f"{part}.int8", (numbers.astype(np.int16) + 128).astype(np.uint8))  # 128 is the zero
        scaled = self.constant(f"{part}.scales", scales[..., 0])
        sizes = {"K": rows, "N": columns, "bits": 8, "block_size": _BLOCK, "accuracy_level": _INT8_COMPUTE}
        return self.node("MatMulNBits", [value, stored, scaled, "", "", bias], part, _CONTRIB, **sizes)

    def normalized(self, value: str, part: str, name: str) -> str:
        gain = self.constant(f"{part}.weight", self._weights[f"{part}.weight"])
        shift = self.constant(f"{part}.bias", self._weights[f"{part}.bias"])
        return self.node("LayerNormalization", [value, gain, shift], name, axis=-1, epsilon=_EPSILON)

    def words(self) -> str:
        """Look up the vectors of the word pieces."""
        table = self._weights["embeddings.word_embeddings.weight"]
        if self._precision is Precision.FP32:
            return self.node("Gather", [self.constant("words", table), "input_ids"], "word")
        if self._precision is Precision.FP16:
            found = self.node("Gather", [self.constant("words", table.astype(np.float16)), "input_ids"], "word.fp16")
            return self.node("Cast", [found], "word", to=onnx.TensorProto.FLOAT)
        numbers, scales = to_int8(table)
        found = self.node("Gather", [self.constant("words", numbers), "input_ids"], "word.int8")
        scale = self.node("Gather", [self.constant("words.scales", scales), "input_ids"], "word.scale")
        return self.node("Mul", [self.node("Cast", [found], "word.fp32", to=onnx.TensorProto.FLOAT), scale], "word")

    def model(self) -> onnx.ModelProto:
        kind = onnx.TensorProto.INT64
        inputs = [
            helper.make_tensor_value_info(each, kind, ["n", "length"]) for each in ("input_ids", "attention_mask")
        ]
        output = helper.make_tensor_value_info("vectors", onnx.TensorProto.FLOAT, ["n", DIMENSIONS])
        made = helper.make_graph(self.nodes, "all-MiniLM-L6-v2", inputs, [output], list(self.constants.values()))
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(_CONTRIB, 1)]
        return helper.make_model(made, opset_imports=opsets, ir_version=8, producer_name="sightline-app")


def to_int8(values: Array) -> tuple[NDArray[np.int8], Array]:
    """Return (numbers, scales): each row along the last axis as whole numbers from -127 to 127 times its scale."""
    scales = np.abs(values).max(axis=-1, keepdims=True) / 127
    scales = np.where(scales > 0, scales, 1.0).astype(np.float32)
    return np.rint(values / scales).astype(np.int8), scales


def build(weights: Mapping[str, Array], precision: Precision) -> bytes:
    """Return the serialized ONNX model.

    Args:
        weights: tensors by their names in ``model.safetensors``.
        precision: how matrices are stored and multiplied.
    """
    graph = _Graph(weights, precision)
    first, one = graph.constant("0", np.array([0], np.int64)), graph.constant("1", np.array([1], np.int64))
    length = graph.node("Gather", [graph.node("Shape", ["input_ids"], "shape"), one], "length")
    # Every text is one segment, so its vector of token type 0 is part of the positions'.
    places = weights["embeddings.position_embeddings.weight"][:MAX_TOKENS]
    places = places + weights["embeddings.token_type_embeddings.weight"][0]
    place = graph.node("Slice", [graph.constant("places", places), first, length, first], "place")
    state = graph.node("Add", [graph.words(), place], "input")
    state = graph.normalized(state, "embeddings.LayerNorm", "embedded")
    admitted = graph.node("Cast", ["attention_mask"], "admitted", to=onnx.TensorProto.INT32)
    for number in range(_LAYERS):
        state = _layer(graph, f"encoder.layer.{number}", state, admitted)
    mask = graph.node("Cast", ["attention_mask"], "mask", to=onnx.TensorProto.FLOAT)
    mask = graph.node("Unsqueeze", [mask, graph.constant("2", np.array([2], np.int64))], "mask.column")
    total = graph.node("ReduceSum", [graph.node("Mul", [state, mask], "masked"), one], "total", keepdims=0)
    graph.node("LpNormalization", [total], "vectors", axis=-1, p=2)  # the mean has the direction of the sum
    return graph.model().SerializeToString()


def _layer(graph: _Graph, part: str, state: str, admitted: str) -> str:
    query, key, value = (graph.linear(state, f"{part}.attention.self.{each}") for each in ("query", "key", "value"))
    attended = graph.node(
        "MultiHeadAttention", [query, key, value, "", admitted], f"{part}.attention", _CONTRIB, num_heads=_HEADS
    )
    attended = graph.linear(attended, f"{part}.attention.output.dense")
    state = graph.node("Add", [attended, state], f"{part}.attention.sum")
    state = graph.normalized(state, f"{part}.attention.output.LayerNorm", f"{part}.attention.normalized")
    wide = graph.node("Gelu", [graph.linear(state, f"{part}.intermediate.dense")], f"{part}.gelu", _CONTRIB)
    state = graph.node("Add", [graph.linear(wide, f"{part}.output.dense"), state], f"{part}.sum")
    return graph.normalized(state, f"{part}.output.LayerNorm", f"{part}.normalized")

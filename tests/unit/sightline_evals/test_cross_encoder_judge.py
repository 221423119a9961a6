"""The ONNX judge with a tiny graph: each word adds to the logits, so what is right can be computed by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tokenizers
from onnx import TensorProto, helper, numpy_helper
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from sightline_evals.datasets import Sample
from sightline_evals.errors import JudgeInvalid, UsageError
from sightline_evals.judges.cross_encoder import CrossEncoderJudge
from sightline_evals.scoring.scorer import Scorer
from sightline_evals.settings import JudgeSettings

WORDS = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", "proof", "doubt", "filler"]
PROOF, DOUBT = 4.0, -3.0
Model = Callable[..., JudgeSettings]


def _graph(path: Path, labels: int, inputs: tuple[str, ...], supporting: int) -> None:
    """Logits are the sum over the tokens that are not masked; `proof` and `doubt` move the supporting label."""
    weights = np.zeros((len(WORDS), labels), np.float32)
    weights[WORDS.index("proof"), supporting] = PROOF
    weights[WORDS.index("doubt"), supporting] = DOUBT
    nodes = [
        helper.make_node("Gather", ["weights", "input_ids"], ["by_token"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["wide_mask"]),
        helper.make_node("Mul", ["by_token", "wide_mask"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "tokens"], ["logits"], keepdims=0),
    ]
    constants = [
        numpy_helper.from_array(weights, "weights"),
        numpy_helper.from_array(np.array([2], np.int64), "last"),
        numpy_helper.from_array(np.array([1], np.int64), "tokens"),
    ]
    tensors = [helper.make_tensor_value_info(name, TensorProto.INT64, ["pairs", "n"]) for name in inputs]
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["pairs", labels])
    graph = helper.make_graph(nodes, "tiny", tensors, [output], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def _tokenizer(path: Path) -> None:
    made = tokenizers.Tokenizer(WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = Whitespace()
    made.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    made.save(str(path))


@pytest.fixture(name="model")
def _model(tmp_path: Path) -> Model:
    """Writes a model's folder; returns the settings that name it."""

    def write(
        labels: tuple[str, ...] = ("contradiction", "entailment", "neutral"),
        inputs: tuple[str, ...] = ("input_ids", "attention_mask", "token_type_ids"),
        supporting: int = 1,
    ) -> JudgeSettings:
        folder = tmp_path / "nli-tiny"
        folder.mkdir(exist_ok=True)
        _graph(folder / "model.onnx", len(labels), inputs, supporting)
        _tokenizer(folder / "tokenizer.json")
        config = {"id2label": {str(place): label for place, label in enumerate(labels)}}
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        return JudgeSettings(onnx_folder=folder, onnx_tokens=64, onnx_threads=1)

    return write


def _softmax(logit: float, others: int = 2) -> float:
    return math.exp(logit) / (math.exp(logit) + others)


def test_the_entailment_label_of_a_pair_is_read(model: Model) -> None:
    """By its name in config.json; what supports is the softmax of its logit."""
    judge = CrossEncoderJudge.read(model())
    proven, doubted = judge.evidences(["filler", "doubt"], "proof filler")
    assert proven.p_unsupported == pytest.approx(1 - _softmax(PROOF))
    assert doubted.p_unsupported == pytest.approx(1 - _softmax(PROOF + DOUBT))
    assert judge.supported(proven)
    assert judge.name == "onnx nli-tiny"
    assert judge.version.startswith("onnx-1+")


def test_one_output_is_a_probability(model: Model) -> None:
    """As factual consistency models have it: the logistic function of one logit, no label to name."""
    judge = CrossEncoderJudge.read(model(("score",), ("input_ids", "attention_mask"), 0))
    assert judge.evidence("filler", "proof").p_unsupported == pytest.approx(1 / (1 + math.exp(PROOF)))


def test_a_long_context_is_read_in_windows_and_the_best_counts(model: Model) -> None:
    """Proof at the end counts as at the begin; a short context is one window; a cut loses no word."""
    settings = model()
    judge = CrossEncoderJudge.read(settings)
    long = "filler " * 300
    at_end = judge.evidence("filler", long + "proof")
    assert at_end.p_unsupported == pytest.approx(1 - _softmax(PROOF))
    assert "best supported in part " in at_end.reason()
    assert judge.evidence("filler", "proof " + long).p_unsupported == pytest.approx(at_end.p_unsupported)
    assert judge.evidence("filler", long).p_unsupported == pytest.approx(1 - _softmax(0.0))
    assert "part" not in judge.evidence("filler", "proof").reason()
    for place in range(0, 300, 37):
        words = ["filler"] * 300
        words[place] = "proof"
        assert judge.evidence("filler", " ".join(words)).p_unsupported == pytest.approx(at_end.p_unsupported)
    # A statement longer than the model reads, and a context of nothing, are judged all the same.
    assert 0 <= judge.evidence("filler " * 200, "proof").p_unsupported <= 1
    assert judge.evidence("filler", "").p_unsupported == pytest.approx(1 - _softmax(0.0))


def test_batches_change_nothing(model: Model) -> None:
    """Pairs of different lengths are padded, and the padding is masked."""
    settings = model()
    texts = ["filler", "doubt filler filler", "proof", "filler " * 20]
    one_by_one = CrossEncoderJudge.read(replace(settings, onnx_batch=1)).evidences(texts, "proof filler")
    at_once = CrossEncoderJudge.read(replace(settings, onnx_batch=16)).evidences(texts, "proof filler")
    assert [each.p_unsupported for each in one_by_one] == pytest.approx([each.p_unsupported for each in at_once])


async def test_groundedness_comes_from_its_probabilities(model: Model) -> None:
    """With judge, version and threshold in the score; the worst statement first."""
    judge = CrossEncoderJudge.read(model())
    sample = Sample("1", "Q?", "Filler filler proof here. Filler filler doubt doubt here.", ("proof filler",))
    score = await Scorer(judge, ["groundedness"], JudgeSettings()).score(sample, "groundedness")
    assert (score.judge, score.threshold, len(score.statements)) == ("onnx nli-tiny", 0.5, 2)
    assert score.statements[0].text.startswith("Filler filler doubt")
    assert [each.supported for each in score.statements] == [False, True]
    assert 0 < score.value < 1
    assert judge.useful("Q?", "proof filler", "Filler filler proof here.")[0]
    assert not judge.useful("Q?", "doubt doubt", "Filler filler here now.")[0]


def test_the_version_names_files_label_window_and_threshold(model: Model) -> None:
    """Whatever moves a score makes another judge of it."""
    settings = model()
    versions = {
        CrossEncoderJudge.read(replace(settings, **others)).version
        for others in ({}, {"onnx_label": "2"}, {"onnx_tokens": 128}, {"threshold": 0.3})
    }
    model(supporting=0)
    assert len(versions | {CrossEncoderJudge.read(settings).version}) == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "model.onnx").unlink(), "there is no file .*model.onnx"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "there is no file .*tokenizer.json"),
        (lambda folder: (folder / "model.onnx").write_bytes(b"no graph"), "nli-tiny/model.onnx cannot be used"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "nli-tiny/model.onnx cannot be used"),
        (lambda folder: (folder / "config.json").unlink(), "Set SIGHTLINE_JUDGE_ONNX_LABEL; there is no config.json"),
        (lambda folder: (folder / "config.json").write_text("[]"), "has no id2label that can be read"),
        (
            lambda folder: (folder / "config.json").write_text('{"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}'),
            "there is 0 LABEL_0, 1 LABEL_1",
        ),
    ],
)
def test_files_that_cannot_be_used_are_told(model: Model, change: Callable[[Path], Any], message: str) -> None:
    """Before anything is judged, with the file or the setting."""
    settings = model()
    assert settings.onnx_folder is not None
    change(settings.onnx_folder)
    with pytest.raises(UsageError, match=message):
        CrossEncoderJudge.read(settings)


def test_settings_that_do_not_fit_the_model_are_told(model: Model) -> None:
    """No folder, a label that is not there, an input that nobody can give."""
    with pytest.raises(UsageError, match="set SIGHTLINE_JUDGE_ONNX_FOLDER"):
        CrossEncoderJudge.read(JudgeSettings())
    settings = model()
    with pytest.raises(UsageError, match="is 7; the model's labels are 0 to 2"):
        CrossEncoderJudge.read(replace(settings, onnx_label="7"))
    with pytest.raises(UsageError, match="there is 0 contradiction, 1 entailment, 2 neutral"):
        CrossEncoderJudge.read(replace(settings, onnx_label="truth"))
    neutral = CrossEncoderJudge.read(replace(settings, onnx_label="Neutral"))
    assert neutral.evidence("filler", "proof").p_unsupported == pytest.approx(1 - 1 / (math.exp(PROOF) + 2))
    with pytest.raises(UsageError, match="the model wants pixels"):
        CrossEncoderJudge.read(model(inputs=("input_ids", "attention_mask", "pixels")))


class _Session:
    """A session whose output is what a test wants."""

    def __init__(self, output: Any) -> None:
        self.output = output

    def get_inputs(self) -> list[Any]:
        """None."""
        return []

    def run(self, names: Any, fed: Any) -> list[Any]:
        """The output, or its failure."""
        del names, fed
        if isinstance(self.output, Exception):
            raise self.output
        return [self.output]


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (np.array([[math.nan, 0.0]]), "1 of them not finite"),
        (np.zeros((1, 4, 2)), r"gave \[1, 4, 2\] numbers for 1 pairs"),
        (np.zeros((3, 2)), "for 1 pairs"),
        (np.zeros((1, 1)), "has 1 labels"),
        (RuntimeError("bad node"), "failed: bad node"),
    ],
)
def test_odd_outputs_are_the_judges_failure(model: Model, output: Any, message: str) -> None:
    """Never a score: the run counts them as a judge that failed."""
    settings = model()
    assert settings.onnx_folder is not None
    tokenizer = tokenizers.Tokenizer.from_file(str(settings.onnx_folder / "tokenizer.json"))
    judge = CrossEncoderJudge(_Session(output), tokenizer, name="x", digest="0", label=1, settings=settings)
    with pytest.raises(JudgeInvalid, match=message) as caught:
        judge.evidence("filler", "proof")
    assert judge.judge_error_of(caught.value) is caught.value

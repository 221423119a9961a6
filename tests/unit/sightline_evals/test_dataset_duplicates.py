"""Cases that ask the same: which are found, which stay, and which are never taken for the same."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_evals.datasets import Sample
from sightline_evals.datasets.duplicates import comparable, duplicates
from sightline_evals.datasets.similarity import CharacterGrams, SentenceVectors, similarity
from sightline_evals.errors import UsageError


def found(*questions: str, threshold: float = 0.75) -> list[tuple[str, str]]:
    """(the question that goes, the one that stays) of each duplicate."""
    samples = [Sample(str(number), question, "A.", ()) for number, question in enumerate(questions)]
    by = similarity([sample.question for sample in samples], None)
    return [(one.sample.question, one.kept.question) for one in duplicates(samples, by, threshold)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("How do I reset my password?", "how do i reset my password"),
        ("How do I reset my password?", "How can I reset my password?"),
        ("How do I sort a list in Python?", "How to sort a Python list"),
        ("What is the return policy?", "“What is the return policy…”"),
        ("\uff37\uff48\uff41\uff54 is it about?", "What is it about?"),
        ("退货政策是什么\uff1f", "退货政策是什么"),
    ],
)
def test_the_same_in_other_forms_is_found(first: str, second: str) -> None:
    """Case, punctuation, width of characters, order and endings of words do not matter."""
    assert found(first, second) == [(second, first)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("What does the warranty cover?", "What does the warranty not cover?"),
        ("Does it run on Python 2?", "Does it run on Python 3?"),
        ("Welche Teile deckt die Garantie ab?", "Welche Teile deckt die Garantie nicht ab?"),
        ("How do I sort a vector in C#?", "How do I sort a vector in C++?"),
        ("Do you ship to Canada?", "Do you ship to Germany?"),
        ("?", "!"),
    ],
)
def test_what_only_looks_the_same_is_not(first: str, second: str) -> None:
    """A denial, a number, a name or a sign makes another question."""
    assert found(first, second) == []


def test_every_duplicate_names_the_case_that_stays() -> None:
    """Of three that ask the same the first stays, for both others."""
    first, second, third = "How do I reset my password?", "how do I reset my password", "How do I reset my password"
    assert found(first, second, "Where is the invoice?", third) == [(second, first), (third, first)]


def test_the_case_that_stays_is_the_one_with_the_most_to_lose() -> None:
    """One that must pass, then one with a reference, then the first; turns of a conversation are not compared."""
    plain = Sample("plain", "Q?", "A.", ())
    with_reference = Sample("reference", "Q?", "A.", (), reference="R.")
    must_pass = Sample("must", "Q?", "A.", (), must_pass=True)
    turns = [Sample(f"turn {number}", "And then?", "A.", (), conversation="c") for number in range(2)]
    alone = Sample("alone", "Q?", "A.", (), conversation="d")
    order = comparable([plain, *turns, with_reference, must_pass, alone])
    assert [sample.id for sample in order] == ["must", "reference", "plain", "alone"]
    gone = duplicates(order, similarity(["Q?"] * 4, None), 1.0)
    assert [(one.sample.id, one.kept.id, one.references_differ) for one in gone] == [
        ("reference", "must", False),
        ("plain", "must", False),
        ("alone", "must", False),
    ]


def test_references_that_differ_are_told() -> None:
    """A person should look before one of two right answers is dropped."""
    samples = [Sample(number, "Q?", "", (), reference=f"R{number}") for number in "12"]
    (one,) = duplicates(samples, similarity(["Q?", "Q?"], None), 1.0)
    assert one.references_differ


@given(st.lists(st.text(max_size=30), max_size=6))
def test_the_inverted_index_is_the_cosine_of_the_vectors(texts: list[str]) -> None:
    """The same numbers as with whole vectors, for any texts."""
    grams = CharacterGrams(texts)
    names = sorted({gram for vector in grams._vectors for gram in vector[0]})
    whole = np.zeros((len(texts), len(names)))
    for index, (numbers, weights, _) in enumerate(grams._vectors):
        for number, weight in zip(numbers, weights, strict=True):
            whole[index, names.index(number)] = weight
    for index in range(len(texts)):
        assert grams.to_earlier(index) == pytest.approx(whole[:index] @ whole[index])


def test_sentence_vectors_of_any_length_are_compared_by_their_angle() -> None:
    """A vector of zeros is like nothing, also not like itself."""
    vectors = SentenceVectors("m", np.array([[2.0, 0.0], [1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]))
    assert vectors.to_earlier(1) == pytest.approx([math.sqrt(0.5)])
    assert vectors.to_earlier(3) == pytest.approx([0, 0, 0])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An ONNX model whose token vectors are rows of a table: cat and kitten the same, dog another one."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = {"[PAD]": 0, "[UNK]": 1, "cat": 2, "kitten": 3, "dog": 4}
    table = np.array([[9, 9], [0, 0], [1, 0], [1, 0], [0, 1]], dtype=np.float32)
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])],
        "embedding",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["texts", "tokens"])],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["texts", "tokens", 2])],
        [numpy_helper.from_array(table, "table")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path = tmp_path / "model.onnx"
    onnx.save(made, path)
    return path


def test_an_onnx_model_sees_paraphrases(model: Path) -> None:
    """Padding takes no part in the mean, and the name of the file stands in the report."""
    by = similarity(["cat", "kitten kitten kitten", "dog", ""], str(model))
    assert by.name == str(model)
    assert by.to_earlier(1) == pytest.approx([1])
    assert by.to_earlier(2) == pytest.approx([0, 0])
    assert by.to_earlier(3) == pytest.approx([0, 0, 0])


@pytest.mark.parametrize(
    ("embedding", "reason"),
    [
        ("{folder}/nowhere.onnx", r"there is no file .*nowhere\.onnx; needs an ONNX model and its tokenizer\.json"),
        ("{folder}/broken.onnx", r"the embedding .*broken\.onnx cannot be used"),
        ("fastembed:no/such-model", "fastembed cannot use 'no/such-model'"),
    ],
)
def test_an_embedding_that_is_not_there_is_told(model: Path, embedding: str, reason: str) -> None:
    """The message names the file or the model."""
    (model.parent / "broken.onnx").write_bytes(b"no graph")
    with pytest.raises(UsageError, match=reason):
        similarity(["a"], embedding.format(folder=model.parent))


@pytest.mark.parametrize(
    ("missing", "embedding"), [("onnxruntime", "model.onnx"), ("fastembed", "fastembed:BAAI/bge-small-en-v1.5")]
)
def test_an_embedding_without_its_package_is_told(
    missing: str, embedding: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The message names the extra to install."""
    modules: dict[str, Any] = __import__("sys").modules
    monkeypatch.setitem(modules, missing, None)
    with pytest.raises(UsageError, match=r'pip install "sightline-platform\[onnx\]"'):
        similarity(["a"], embedding)

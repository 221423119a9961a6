"""An ONNX file as the embedding, and what is compared before one is written."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx_words import TABLE, WORDS, read, write

from sightline_app import embeddings
from sightline_app.embeddings.exporting import Batch, ExportFailed, write_compared
from sightline_app.embeddings.minilm import TOKENS_CUT
from sightline_app.embeddings.onnx_file import OnnxFile
from sightline_app.errors import InvalidSetting
from sightline_app.settings import AppSettings, MiniLMSettings, OnnxFileSettings


def test_file_gives_its_vectors_at_unit_length(tmp_path: Path) -> None:
    """Texts of different length in one batch and a question alone get the same; what is not read is counted."""
    embedding = read(write(tmp_path), max_tokens=3)
    expected = TABLE[2] + TABLE[3] + TABLE[4]
    vectors = embedding.embed_texts(["a longer text", "goose"], lambda done, total: None)
    assert np.allclose(vectors[0], expected / np.linalg.norm(expected), atol=1e-6)
    assert np.allclose(vectors[1], TABLE[5] / np.linalg.norm(TABLE[5]), atol=1e-6)

    async def ask() -> Any:
        try:
            return await embedding.embed_question("a longer geese text")
        finally:
            await embedding.close()

    asked = asyncio.run(ask())
    assert np.allclose(asked.vector, vectors[0], atol=1e-6)
    assert asked.attributes[TOKENS_CUT] == 1
    assert (embedding.name, embedding.dimensions) == ("onnx:words", 4)


def test_index_is_not_asked_with_another_file(tmp_path: Path) -> None:
    """The version is that of the content, tokenizer included, and of how much of a text is read."""
    settings = AppSettings(embedding="onnx", onnx_file=OnnxFileSettings(file=write(tmp_path)))
    made = embeddings.choose(settings, lambda: pytest.fail("the lexical embedding was fitted"))
    assert embeddings.load(made.name, made.version, 4, tmp_path, settings).version == made.version
    shorter = read(tmp_path / "words.onnx", max_tokens=3)
    assert shorter.version != made.version
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text() + " ")
    with pytest.raises(InvalidSetting, match=f"built with onnx:words {made.version}.*ingest --force"):
        embeddings.load(made.name, made.version, 4, tmp_path, settings)


def test_file_that_cannot_be_used_is_refused_with_its_setting(tmp_path: Path) -> None:
    """No file, no tokenizer, no model, other inputs, other outputs."""
    with pytest.raises(InvalidSetting, match="SIGHTLINE_EMBEDDING_ONNX_FILE as well"):
        OnnxFile(OnnxFileSettings(), MiniLMSettings())
    with pytest.raises(InvalidSetting, match=r"SIGHTLINE_EMBEDDING_ONNX_FILE.*cannot be read: No such file"):
        read(tmp_path / "none.onnx")
    path = write(tmp_path, inputs=("ids", "attention_mask"))
    with pytest.raises(InvalidSetting, match=r"its inputs are \['attention_mask', 'ids'\]"):
        read(path)
    with pytest.raises(InvalidSetting, match=r"its first output has the shape \[2, 1, 4\]"):
        read(write(tmp_path, keeps_words=1))
    path.write_bytes(b"no model")
    with pytest.raises(InvalidSetting, match="it cannot be used"):
        read(path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(InvalidSetting, match="SIGHTLINE_EMBEDDING_TOKENIZER_FILE"):
        read(write(tmp_path).with_name("words.onnx"), tokenizer_file=tmp_path / "none.json")


def test_graph_that_computes_something_else_is_not_written(tmp_path: Path) -> None:
    """The comparison is with the model, on batches that the export has not seen."""
    exported = tmp_path / "exported"
    exported.mkdir()
    target = tmp_path / "model.onnx"

    def model(batch: Batch) -> NDArray[Any]:
        return np.asarray((TABLE[batch[0]] * batch[1][..., None]).sum(1))

    def write_draft(draft: Path) -> None:
        write(exported).replace(draft)

    write_compared(write_draft, model, target, len(WORDS))
    assert target.is_file()
    target.unlink()
    with pytest.raises(ExportFailed, match="differs by 1 for 5 texts"):
        write_compared(write_draft, lambda batch: model(batch) + (len(batch[0]) > 2), target, len(WORDS))
    assert not target.exists()

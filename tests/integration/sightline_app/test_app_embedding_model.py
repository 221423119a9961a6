"""all-MiniLM-L6-v2 as it runs in the app: its vectors, its files in the cache folder, its batches and its spans."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sightline import semconv
from sightline.testing import captured
from sightline_app.__main__ import main
from sightline_app.embeddings import graph_cache, minilm
from sightline_app.embeddings.minilm import MiniLM
from sightline_app.embeddings.precision import Precision
from sightline_app.settings import MiniLMSettings

TEXTS = [
    "How do I copy a folder?",
    "Recursively copy a directory tree.",
    "The cat sat on the mat.",
    "A kitten was lying on a rug.",
    "word " * 600,
]


def quiet(done: int, total: int) -> None:
    """Progress that nobody watches."""


@pytest.fixture(scope="module", name="cache")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module", name="exact")
def _exact(cache: Path) -> MiniLM:
    return MiniLM(MiniLMSettings(precision="fp32", threads=1, batch_size=12), cache)


def test_near_texts_have_near_vectors(exact: MiniLM) -> None:
    """Cosines are those of the published model: paraphrases high, unrelated texts low."""
    vectors = exact.embed_texts(TEXTS, quiet)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    cosines = vectors @ vectors.T
    assert cosines[0, 1] == pytest.approx(0.593, abs=0.002)
    assert cosines[2, 3] == pytest.approx(0.585, abs=0.002)
    assert abs(cosines[0, 2]) < 0.1
    assert abs(cosines[1, 3]) < 0.15


@pytest.mark.parametrize(("precision", "least"), [("fp16", 0.99999), ("int8", 0.999)])
def test_smaller_precisions_are_near_and_do_not_depend_on_the_batch(
    exact: MiniLM, cache: Path, precision: str, least: float
) -> None:
    """Each text alone gets the vector that it gets in a batch, and it is near that of FP32."""
    model = MiniLM(MiniLMSettings(precision=precision, threads=1), cache)
    together = model.embed_texts(TEXTS, quiet)
    alone = np.concatenate([model.embed_texts([text], quiet) for text in TEXTS])
    assert np.abs(together - alone).max() < 1e-5
    assert np.sum(together * exact.embed_texts(TEXTS, quiet), axis=1).min() > least


def test_batch_gives_what_each_text_alone_gives(exact: MiniLM) -> None:
    """Padding changes nothing in FP32 either."""
    alone = np.concatenate([exact.embed_texts([text], quiet) for text in TEXTS])
    assert np.abs(exact.embed_texts(TEXTS, quiet) - alone).max() < 1e-5


def test_tokens_are_counted_as_the_tokenizer_counts_and_the_cut_is_said(
    exact: MiniLM, caplog: pytest.LogCaptureFixture
) -> None:
    """[CLS] and [SEP] count; a long text keeps 256 word pieces, the last is [SEP], and the log says so."""
    short, long = exact.tokens(["copy a folder", TEXTS[-1]])
    assert (len(short.ids), short.cut) == (5, 0)
    assert (len(long.ids), long.cut, long.ids[-1]) == (256, 346, short.ids[-1])
    with caplog.at_level(logging.INFO, "sightline.app"):
        exact.embed_texts(TEXTS, quiet)
    assert "1 of 5 texts have more than 256 word pieces" in caplog.text


def test_concurrent_questions_are_one_inference_and_the_span_says_so(exact: MiniLM) -> None:
    """Twelve requests share a batch; their vectors are those that they get alone, and the wait is a stage."""

    async def ask() -> list[np.ndarray]:
        answers = await asyncio.gather(*(exact.embed_question(text) for text in TEXTS[:4] * 3))
        assert {each.attributes[minilm.BATCH_SIZE] for each in answers} == {12}
        assert all(0 <= each.attributes[minilm.BATCH_WAIT] < 5 for each in answers)
        assert [each.input_tokens for each in answers[:4]] == [len(each.ids) for each in exact.tokens(TEXTS[:4])]
        return [each.vector for each in answers]

    with captured() as spans:
        vectors = asyncio.run(ask())
        waits = [span for span in spans if (span.attributes or {}).get(semconv.STAGE) == semconv.STAGE_QUEUE]
    assert len(waits) == 12
    assert np.allclose(vectors, np.tile(exact.embed_texts(TEXTS[:4], quiet), (3, 1)), atol=1e-5)


def test_truncated_graph_is_built_again(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that a full disk cut off is removed with a warning, and the model works."""
    whole = graph_cache.graph(cache, Precision.INT8)
    (path,) = graph_cache.folder(cache).glob("*-int8-*.onnx")
    path.write_bytes(whole[: len(whole) // 2])
    with caplog.at_level(logging.WARNING, "sightline.app"):
        assert graph_cache.graph(cache, Precision.INT8) == whole
    assert "is damaged" in caplog.text
    assert path.read_bytes() == whole


def test_processes_that_build_at_the_same_time_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Two processes with an empty cache both get the graph; one whole file is left, and no draft."""
    code = (
        "import hashlib, pathlib, sys; from sightline_app.embeddings import graph_cache;"
        "from sightline_app.embeddings.precision import Precision;"
        "print(hashlib.sha256(graph_cache.graph(pathlib.Path(sys.argv[1]), Precision.INT8)).hexdigest())"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    sums = {each.communicate(timeout=120)[0].strip() for each in running}
    assert [each.returncode for each in running] == [0, 0]
    assert len(sums) == 1
    (path,) = graph_cache.folder(tmp_path).iterdir()
    assert path.stem.rpartition("-")[2] == sums.pop()[:16]


def test_quantize_compares_all_precisions_on_a_folder(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command prints a row a precision: INT8 is a quarter of FP32's size and loses next to nothing."""
    (tmp_path / "a.md").write_text("\n".join(f"# Part {number}\n{text}" for number, text in enumerate(TEXTS[:4])))
    monkeypatch.setenv("SIGHTLINE_CACHE_DIR", str(cache))
    assert main(["quantize", "--docs", str(tmp_path)]) == 0
    first, _, *rows = capsys.readouterr().out.splitlines()
    found = {name: [float(each) for each in figures] for name, *figures in map(str.split, rows)}
    assert first == "4 of 4 passages"
    assert list(found) == ["fp32", "fp16", "int8"]
    assert found["fp32"][0] > 3.5 * found["int8"][0]
    assert min(found["int8"][4:6]) > 0.999
    assert main(["quantize", "--docs", str(tmp_path), "--passages", "1"]) == 2

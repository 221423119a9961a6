"""The lexical embedding, the rerank stage, prompts and quality figures."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sightline_app.corpus import make_passage
from sightline_app.embeddings import LexicalEmbedding, choose
from sightline_app.errors import CorpusError, InvalidSetting
from sightline_app.index import ingest, read_manifest
from sightline_app.lexicon import Lexicon, weighted_terms
from sightline_app.prompt import build, stand_alone
from sightline_app.quality import RetrievalQuality, rank_of_first, read_questions
from sightline_app.rerank import rerank
from sightline_app.retriever import Hit, visible_to
from sightline_app.settings import AppSettings, ModelSettings, WeaviateSettings
from sightline_demo_corpus import questions_file

TEXTS = {
    "shutil.copytree": "Recursively copy a directory tree and return the destination directory.",
    "shutil.rmtree": "Recursively delete a directory tree.",
    "os.path.join": "Join two or more pathname components, inserting a slash as needed.",
    "json.loads": "Deserialize a string containing a JSON document to a Python object.",
    "random.choice": "Choose a random element from a non-empty sequence.",
    "textwrap.shorten": "Collapse and truncate the given text to fit in the given width.",
}
PASSAGES = [
    make_passage(title=f"{name}()", text=text, names=[name], module=name.split(".")[0], date="2026-01-02")
    for name, text in TEXTS.items()
]


def fitted() -> LexicalEmbedding:
    """The embedding of the six passages."""
    lexicon = Lexicon.fit(weighted_terms(each) for each in PASSAGES)
    return LexicalEmbedding.fit(PASSAGES, lexicon, "content", 16)


def quiet(done: int, total: int) -> None:
    """Progress that nobody watches."""


@pytest.mark.parametrize(
    ("question", "name"),
    [("copying a folder with all its files", "shutil.copytree"), ("pick something at random", "random.choice")],
)
def test_lexical_embedding_finds_by_meaning_of_words(question: str, name: str) -> None:
    """Inflected and everyday words lead to the passage, and vectors have unit length."""
    embedding = fitted()
    matrix = embedding.embed_passages(PASSAGES, quiet)
    assert np.allclose(np.linalg.norm(matrix, axis=1), 1, atol=1e-5)
    vector = embedding.embed_text(question).vector
    assert PASSAGES[int(np.argmax(matrix @ vector))].names == [name]


def test_lexical_embedding_survives_the_disk_without_pickle(tmp_path: Path) -> None:
    """A loaded embedding has the same version and nearly the same vectors."""
    embedding = fitted()
    embedding.save(tmp_path)
    loaded = LexicalEmbedding.load(tmp_path)
    assert loaded.version == embedding.version
    assert np.allclose(loaded.embed_text("copy").vector, embedding.embed_text("copy").vector, atol=1e-2)
    (tmp_path / "lexical.npz").write_bytes(b"no")
    with pytest.raises(CorpusError, match="ingest --force"):
        LexicalEmbedding.load(tmp_path)


def test_unknown_words_give_a_zero_vector() -> None:
    """Nothing is made up for a question in words that the corpus does not know."""
    assert not fitted().embed_text("qqq zzz").vector.any()


def test_corpus_of_one_passage_can_be_indexed() -> None:
    """Too few passages for a decomposition are no error."""
    lexicon = Lexicon.fit(weighted_terms(each) for each in PASSAGES[:1])
    embedding = LexicalEmbedding.fit(PASSAGES[:1], lexicon, "content", 16)
    assert embedding.embed_text("copy directory").vector.any()


def test_embedding_asked_for_by_name_must_be_there() -> None:
    """Asking for an endpoint without its address says which setting is missing."""
    with pytest.raises(InvalidSetting, match="SIGHTLINE_EMBEDDINGS_BASE_URL"):
        choose(AppSettings(embedding="openai"), fitted)


def hit(name: str, score: float) -> Hit:
    """A found passage."""
    return Hit(name, f"{name}()", TEXTS[name], [name], "m", "2026-01-02", score)


def test_rerank_prefers_what_answers_more_of_the_question() -> None:
    """A passage that holds all ideas of the question overtakes one that the search liked better."""
    lexicon = Lexicon.fit(weighted_terms(each) for each in PASSAGES)
    found = [hit("os.path.join", 0.9), hit("shutil.rmtree", 0.85), hit("shutil.copytree", 0.8), hit("json.loads", 0.1)]
    kept = rerank("copy a whole directory tree", found, lexicon, 2)
    assert [each.id for each in kept] == ["shutil.copytree", "shutil.rmtree"]
    assert all(0 <= each.score <= 1 for each in kept)


def test_rerank_puts_second_pieces_of_a_text_last() -> None:
    """Two pieces of one text do not take two places while there are others."""
    lexicon = Lexicon.fit(weighted_terms(each) for each in PASSAGES)
    found = [hit("shutil.copytree", 0.9), replace(hit("shutil.copytree", 0.9), id="two"), hit("json.loads", 0.1)]
    assert [each.id for each in rerank("copy directory", found, lexicon, 2)] == ["shutil.copytree", "json.loads"]
    assert rerank("anything", [], lexicon, 5) == []


def test_follow_up_is_searched_for_with_the_question_before() -> None:
    """A follow-up brings the previous question along, a question of its own does not."""
    history = [{"role": "user", "content": "How do I read a file?"}, {"role": "assistant", "content": "With open."}]
    assert stand_alone("And how do I do it asynchronously?", history).endswith("How do I read a file?")
    alone = "What parses command line options of a script with subcommands?"
    assert stand_alone(alone, history) == alone
    assert stand_alone("And how do I do it asynchronously?", []) == "And how do I do it asynchronously?"


def test_prompt_numbers_passages_from_one() -> None:
    """Passages stand in order with their numbers, the question last."""
    messages = build("Q?", [hit("json.loads", 1), hit("os.path.join", 0.5)], [{"role": "user", "content": "before"}])
    assert [each["role"] for each in messages] == ["system", "user", "user"]
    assert messages[-1]["content"].index("[1] json.loads") < messages[-1]["content"].index("[2] os.path.join")
    assert messages[-1]["content"].endswith("Question: Q?")


def test_tenants_see_the_public_and_their_own() -> None:
    """No tenant name widens what is seen."""
    assert visible_to("acme") == ["public", "acme"]
    assert visible_to("") == visible_to("public") == ["public"]


def test_quality_counts_ranks() -> None:
    """Hits at 1 and 5 and the mean reciprocal rank come from the first right passage."""
    quality = RetrievalQuality.of([1, 2, None, 8])
    assert (quality.hit_at_1, quality.hit_at_5) == (0.25, 0.5)
    assert quality.mrr == pytest.approx((1 + 0.5 + 0.125) / 4)
    assert rank_of_first({"b"}, [["a"], ["b", "c"]]) == 2
    assert rank_of_first({"x"}, [["a"]]) is None


def test_shipped_questions_can_be_read() -> None:
    """Enough questions are shipped, with unique ids."""
    questions = read_questions(questions_file())
    assert len(questions) >= 150
    assert len({each.id for each in questions}) == len(questions)


@pytest.mark.parametrize("line", ["{", '{"question": ""}', '{"names": ["a"]}', '{"question": "q", "names": "a"}', "[]"])
def test_bad_question_line_is_named(tmp_path: Path, line: str) -> None:
    """The error says which line of which file."""
    path = tmp_path / "q.jsonl"
    path.write_text(f'{{"question": "q", "names": ["a"]}}\n{line}\n')
    with pytest.raises(CorpusError, match="line 2"):
        read_questions(path)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SIGHTLINE_APP_PORT", "0"),
        ("SIGHTLINE_APP_PORT", "http"),
        ("SIGHTLINE_APP_ALPHA", "1.5"),
        ("SIGHTLINE_APP_TOP_K", "500"),
        ("SIGHTLINE_EMBEDDING", "magic"),
        ("SIGHTLINE_APP_MODEL_TIMEOUT_S", "0"),
    ],
)
def test_settings_name_the_variable_that_cannot_work(variable: str, value: str) -> None:
    """The message holds variable and value."""
    with pytest.raises(InvalidSetting, match=variable):
        AppSettings.from_env({variable: value})


def test_empty_variables_mean_the_default() -> None:
    """Compose files set variables to nothing; that is no value."""
    assert AppSettings.from_env({"SIGHTLINE_APP_PORT": "", "WEAVIATE_URL": " "}) == AppSettings()
    assert ModelSettings.from_env({"SIGHTLINE_MODEL_TOKENS_PER_S": "0"}).tokens_per_s == 0
    assert WeaviateSettings.from_env({"SIGHTLINE_WEAVIATE_DATA_DIR": "/data"}).data_dir == Path("/data")


def test_no_index_and_no_store_are_clear_errors(tmp_path: Path) -> None:
    """Without a vector store, ingest names both ways out; without an ingest, the manifest says what to run."""
    from sightline_app.documents import DocumentFolder
    from sightline_app.errors import IndexMissing, RetrievalUnavailable

    (tmp_path / "a.md").write_text("text")
    settings = AppSettings(data_dir=tmp_path / "data", store_url="http://127.0.0.1:9", local_weaviate_port=9)
    with pytest.raises(RetrievalUnavailable, match="sightline-weaviate"):
        ingest(settings, DocumentFolder(tmp_path), wait_s=0)
    with pytest.raises(IndexMissing, match="sightline-app ingest"):
        read_manifest(settings.data_dir)


def test_question_vector_is_made_without_a_thread() -> None:
    """The lexical embedding answers at once."""
    assert asyncio.run(fitted().embed_question("copy")).input_tokens == 1

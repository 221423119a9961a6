"""The parts of `sightline-app tune` that compute: recall, times, variants, and which index is recommended."""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from sightline_app.corpus import make_passage
from sightline_app.embeddings.protocol import unit
from sightline_app.errors import CorpusError, InvalidSetting
from sightline_app.settings import AppSettings, VectorIndexSettings
from sightline_app.tuning import arguments, charts, command
from sightline_app.tuning.measuring import Built, Measured, Times, interval, times_of
from sightline_app.tuning.places import _GC, at_ports
from sightline_app.tuning.recommendation import recommend
from sightline_app.tuning.report import Report, summary
from sightline_app.tuning.variants import Variant, variants
from sightline_app.tuning.workload import Workload, read_texts
from sightline_app.vector_stores.weaviate_search import location

FLAT = VectorIndexSettings(kind="flat")
GRAPH = VectorIndexSettings(kind="hnsw", max_connections=16, ef=64)


def measured(
    index: VectorIndexSettings,
    recall: float,
    p95: tuple[float, float, float],
    memory_mb: float | None = 10,
    store: str = "weaviate",
) -> Measured:
    """An index with least, median and most p95 of its rounds."""
    least, median, most = p95
    memory = None if memory_mb is None else int(memory_mb * 1e6)
    times = Times(median / 2, median, least, most)
    return Measured(Variant(store, index), recall, recall - 0.02, min(1.0, recall + 0.02), times, Built(1, 0.1, memory))


def workload(passages: int = 6, dimensions: int = 4) -> Workload:
    """Passages of random directions, asked for by their own vectors."""
    vectors = unit(np.random.default_rng(1).normal(size=(passages, dimensions)))
    made = [
        make_passage(title=str(number), text="", names=[], module="m", date="2026-01-01") for number in range(passages)
    ]
    return Workload(made, vectors, vectors[:2], "random 1")


def test_recall_is_the_share_of_the_nearest_that_was_found() -> None:
    """Order does not count, an id that is given twice counts once, and what is not near counts nothing."""
    asked = workload()
    near = [asked.passages[row].id for row in np.argsort(-(asked.vectors @ asked.questions[0]))]
    assert asked.recall(0, near[:3], 3) == 1
    assert asked.recall(0, near[2::-1], 3) == 1
    assert asked.recall(0, [near[0], near[0], near[5]], 3) == pytest.approx(1 / 3)
    assert asked.recall(0, [], 3) == 0
    assert asked.recall(0, near, 10) == 1


def test_recall_among_a_tenants_passages_knows_no_others() -> None:
    """Right are the nearest of those that are there to be found; where there is none, nothing is missing."""
    asked = workload()
    own = np.arange(6) % 2 == 1
    nearest = max(np.flatnonzero(own), key=lambda row: asked.vectors[row] @ asked.questions[0])
    assert asked.recall(0, [asked.passages[nearest].id], 1, own) == 1
    assert asked.recall(0, [], 5, np.zeros(6, bool)) == 1


def test_equally_near_passage_is_as_right_as_another() -> None:
    """Of two passages with one vector, a search may return either."""
    asked = workload()
    vectors = asked.vectors.copy()
    vectors[5] = vectors[0]
    twins = replace(asked, vectors=vectors)
    assert twins.recall(0, [asked.passages[5].id], 1) == twins.recall(0, [asked.passages[0].id], 1) == 1


def test_disturbed_round_does_not_move_the_times() -> None:
    """Percentiles are of each round, and their median counts; their ends are told."""
    calm = [float(value) for value in range(1, 101)]
    times = times_of([calm, calm, [value * 50 for value in calm]])
    assert times.p50_ms == pytest.approx(50.5)
    assert times.p95_ms == times.p95_least_ms == pytest.approx(95.05)
    assert times.p95_most_ms == pytest.approx(95.05 * 50)


def test_interval_of_recall_has_a_width_where_all_is_found() -> None:
    """Ten questions that were all found do not prove that every question is."""
    mean, low, high = interval([1.0] * 10)
    assert (mean, high) == (1, pytest.approx(1))
    assert low == pytest.approx(0.722, abs=0.001)  # Wilson's, as published tables have it
    assert interval([1.0] * 1000)[1] > 0.995


def test_fastest_that_reaches_the_target_is_recommended() -> None:
    """An index below the target is not, however fast; another store's is not either."""
    slow = measured(FLAT, 1.0, (9, 10, 11))
    fast = measured(GRAPH, 0.97, (4, 5, 6))
    low = measured(replace(GRAPH, ef=16), 0.9, (1, 1, 1))
    foreign = measured(GRAPH, 1.0, (1, 1, 1), store="milvus")
    advice = recommend([slow, low, fast, foreign], 0.95, "weaviate")
    assert advice.chosen is fast
    assert advice.tied == []
    assert "recall 0.970" in advice.sentence
    assert recommend([slow, fast], 0.99, "weaviate").chosen is slow


def test_ties_are_told_and_memory_then_fewer_settings_decide() -> None:
    """Ranges of p95 that overlap cannot be told apart."""
    fastest = measured(GRAPH, 0.97, (4, 5, 7), memory_mb=60)
    light = measured(replace(GRAPH, quantizer="rq8"), 0.97, (5, 6, 8), memory_mb=20)
    simple = measured(FLAT, 0.99, (6, 7, 9), memory_mb=20.5)
    apart = measured(replace(GRAPH, ef=256), 0.99, (8, 9, 10), memory_mb=1)
    advice = recommend([fastest, light, simple, apart], 0.95, "weaviate")
    assert advice.chosen is simple
    assert advice.tied == [fastest, light]
    assert "cannot be told apart" in advice.sentence
    unknown = recommend([measured(GRAPH, 1.0, (4, 5, 6), None), measured(FLAT, 1.0, (4, 5, 6), None)], 0.95, "weaviate")
    assert unknown.chosen is not None
    assert unknown.chosen.variant.index == FLAT


def test_recall_that_may_be_below_the_target_is_told() -> None:
    """The interval of few questions can begin below it."""
    assert "more questions" in recommend([measured(FLAT, 0.96, (1, 1, 1))], 0.95, "weaviate").sentence
    assert "more questions" not in recommend([measured(FLAT, 0.99, (1, 1, 1))], 0.95, "weaviate").sentence


@pytest.mark.parametrize("found", [[], [measured(FLAT, 0.9, (1, 1, 1))]])
def test_target_that_none_reaches_recommends_none(found: list[Measured]) -> None:
    """The best one is named, where there is one."""
    advice = recommend(found, 0.95, "weaviate")
    assert advice.chosen is None
    assert "No index in weaviate" in advice.sentence
    assert ("weaviate flat" in advice.sentence) == bool(found)


@pytest.mark.parametrize("store", arguments.STORES)
def test_variants_are_told_apart_and_one_build_serves_neighbours(store: str) -> None:
    """Names are unique, the index of the settings comes first, and variants of one build stand together."""
    current = VectorIndexSettings(kind="hnsw")
    made = variants(store, current)
    assert made[0].index == current
    assert len({each.name for each in made}) == len(made)
    keys = [each.build_key for each in made]
    assert len(dict.fromkeys(keys)) == 1 + sum(one != other for one, other in pairwise(keys))
    if store == "weaviate":
        assert {each.index.quantizer for each in made} >= {"none", "rq8", "bq", "sq", "pq"}
    if store == "milvus":
        assert "ivf" in {each.index.kind for each in made}


def test_settings_to_paste_are_read_back_as_the_same_index() -> None:
    """What is printed builds what was measured."""
    for store in arguments.STORES:
        for each in variants(store, VectorIndexSettings()):
            read = AppSettings.from_env(each.settings())
            assert (read.retrieval, read.vector_index) == (store, each.index)


def report(found: list[Measured]) -> Report:
    """A run of these."""
    told = {"passages": 10, "dimensions": 4, "questions": 3, "embedding": "random 1"}
    return Report("run", 10, 3, told, found, [], recommend(found, 0.95, "weaviate"), {"milvus": "not here"})


def test_report_shows_every_figure_and_what_was_left_out() -> None:
    """The table, the mark of the chosen one, the settings to paste, and the reason of what was skipped."""
    made = report([measured(GRAPH, 0.97, (4, 5, 6)), measured(FLAT, 1.0, (9, 10, 11), None)])
    text = made.text()
    assert "* weaviate hnsw ef=64 M=16" in text
    assert "export SIGHTLINE_APP_INDEX_EF=64" in text
    assert "not measured: milvus: not here" in text
    assert "unknown" in text
    assert summary(made) == {"recall_target": 0.95, "chosen": "weaviate hnsw ef=64 M=16"}
    drawn = charts.terminal(made, colored=False)
    assert "\x1b" not in drawn
    assert "*" in drawn
    assert "p95" in drawn


def test_live_heap_is_read_from_a_line_of_gos_trace() -> None:
    """The third of the three sizes is what lives after the collection."""
    line = b"gc 31 @4.115s 1%: 0.05+12+0.01 ms clock, 0.1+3.2/11/0.9+0.02 ms cpu, 71->74->38 MB, 76 MB goal, 2 P\n"
    assert _GC.findall(b"{}\n" + line)[-1][2] == b"38"


def test_questions_are_lines_or_json_lines(tmp_path: Path) -> None:
    """A text file has a question a line; what cannot be read is named."""
    plain, rows = tmp_path / "q.txt", tmp_path / "q.jsonl"
    plain.write_text("one\n\n two \n")
    rows.write_text('{"question": "three"}\n')
    assert (read_texts(plain), read_texts(rows)) == (["one", "two"], ["three"])
    plain.write_text("\n")
    for path in (plain, tmp_path / "absent.txt"):
        with pytest.raises(CorpusError, match=path.name):
            read_texts(path)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("--recall 0", "--recall"),
        ("--recall 1.5", "--recall"),
        ("--rounds 0", "--rounds"),
        ("--most-questions 0", "--most-questions"),
        ("--passages 1", "--passages"),
        ("--stores weaviate,oracle", "oracle"),
    ],
)
def test_argument_that_cannot_work_is_named(line: str, named: str) -> None:
    """Before anything is built."""
    parser = argparse.ArgumentParser()
    arguments.add_parser(parser.add_subparsers())
    with pytest.raises(InvalidSetting, match=named):
        command.run(AppSettings(), parser.parse_args(["tune", *line.split()]))


def test_a_server_of_the_run_is_not_the_one_that_the_settings_name() -> None:
    """Nothing is built in somebody's Weaviate beside what was asked for."""
    theirs = AppSettings(weaviate_url="https://weaviate.example", weaviate_grpc_port=443, weaviate_api_key="secret")
    reached = location(at_ports(theirs, 18080, 15051))
    assert (reached["http_host"], reached["http_port"], reached["grpc_port"]) == ("127.0.0.1", 18080, 15051)
    assert (reached["http_secure"], reached["auth_credentials"]) == (False, None)

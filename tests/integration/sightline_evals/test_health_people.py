"""Judge health against a real store: scores and feedback come in through the collector, the figures go back to it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

import sightline
from sightline_evals.__main__ import main
from sightline_evals.judges.offline import NAME, VERSION
from sightline_store.client import Client
from sightline_store.questions import judges

# The library leaves its kept connection to the collector to the garbage collector, which tells of it.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

DATABASE = "evals_health"
ANSWERS, LABELS = 80, 40


def _wait(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 30
    while not (held := condition()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return held


def _answer(place: int) -> None:
    """One answer; every fourth is bad. The judge sees three in four of these, and people rate every second answer."""
    is_bad = place % 4 == 0
    suspected = is_bad and place % 16 != 0
    with sightline.request("ask"):
        ids = sightline.request_ids()
        if place == 1:
            sightline.annotate({"sightline.sampling.weight": "4"})
    assert ids is not None
    judged = {"trace_id": ids[0], "span_id": ids[1], "judge": NAME, "judge_version": VERSION}
    sightline.score("groundedness", 0.5, **judged)  # an earlier one, which does not count
    sightline.score("groundedness", 0.2 if suspected else 0.9, **judged)
    sightline.score("groundedness", 0.0, **{**judged, "judge_version": "of another day"})
    if place % 2 == 0:
        sightline.feedback(not is_bad, request_id=ids)


def test_people_and_judge_are_joined_by_trace(
    collected: tuple[dict[str, str], Client], capsys: pytest.CaptureFixture[str]
) -> None:
    """Kappa, AUROC and the rate of bad answers are those of the stored scores, and pages find them in the store."""
    env, client = collected
    tracing = sightline.configure(service_name="rag", env=env)
    for place in range(ANSWERS):
        _answer(place)
    assert tracing.force_flush(10)
    tracing.shutdown()
    counts = "SELECT (SELECT count() FROM requests) AS asked, (SELECT count() FROM scores) AS scored"
    assert _wait(lambda: client.query_rows(counts)[0] == {"asked": ANSWERS, "scored": 3 * ANSWERS + LABELS})

    command = ["health", "--only", "people", "--since", "1h"]
    assert main([*command, "--json", "-", "--run-id", "night"], env) == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    # Of 40 rated answers 20 are bad, of which 15 are suspected; none of the 20 good ones is.
    assert figures["kappa"]["value"] == pytest.approx(0.75)
    assert figures["auroc"]["value"] == pytest.approx((15 + 5 * 0.5) / 20)
    assert (figures["ppi_rate"]["n"], figures["ppi_rate"]["judged"], figures["ppi_rate"]["weighted"]) == (40, 80, 1)
    assert figures["ppi_rate"]["labels_alone"]["value"] == pytest.approx(0.5)
    # People rated every bad answer and one in three of the good ones, which the judge's scores show.
    assert "no random part" in figures["ppi_rate"]["sentence"]

    end = datetime.now(UTC) + timedelta(minutes=1)
    assert _wait(lambda: len(judges.health(client, end - timedelta(hours=1), end)) == 3)
    rows = {row["figure"]: row for row in judges.health(client, end - timedelta(hours=1), end)}
    assert set(rows) == {"kappa", "auroc", "ppi_rate"}
    for name, row in rows.items():
        assert (row["value"], row["low"], row["high"], row["n"]) == (
            pytest.approx(figures[name]["value"]),
            pytest.approx(figures[name]["low"]),
            pytest.approx(figures[name]["high"]),
            40,
        )
        assert (row["run_id"], row["state"], row["metric"]) == ("night", "measured", "groundedness")

    assert main([*command, "--no-send", "--human-note", "queue: random"], env) == 0
    assert "0 of 80 judged answers have a label of 'feedback'" in capsys.readouterr().out
    assert main([*command, "--no-send", "--human", "helpful"], env) == 0
    assert "0 of 80 judged answers have a label of 'helpful'" in capsys.readouterr().out
    assert main([*command, "--no-send", "--metric", "faithfulness"], env) == 0
    assert "there are scores of no judge" in capsys.readouterr().out
    assert main([*command, "--no-send"], {**env, "SIGHTLINE_JUDGE_THRESHOLD": "0.3"}) == 0
    assert f"there are scores of {NAME} {VERSION} (80 traces), {NAME} of another day (80 traces)" in (
        capsys.readouterr().out
    )

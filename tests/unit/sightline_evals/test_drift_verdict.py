"""The verdict's sentence, the table, and the JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sightline_evals.drift import battery, comparisons, judged, report, verdict
from sightline_evals.drift.sequence import State
from sightline_evals.drift.signals import Measurement
from sightline_evals.drift.topics import Topic, printable
from sightline_evals.gate import ExitCode
from sightline_store.questions import drift

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
WINDOWS = drift.Windows(
    reference_from=NOW - timedelta(days=9),
    reference_to=NOW - timedelta(days=2),
    current_from=NOW - timedelta(days=1),
    current_to=NOW,
)
HOSTILE = "\x1b[2J<script>alert(1)</script>\u202e\nDRIFT"


def _measured(signal: str, p: float | None, **others: Any) -> Measurement:
    fields: dict[str, Any] = {
        "key": {"collection": "Docs"},
        "kind": "deviations",
        "effect": -0.4,
        "low": -0.5,
        "high": -0.3,
        "matters": True,
        "reference_n": 900,
        "current_n": 400,
        "reference": 0.5,
        "current": 0.42,
        "further": {"ks": 0.2},
        **others,
    }
    return Measurement(signal=signal, p=p, p_adjusted=p, **fields)


def _battery(*measurements: Measurement, **others: Any) -> battery.Battery:
    fields: dict[str, Any] = {
        "windows": WINDOWS,
        "measurements": measurements,
        "planned": comparisons.Planned((), (), ()),
        "topics": (),
        "centres": drift.Topics(),
        "stride": 1,
        "searches": (900, 400),
        "canaries": (),
        **others,
    }
    return battery.Battery(**fields)


def _run(found: battery.Battery, before: battery.Battery | None = None, **others: Any) -> judged.Run:
    return judged.run_of("r1", found, judged.judge(found, before), **others)


CHANGE = {
    "kind": "index",
    "subject": "Docs",
    "value": "v8",
    "was": "v7",
    "first_ms": (NOW - timedelta(hours=23)).timestamp() * 1000,
}
OLDER = {**CHANGE, "kind": "model", "value": "m2", "first_ms": (NOW - timedelta(days=6)).timestamp() * 1000}


def test_quiet_windows_pass_and_say_how_many_were_compared() -> None:
    """Exit code 0."""
    run = _run(_battery(_measured("retrieval.top_score", 0.6)))
    assert run.code is ExitCode.PASS
    assert run.sentence == "No drift in 1 comparisons."


def test_the_verdict_says_what_changed_what_held_and_what_is_nearest() -> None:
    """Twice as many questions of one topic; the index is the same; the canaries held."""
    found = _battery(
        _measured("queries.shift", 1e-9, kind="auc", effect=0.71),
        _measured("canaries.overlap", 1.0, kind="overlap", effect=0.0, current=0.99, matters=False),
        topics=(Topic("“reset a password”", 0.12, 0.25), Topic("“open a file”", 0.88, 0.75)),
    )
    run = _run(
        found, changes=[CHANGE | {"kind": "service version", "value": "2.1", "was": "2.0", "subject": "rag"}, OLDER]
    )
    assert run.code is ExitCode.BELOW
    assert run.sentence == (
        "Drift: what is asked changed (a classifier tells the windows apart with AUC 0.71). Questions like “reset a "
        "password” doubled, from 12% to 25%. Canaries held (overlap 0.99); index and embedding are the same. Nearest "
        "change: service version 2.1 of rag (before 2.0), first seen 2026-03-09 13:00 UTC."
    )


def test_a_new_index_is_not_called_the_same() -> None:
    """The nearest of several changes is told, not the newest or the oldest."""
    run = _run(_battery(_measured("retrieval.top_score", 1e-9)), changes=[OLDER, CHANGE])
    assert "index and embedding are the same" not in run.sentence
    assert "Nearest change: index v8 of Docs (before v7)" in run.sentence
    assert "the best score of searches fell from 0.5 to 0.42 (-0.40 standard deviations)" in run.sentence


def test_a_suspicion_is_no_alarm_and_the_window_before_makes_it_one() -> None:
    """One window in twenty is suspected by chance."""
    weak = _battery(_measured("retrieval.top_score", 0.01))
    alone = _run(weak)
    assert alone.code is ExitCode.PASS
    assert alone.sentence.startswith("No drift yet, one window alone suspects")
    assert judged.needs_confirmation(alone.judged)
    assert _run(weak, weak).code is ExitCode.BELOW
    assert _run(weak, _battery(_measured("retrieval.top_score", 0.5))).code is ExitCode.PASS
    other_key = _battery(_measured("retrieval.top_score", 0.01, key={"collection": "Other"}))
    assert _run(weak, other_key).judged[0].state is State.SUSPECTED


def test_the_window_before_confirms_and_does_nothing_else() -> None:
    """It is measured because of one suspicion; what it shows of other comparisons is history."""
    now = _battery(
        _measured("answers.refusal", 0.01), _measured("retrieval.empty", None), _measured("queries.shift", 0.7)
    )
    before = _battery(*(_measured(each.signal, 1e-9) for each in now.measurements))
    states = {each.measurement.signal: each.state for each in judged.judge(now, before)}
    assert states == {
        "answers.refusal": State.DRIFT,
        "retrieval.empty": State.QUIET,
        "queries.shift": State.QUIET,
    }


def test_a_mismatch_is_drift_without_statistics() -> None:
    """The sentence names both embeddings."""
    mismatch = comparisons.Mismatch("unlike_embedding", "Docs", "m 1", "m 2", 7)
    planned = comparisons.Planned((), (), (mismatch,))
    run = _run(_battery(planned=planned))
    assert run.code is ExitCode.BELOW
    assert run.sentence == "Queries of Docs are embedded by m 2, its index by m 1 (7 searches)."


@pytest.mark.parametrize(("strict", "code"), [(False, ExitCode.PASS), (True, ExitCode.INCONCLUSIVE)])
def test_too_little_data_is_told_and_fails_only_where_asked(strict: bool, code: ExitCode) -> None:
    """Nothing tested is no proof of anything."""
    run = _run(_battery(_measured("retrieval.top_score", None), searches=(3, 2)), strict=strict)
    assert run.code is code
    assert run.sentence == "Too little data: 3 searches in the reference, 2 in the current window."
    assert run.judged[0].label == "too_little_data"


def test_too_few_canaries_are_said_with_the_number_that_is_needed() -> None:
    """As many as the sign test needs beside the window's other tests; what they cannot see is not said to hold."""
    others = [_measured("retrieval.top_score", 1e-9), *[_measured(f"answers.{i}", 0.5) for i in range(46)]]

    def told(number: int) -> judged.Run:
        fields: dict[str, Any] = {"kind": "overlap", "effect": 0.0, "current": 1.0, "reference_n": number}
        canary = [_measured(f"canaries.{name}", 1.0, **fields) for name in ("overlap", "recall")]
        return _run(_battery(*others, *canary))

    few, enough = told(9), told(10)
    assert few.shortage.startswith("9 canaries are too few to alarm: in a window of 49 tests 10 must find less")
    assert "or 16 in one window" in few.shortage
    assert few.shortage in report.table(few)
    assert report.as_json(few)["canary_shortage"] == few.shortage
    assert "canaries held" not in few.sentence.lower()
    assert enough.shortage == ""
    assert "Canaries held" in enough.sentence
    first = _run(_battery(), canaries_asked=3)
    assert first.shortage.startswith("3 canaries are too few to alarm: in a window of 1 test 5 must")
    assert _run(_battery(*others)).shortage == ""


def test_texts_of_strangers_cannot_write_on_the_terminal() -> None:
    """Control characters and marks that turn the writing direction are gone from the table."""
    assert printable(HOSTILE) == "[2J<script>alert(1)</script> DRIFT"
    canary = {"canary": "c", "text": HOSTILE, "overlaps": [0.2], "recall": None}
    found = _battery(
        _measured("queries.shift", 1e-9, kind="auc", effect=0.7, key={"tenant": HOSTILE, "collection": HOSTILE}),
        topics=(Topic(printable(HOSTILE), 0.1, 0.9),),
        canaries=(canary,),
    )
    change = {**CHANGE, "value": HOSTILE, "subject": HOSTILE, "was": HOSTILE}
    moved = [{"document_id": HOSTILE, "reference_share": 0.1, "current_share": 0.2}]
    shown = report.table(_run(found, changes=[change], moved=moved), everything=True)
    assert all(char == "\n" or char.isprintable() for char in shown)


def test_the_json_holds_everything_and_is_json() -> None:
    """Also where there is nothing to say: no NaN, no dates that JSON lacks."""
    for found in (_battery(), _battery(_measured("retrieval.top_score", 1e-9), _measured("answers.refusal", None))):
        told = json.loads(json.dumps(report.as_json(_run(found, changes=[CHANGE])), allow_nan=False))
        assert told["schema"] == report.SCHEMA
        assert told["exit_code"] == (1 if found.measurements else 0)
        assert len(told["measurements"]) == len(found.measurements)
    assert told["measurements"][0]["state"] == "drift"
    assert told["measurements"][0]["shown"] == "strong"


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        (
            _measured("retrieval.empty", 0.0, kind="share", effect=0.04, reference=0.01, current=0.05),
            "empty searches rose from 1.0% to 5.0%",
        ),
        (
            _measured("canaries.recall", 0.0, kind="overlap", effect=-0.2, reference=0.9, current=0.7),
            "recall of canaries fell from 0.90 to 0.70",
        ),
        (
            _measured("retrieval.documents", 0.0, kind="moved", effect=0.08),
            "the documents that are found changed (8% of the hits moved beyond chance)",
        ),
        (
            _measured("scores.faithfulness", 0.0, effect=0.01),
            "faithfulness of answers is spread differently (Kolmogorov-Smirnov 0.20)",
        ),
        (
            _measured(
                "answers.refusal",
                0.0,
                kind="share",
                effect=0.1,
                reference=0.1,
                current=0.2,
                key={"service": "s", "model": "m"},
            ),
            "refusals (model m) rose from 10.0% to 20.0%",
        ),
    ],
)
def test_each_kind_of_change_has_its_words(measured: Measurement, words: str) -> None:
    """With the numbers of both windows where there are some."""
    assert verdict.change(measured) == words


def test_segments_do_not_repeat_the_whole() -> None:
    """Of one signal the widest comparison is told; a segment alone is named."""
    whole = _measured("retrieval.top_score", 1e-4)
    tenant = replace(whole, key={"tenant": "acme", "collection": "Docs"}, p=1e-9, p_adjusted=1e-9)
    run = _run(_battery(whole, tenant))
    assert run.sentence.count("the best score") == 1
    assert "tenant" not in run.sentence
    assert "(tenant acme)" in _run(_battery(tenant)).sentence

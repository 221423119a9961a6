"""The pytest plugin of the evaluations, run in a pytest of its own as a user's test suite would."""

from __future__ import annotations

import json

import pytest

pytest_plugins = ["pytester"]

CASES = [
    {
        "id": f"case-{number}",
        "question": f"What is house {number} made of?",
        "reference": "stone",
        "answer": f"House {number} is made of red stone.",
        "contexts": [f"House {number} is made of red stone and has two doors."],
    }
    for number in range(8)
]

SUITE = """
    RUN = {"metrics": ["groundedness"], "judge": "offline"}

    def by_heart(question):
        return "It is made of cheese from the moon.", ["House 1 is made of red stone and has two doors."]

    def test_first_run(evals):
        assert evals.gate(evals.run("cases.jsonl", **RUN), baseline="green", keep_passed=True)

    def test_unchanged(evals):
        result = evals.gate(evals.run("cases.jsonl", **RUN), baseline="green")
        assert result
        assert result.outcome == "pass"

    def test_worse(evals):
        assert evals.gate(evals.run("cases.jsonl", answer=by_heart, **RUN), baseline="green")

    def test_floor(evals):
        assert evals.gate(evals.run("cases.jsonl", **RUN), baseline="green", floors={"groundedness": 1.1})
"""


@pytest.fixture(name="suite")
def _suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # other plugins take seconds to load
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    (pytester.path / "cases.jsonl").write_text("\n".join(json.dumps(case) for case in CASES))
    return pytester


def _run(suite: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return suite.runpytest_subprocess("-p", "no:cacheprovider", "-p", "sightline_evals_pytest", *arguments)


def test_asserts_hold_or_fail_as_the_gate_says(suite: pytest.Pytester) -> None:
    """The first run is kept, the same answers pass, worse ones and a broken floor fail and show the table."""
    suite.makepyfile(SUITE)
    result = _run(suite)
    result.assert_outcomes(passed=2, failed=2)
    assert len(list((suite.path / "green").glob("*.json"))) == 1
    result.stdout.fnmatch_lines(
        [
            "*assert <GateResult regression: groundedness: worse by *",
            "*- evals gate -*",
            "groundedness * regression *",
            "worse: case-*: groundedness * What is house * made of?",
            "*<GateResult regression: floor of groundedness: mean * bound 1.1*",
        ]
    )


def test_a_report_that_cannot_be_made_is_an_error_with_its_reason(suite: pytest.Pytester) -> None:
    """The reason of the command line is on standard error, which pytest shows."""
    suite.makepyfile("""
        def test_answers(evals):
            evals.run("nowhere.jsonl", judge="offline")
    """)
    result = _run(suite)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*EvalsError: sightline-evals run ended with exit code 2*", "*nowhere.jsonl*"])


def test_a_suite_without_the_fixture_imports_no_evaluations(suite: pytest.Pytester) -> None:
    """The plugin is imported in every run of every suite: it must cost nothing."""
    suite.makepyfile("""
        import sys

        def test_nothing():
            assert "sightline_evals_pytest" in sys.modules
            assert not {"sightline_evals", "numpy"} & set(sys.modules)
    """)
    _run(suite).assert_outcomes(passed=1)

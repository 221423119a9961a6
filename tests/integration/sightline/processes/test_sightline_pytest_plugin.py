"""The pytest plugin, run in a pytest of its own as a user's test suite would."""

from __future__ import annotations

import textwrap

import pytest

pytest_plugins = ["pytester"]

PIPELINE = """
    import pytest
    import sightline

    @sightline.retrieval("Documents")
    def search(question):
        if question == "broken":
            raise LookupError("index away")
        return [{"id": "d1", "score": 1.0}]

    @sightline.workflow("answer")
    def answer(question):
        return search(question)
"""


@pytest.fixture(name="suite")
def _suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # other plugins take seconds to load
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    return pytester


def _tests(pytester: pytest.Pytester, tests: str) -> pytest.RunResult:
    pytester.makepyfile(textwrap.dedent(PIPELINE) + textwrap.dedent(tests))
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "sightline_pytest", "--strict-markers")


def test_fixture_records_the_spans_of_one_test_only(suite: pytest.Pytester) -> None:
    """Two tests see their own spans, with ids that start at 1, and the tree as the assert wants it."""
    result = _tests(
        suite,
        """
        @pytest.mark.parametrize("turn", [1, 2])
        def test_answer(spans, turn):
            answer("why?")
            spans.assert_tree('''
                invoke_workflow answer
                  retrieval Documents
            ''')
            assert spans.single("invoke_workflow answer").context.span_id == 1
        """,
    )
    result.assert_outcomes(passed=2)


def test_failing_test_shows_its_span_tree(suite: pytest.Pytester) -> None:
    """The report has a section with the spans, errors marked."""
    result = _tests(
        suite,
        """
        def test_answer(spans):
            answer("broken")
        """,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*- spans -*", "invoke_workflow answer *ERROR", "  retrieval Documents error.type=*LookupError* ERROR"]
    )


def test_failing_tree_assert_marks_the_difference(suite: pytest.Pytester) -> None:
    """What is missing is marked with -, what is there instead with +."""
    result = _tests(
        suite,
        """
        def test_answer(spans):
            answer("why?")
            spans.assert_tree("invoke_workflow answer\\n  retrieval Papers")
        """,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E * -   retrieval Papers", "E * +   retrieval Documents"])


def test_marker_sets_what_is_captured(suite: pytest.Pytester) -> None:
    """With capture="none" no content and no lengths are written."""
    result = _tests(
        suite,
        """
        @pytest.mark.sightline(capture="none")
        def test_answer(spans):
            answer("why?")
            assert not any("input" in key for key in spans.attributes("invoke_workflow answer"))

        def test_captured(spans):
            answer("why?")
            assert spans.attributes("invoke_workflow answer")["sightline.input"] == "why?"
        """,
    )
    result.assert_outcomes(passed=2)


def test_installed_plugin_is_loaded_and_imports_no_library(pytester: pytest.Pytester) -> None:
    """Having it installed is enough for the fixture, and a suite that does not ask for it loads only the plugin."""
    pytester.makepyfile("""
        import sys

        def test_nothing():
            assert "sightline_pytest" in sys.modules
            assert "sightline" not in sys.modules
    """)
    pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:asyncio").assert_outcomes(passed=1)

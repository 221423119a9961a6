"""What the gate writes: a table, JUnit XML, Markdown and JSON, whatever texts are in the reports."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, ClassVar
from xml.etree import ElementTree

import pytest
from gate_reports import report, write
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from sightline_evals.gating import GateResult, Policy, gate, read_report
from sightline_evals.gating.junit import junit, junit_refusal
from sightline_evals.gating.markdown import markdown, markdown_refusal
from sightline_evals.gating.result_json import as_json
from sightline_evals.gating.table import table
from sightline_evals.untrusted import markup, on_a_line, shown

HOSTILE = (
    "\x1b[2J\x00\x07 | a | b |\n\n# heading\n</details></td></pre><script>alert(1)</script>"
    "<img src=x onerror=alert(1)> [link](javascript:alert(1)) `code` ![i](https://evil.example/x.png) "
    "www.evil.example \u202egnp.exe\ud83d\ufffe ]]> & @everyone"
)


@pytest.fixture(name="result")
def _result(tmp_path: Path) -> GateResult:
    """A regression with hostile texts in every place that a report has for texts."""

    def run(values: list[float | None], run_id: str) -> Any:
        document = report({f"m{HOSTILE}": values}, run_id=f"{run_id}{HOSTILE}", errors={39: f"E{HOSTILE}"})
        for case in document["cases"]:
            case |= {"case": f"{case['case']}{HOSTILE}", "question": HOSTILE, "answer": HOSTILE, "must_pass": True}
        for score in document["scores"]:
            score["case"] += HOSTILE
            score["statements"] = [{"text": HOSTILE, "supported": False, "reason": HOSTILE}] * 20
        return read_report(write(tmp_path / f"{run_id}.json", document))

    current = run([0.0] * 20 + [1.0] * 20, "new")
    rerun = run([0.0] * 19 + [1.0] * 21, "again")
    return gate(current, [run([1.0] * 40, "old")], Policy(), rerun)


def test_the_table_commands_no_terminal(result: GateResult) -> None:
    """No escape, no bell, no reordering; each check stays on its line."""
    text = table(result)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert text.encode()
    assert "# heading\n" not in text
    assert text.endswith("exit code 1\n")
    assert len(text.splitlines()) < 90


def test_junit_is_xml_whatever_the_texts_are(result: GateResult) -> None:
    """A regression is a failure, what was not measured an error; counts agree."""
    suite = ElementTree.fromstring(junit(result)).find("testsuite")
    assert suite is not None
    cases = suite.findall("testcase")
    assert suite.get("tests") == str(len(cases)) == str(len(result.checks))
    assert suite.get("failures") == str(len(suite.findall("testcase/failure"))) == "21"
    assert suite.get("errors") == str(len(suite.findall("testcase/error"))) == "1"
    refusal = ElementTree.fromstring(junit_refusal(HOSTILE))
    assert refusal.find("testsuite/testcase/error") is not None


def test_an_inconclusive_check_is_skipped_or_fails(tmp_path: Path) -> None:
    """As --strict says."""
    one = read_report(write(tmp_path / "a.json", report({"faithfulness": [0.5]})))
    other = read_report(write(tmp_path / "b.json", report({"faithfulness": [0.7]})))
    assert "<skipped" in junit(gate(one, [other]))
    assert "<failure" in junit(gate(one, [other], Policy(strict=True)))


def test_markdown_opens_and_closes_only_its_own_tags(result: GateResult) -> None:
    """What others wrote is character references: no tag, no link, no table cell, no heading, no new line."""
    text = markdown(result)
    allowed = "details|summary|p|b|br|table|tr|th|td|pre|ul|li"
    assert re.findall(rf"<(?!/?(?:{allowed})>)", text) == []
    for opened in allowed.split("|"):
        if opened != "br":
            assert text.count(f"<{opened}>") == text.count(f"</{opened}>")
    for sign in ("script>", "](", "](javascript", "`", "www.", "https:", "@"):
        assert sign not in text
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert len(headings) == 1
    table_rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in table_rows} == {9}
    blocks = [line for line in text.splitlines() if line.startswith("<p>")]
    assert len(blocks) == 10
    assert len(text) < 500_000
    assert "not compared" in markdown_refusal(HOSTILE)
    assert "<script" not in markdown_refusal(HOSTILE)


def test_markdown_is_rendered_with_its_own_tags_only(result: GateResult) -> None:
    """As a renderer reads it that lets HTML through: no element, no attribute and no link of others."""

    class Elements(HTMLParser):
        found: ClassVar[set[tuple[str, int]]] = set()

        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            self.found.add((tag, len(attributes)))

    renderer = MarkdownIt("commonmark", {"html": True}).enable("table")
    Elements().feed(renderer.render(markdown(result)))
    assert {tag for tag, _ in Elements.found} == {
        *("b", "br", "details", "h3", "li", "p", "pre", "strong", "summary"),
        *("table", "tbody", "td", "th", "thead", "tr", "ul"),
    }
    assert {attributes for _, attributes in Elements.found} == {0}


def test_json_has_what_the_table_has(result: GateResult) -> None:
    """And is ASCII, without NaN, and whole."""
    text = json.dumps(as_json(result), allow_nan=False)
    assert text.isascii()
    read = json.loads(text)
    (metric,) = read["metrics"].values()
    assert (read["outcome"], read["exit_code"], len(read["worst"])) == ("regression", 1, 10)
    assert metric["verdict"] == "regression"
    assert metric["low"] < metric["change"] < metric["high"]
    assert (metric["pairs"], metric["expected"], metric["missing"]["quarantined"]) == (38, 40, 1)
    assert metric["margin"] == 0.02
    assert 0 < metric["detectable"] < 1


def test_infinite_bounds_are_null(tmp_path: Path) -> None:
    """JSON has no infinity."""
    one = read_report(write(tmp_path / "a.json", report({"faithfulness": [0.5]})))
    other = read_report(write(tmp_path / "b.json", report({"faithfulness": [0.7]})))
    metric = as_json(gate(one, [other]))["metrics"]["faithfulness"]
    assert (metric["low"], metric["high"], metric["sd"], metric["detectable"]) == (None, None, None, None)
    assert json.dumps(metric, allow_nan=False)


def test_relative_changes_are_shares(tmp_path: Path) -> None:
    """20% more cost is shown as +20%, and the worst case as a share too."""
    values = {"faithfulness": [1.0] * 30}
    old = read_report(
        write(tmp_path / "a.json", report(values, cases={"cost_usd": [0.01 + i / 1e4 for i in range(30)]}))
    )
    costs = [1.2 * (0.01 + i / 1e4) for i in range(30)]
    new = read_report(write(tmp_path / "b.json", report(values, cases={"cost_usd": costs})))
    result = gate(new, [old], Policy(margins={"cost_usd": 0.1}))
    assert "+20.0%" in table(result)
    assert "geometric mean" in table(result)
    metric = as_json(result)["metrics"]["cost_usd"]
    assert metric["change"] == pytest.approx(0.2)
    assert metric["margin"] == pytest.approx(0.1, abs=0.02)
    assert metric["relative"]


@given(st.text())
def test_no_text_leaves_its_line_or_opens_a_tag(text: str) -> None:
    """For every text that Python can hold."""
    for made in (markup(text), on_a_line(text)):
        assert "\n" not in made
        made.encode()
    assert not set('<>`[]|*_@:\\!"') & set(markup(text))
    assert not set("&#") & set(re.sub(r"&#\d+;", "", markup(text)))
    assert all(character in "\t\n" or character.isprintable() or ord(character) > 127 for character in shown(text))
    element = ElementTree.Element("a", b=shown(text))
    element.text = shown(text)
    assert ElementTree.fromstring(ElementTree.tostring(element)).tag == "a"


def test_a_long_text_ends_with_an_ellipsis() -> None:
    """It is cut before its signs are replaced."""
    assert shown("abcdef", 4) == "abc…"
    assert shown("abcd", 4) == "abcd"

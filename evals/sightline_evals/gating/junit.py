"""The gate's result as JUnit XML, which CI servers show. Pure.

A regression is a `<failure>`; what was not measured is an `<error>`; what is inconclusive is `<skipped>`, or a
`<failure>` under `--strict`.

Source: https://github.com/testmoapp/junitxml
"""

from __future__ import annotations

from xml.etree import ElementTree

from sightline_evals.gating.results import Check, GateResult, Outcome
from sightline_evals.gating.table import headline
from sightline_evals.untrusted import shown

SUITE = "sightline-evals gate"


def junit(result: GateResult) -> str:
    """One suite with a test case for each check."""
    elements = {
        Outcome.REGRESSION: "failure",
        Outcome.UNMEASURED: "error",
        Outcome.INCONCLUSIVE: "failure" if result.strict else "skipped",
    }
    return _suite([(check, elements.get(check.outcome, "")) for check in result.checks], headline(result))


def junit_refusal(reason: str) -> str:
    """A suite with one error, where the runs could not be compared."""
    return _suite([(Check("comparison", Outcome.UNMEASURED, reason), "error")], reason)


def _suite(checks: list[tuple[Check, str]], summary: str) -> str:
    attributes = {"name": SUITE, "tests": str(len(checks))}
    for name, child in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        attributes[name] = str(sum(element == child for _, element in checks))
    suites = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(suites, "testsuite", attributes)
    for check, element in checks:
        case = ElementTree.SubElement(suite, "testcase", classname=SUITE, name=shown(check.name, 200))
        reason = shown(check.reason)
        if element:
            ElementTree.SubElement(case, element, message=reason, type=str(check.outcome)).text = reason
        else:
            ElementTree.SubElement(case, "system-out").text = reason
    ElementTree.SubElement(suite, "system-out").text = shown(summary)
    ElementTree.indent(suites)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"

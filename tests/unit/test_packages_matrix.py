"""The matrix of real packages: what it calls wrong, and when it refuses."""

from __future__ import annotations

from typing import Any

import cases
import environments
import matrix
import pytest
from cases import Case
from configurations import CONFIGURATIONS
from judge import Stored, Verdict, judge
from matrix import Result
from model_server import Call
from raw_spans import RawSpan, Told

_MODEL = cases.CHAT_MODELS["openai"]


def _verdicts(told: dict[str, str], **row: Any) -> dict[str, Verdict]:
    case = Case(1)
    stored: dict[str, Any] = {
        "Provider": "", "RequestModel": _MODEL, "ResponseModel": "", "SessionId": "", "InputTokens": None,
        "OutputTokens": None, "CacheReadTokens": None, "ReasoningTokens": None, "CostUsd": None, "StatusCode": "Unset",
        "ErrorType": "", "TtftMs": None, "TtftDefinition": "",
    }  # fmt: skip
    span = RawSpan("1", "1", "", "chat", "package", 0, 1, is_error=False, attributes={"llm.model": _MODEL, **told})
    cells = judge(case, [Call(1, "chat", 0)], Told([span]), Stored(calls=[{**stored, **row}]))
    return {cell.column: cell.verdict for cell in cells}


def test_a_value_that_is_shown_and_not_the_truth_is_wrong() -> None:
    """Also where the package does not tell it: nothing is shown for what is not told."""
    invented = _verdicts({}, InputTokens=7, ReasoningTokens=1, Provider="mistral", SessionId="x", CostUsd=1.0)
    columns = ("input", "reasoning", "provider", "session", "cost")
    assert [invented[column] for column in columns] == [Verdict.WRONG] * 5
    absent = _verdicts({})
    assert [absent[column] for column in columns] == [Verdict.NOT_TOLD] * 5


def test_a_value_that_is_told_and_not_shown_is_wrong() -> None:
    """The number stands in an attribute of the call."""
    told = _verdicts({"usage": f"{{'prompt_tokens': {cases.usage(1, 0).input}}}"})
    assert told["input"] is Verdict.WRONG
    assert told["output"] is Verdict.NOT_TOLD


def test_a_number_that_the_package_itself_reports_wrongly_is_no_fault_of_the_store() -> None:
    """Only as its own number of output tokens, and only where the true one stands nowhere."""
    number = cases.usage(1, 0).output + 1
    assert _verdicts({"gen_ai.usage.output_tokens": str(number)}, OutputTokens=number)["output"] is Verdict.MISREPORTED
    assert _verdicts({"other": str(number)}, OutputTokens=number)["output"] is Verdict.WRONG
    both = {"gen_ai.usage.output_tokens": str(number), "usage": f"{{'output': {number - 1}}}"}
    assert _verdicts(both, OutputTokens=number)["output"] is Verdict.WRONG


def test_what_did_not_run_is_no_success() -> None:
    """An environment that could not be made is told by the exit code; a program that is not installed is skipped."""
    configuration = CONFIGURATIONS[0]
    assert matrix.exit_code([Result(configuration, not_run="no network")]) == 2
    assert matrix.exit_code([Result(configuration, failed="exit code 1")]) == 1
    assert matrix.exit_code([Result(configuration, skipped="node is not installed")]) == 0


def test_a_part_of_the_matrix_does_not_write_the_page(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--write` writes the whole page; a name that no configuration has is refused too."""
    monkeypatch.setattr("sys.argv", ["matrix.py", "--only", "LiteLLM", "--write"])
    with pytest.raises(SystemExit, match="2"):
        matrix.main()
    assert "without --only" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["matrix.py", "--only", "no such package"])
    with pytest.raises(SystemExit, match="2"):
        matrix.main()


def test_each_configuration_names_packages_that_are_pinned() -> None:
    """Of Python and of Node.js."""
    for configuration in CONFIGURATIONS:
        assert all(environments.versions(configuration.environment, configuration.packages).values())

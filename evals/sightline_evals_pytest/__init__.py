"""pytest plugin: an ``evals`` fixture that scores a dataset and compares the run with those before it.

Part of the distribution, in a package of its own: pytest imports it in every run, and the evaluations only where a test
uses the fixture.

```python
def test_answers_are_not_worse(evals):
    report = evals.run("cases.jsonl", answer=my_pipeline, metrics=["faithfulness"])
    assert evals.gate(report, baseline="baselines", floors={"faithfulness": 0.8}, keep_passed=True)
```

``answer`` is called with each question and returns the answer, or the answer and the passages that it is based on;
without it the answers of the dataset are judged. An inconclusive comparison is true unless ``strict`` is set. The table
of each comparison is a section of the test's report.

Source: https://docs.pytest.org/en/stable/how-to/writing_plugins.html
"""

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sightline_evals.gating.session import EvalSession

_SECTION = "evals gate"
_KEY = pytest.StashKey["EvalSession"]()


@pytest.fixture
def evals(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> "EvalSession":
    """Runs evaluations and compares them; see `sightline_evals.gating.session.EvalSession`."""
    from sightline_evals.gating.session import EvalSession  # noqa: PLC0415  (only for tests that use it)

    session = EvalSession(tmp_path_factory.mktemp("evals"))
    request.node.stash[_KEY] = session
    return session


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the tables of the test's comparisons to its report. Called by pytest."""
    report = yield
    session = item.stash.get(_KEY, None)
    if session is not None and call.when == "call":
        report.sections += [(_SECTION, table) for table in session.tables]
    return report

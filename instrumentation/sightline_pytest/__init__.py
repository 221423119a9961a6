"""pytest plugin: a ``spans`` fixture, and the span tree in the report of a test that fails.

Part of the distribution, in a package of its own: pytest imports it in every run, and the library only where a test
uses the fixture.

```python
def test_answer_searches_before_it_asks_the_model(spans):
    my_pipeline("why?")
    spans.assert_tree('''
        invoke_workflow answer
          retrieval Documents
          chat gpt-4o-mini
    ''')
```

A marker sets what ``sightline.testing.captured`` takes: ``@pytest.mark.sightline(capture="lengths")``.

Source: https://docs.pytest.org/en/stable/how-to/writing_plugins.html
"""

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sightline.testing import Spans

_SECTION = "spans"
_SHOWN = ("error.type", "sightline.stream.outcome", "db.response.returned_rows")
_KEY = pytest.StashKey["Spans"]()


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker. Called by pytest."""
    config.addinivalue_line(
        "markers",
        "sightline(capture=..., capture_max_chars=..., redact=..., clock=..., sampler=...): how the spans fixture"
        " records; see sightline.testing.captured",
    )


@pytest.fixture
def spans(request: pytest.FixtureRequest) -> Iterator["Spans"]:
    """Sightline's spans and scores of this test, in memory, with the ids 1, 2, 3..."""
    from sightline.testing import captured  # noqa: PLC0415  (the SDK: only for tests that look at spans)

    marker = request.node.get_closest_marker("sightline")
    options: dict[str, Any] = dict(marker.kwargs) if marker else {}
    with captured(**options) as recorded:
        request.node.stash[_KEY] = recorded
        yield recorded


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the tree of the spans to the report of a failure. Called by pytest."""
    report = yield
    recorded = item.stash.get(_KEY, None)
    if recorded is not None and call.when == "call" and report.failed:
        report.sections.append((_SECTION, recorded.tree(_SHOWN) or "no span has ended"))
    return report

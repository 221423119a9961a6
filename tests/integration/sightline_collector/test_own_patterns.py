"""Own patterns of the redaction: read, tried in a process of their own, and applied."""

from __future__ import annotations

from pathlib import Path

import pytest

from sightline_collector.request.masks import Masks
from sightline_collector.request.own_patterns import load_patterns


def test_own_patterns_are_read_and_applied(tmp_path: Path) -> None:
    """One a line; comments and empty lines are none."""
    path = tmp_path / "patterns"
    path.write_text("# customers\n\nCUST-\\d{6}\n  \\bV\\d{9}\\b  \n")
    masks = Masks([], load_patterns(path, 16384))
    assert masks.apply("CUST-123456 has V123456789, not V12") == "[redacted:pattern] has [redacted:pattern], not V12"


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", "not a regular expression"),
        ("a*", "empty text"),
        ("(a+)+$", "takes more than"),
        ("(x+x+)+y", "takes more than"),
        ("(a|aa)+$", "takes more than"),
        (r".*.*=", "takes more than"),
    ],
)
def test_bad_own_patterns_are_refused(tmp_path: Path, pattern: str, message: str) -> None:
    """What does not compile, matches nothing at all or takes exponential or cubic time names its line."""
    path = tmp_path / "patterns"
    path.write_text(f"CUST-\\d{{6}}\n{pattern}\n")
    with pytest.raises(ValueError, match=f"SIGHTLINE_COLLECTOR_REDACT_MASK_PATTERNS=.*line 2: .*{message}"):
        load_patterns(path, 16384)


def test_missing_pattern_file_is_named(tmp_path: Path) -> None:
    """The variable and the path are in the message."""
    with pytest.raises(ValueError, match=r"SIGHTLINE_COLLECTOR_REDACT_MASK_PATTERNS=.*absent"):
        load_patterns(tmp_path / "absent", 16384)

"""What sources tell about documented names."""

from __future__ import annotations

from pathlib import Path

from sightline_app.language_reference import described_names
from sightline_app.quality import Known, is_held_out
from sightline_app.source_usage import KEPT_WORDS, UsageReader, read_usage
from sightline_app.thesaurus import THESAURUS

CODE = '''
import shutil as sh
from os.path import join

class BackupTest:
    """Keep snapshots of projects."""

    def test_snapshot(self):
        # preserve the permissions of the originals
        sh.copytree("a", join("b", "c"))
        thing.decode()
        sorted([])
'''


def seen() -> UsageReader:
    """A reader that has read the code above."""
    names = [["shutil.copytree"], ["os.path.join", "posixpath.join"], ["sorted"], ["a.A.decode"], ["b.B.decode"]]
    reader = UsageReader(names, [False, False, False, True, True])
    reader.read(CODE, "test.test_backup")
    return reader


def test_uses_are_counted_through_imports_and_aliases() -> None:
    """Aliases, from-imports and built-ins count once; a method of an unknown class is shared among its namesakes."""
    assert [each.count for each in seen().seen] == [1.0, 1.0, 1.0, 0.5, 0.5]


def test_words_around_a_use_are_kept() -> None:
    """Names and docstrings of what encloses a use, and comments near it, are words of the thing that is used."""
    words = seen().seen[0].words
    assert {"backup", "snapshot", "permiss", "project"} <= set(words)
    assert words["snapshot"] > words["join"] > 0


def test_words_that_stand_everywhere_are_not_typical() -> None:
    """Typical words are near one thing more often than near others; words near fewer than three things are left out."""
    things = [f"m.{letter}" for letter in "abcdef"]
    reader = UsageReader([[name] for name in things], [False] * len(things))
    for name in things:
        for number in range(60):
            told = "folder" if name == "m.a" or number % 20 == 0 else "network"
            reader.read(f"import m\ndef f():\n    # {told} {name[-1]}unique\n    {name}()\n", "x")
    typical = list(reader.typical_words())
    assert typical[0][0] == "folder"
    assert "network" not in typical[0]
    assert not any("uniqu" in word for word in typical[0])
    assert all(len(each) <= KEPT_WORDS for each in typical)


def test_unreadable_sources_are_passed_over(tmp_path: Path) -> None:
    """Code that does not parse or decode is no error."""
    (tmp_path / "bad.py").write_text("def (")
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00")
    reader = read_usage([["json.loads"]], [False], sorted(tmp_path.glob("*.py")))
    assert reader.seen[0].count == 0


def test_help_topics_describe_special_methods() -> None:
    """Special methods without a docstring of their own come from the help topics, without notes on versions."""
    parameters, told = described_names()["object.__init_subclass__"]
    assert parameters == "(cls)"
    assert "subclass" in told
    assert "Changed in version" not in told


def test_thesaurus_holds_only_words() -> None:
    """Remarks and empty lines of the list are no entries, and every entry leads somewhere else."""
    assert len(THESAURUS) > 500
    assert all(others and "#" not in word for word, others in THESAURUS.items())


def test_halves_are_fixed_by_the_id() -> None:
    """The same question is always in the same half."""
    halves = [is_held_out(Known(f"q{number:03}", "?", frozenset())) for number in range(1, 101)]
    assert 30 < sum(halves) < 70

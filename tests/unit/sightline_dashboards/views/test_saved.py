"""The file of saved views."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_dashboards.views.saved import MAX_NAME_CHARS, MAX_VIEWS, SavedViews, View, ViewsProblem, view_of
from sightline_dashboards.views.sidebar import address, plain


def view(name: str, group: str = "", **params: str) -> View:
    """A view of the page of traces."""
    return view_of(name, "traces", params, group)


def test_views_are_kept_by_name(tmp_path: Path) -> None:
    """In a folder that is made; another process reads them."""
    path = tmp_path / "state" / "views.json"
    SavedViews(path).save(view("Slow", q="ttft>2000", window="3h"))
    SavedViews(path).save(view("errors of acme", tenant="acme"))
    found = SavedViews(path).of("")
    assert [(each.name, each.params) for each in found] == [
        ("errors of acme", {"tenant": "acme"}),
        ("Slow", {"q": "ttft>2000", "window": "3h"}),
    ]
    assert {each.name for each in path.parent.iterdir()} == {"views.json", "views.json.lock"}


def test_views_are_renamed_and_removed(tmp_path: Path) -> None:
    """A name is taken once, whatever its case; a view may change the case of its own."""
    saved = SavedViews(tmp_path / "views.json")
    saved.save(view("Slow"))
    saved.save(view("Fast"))
    with pytest.raises(ViewsProblem, match="“slow” already"):
        saved.save(view("slow "))
    with pytest.raises(ViewsProblem, match="already"):
        saved.rename("Slow", "FAST", "")
    saved.rename("Slow", "SLOW", "")
    saved.remove("Fast", "")
    assert [each.name for each in saved.of("")] == ["SLOW"]
    for change in (lambda: saved.remove("Fast", ""), lambda: saved.rename("Fast", "x", "")):
        with pytest.raises(ViewsProblem, match="no view “Fast” any more"):
            change()


def test_groups_do_not_see_each_other(tmp_path: Path) -> None:
    """Nor rename or remove what they do not see; a name is free in each."""
    saved = SavedViews(tmp_path / "views.json")
    saved.save(view("Mine", group="tenant acme"))
    saved.save(view("Mine"))
    assert [each.group for each in saved.of("tenant acme")] == ["tenant acme"]
    with pytest.raises(ViewsProblem):
        saved.remove("Mine", "tenant globex")
    saved.remove("Mine", "")
    assert len(saved.of("tenant acme")) == 1


def test_many_writers_lose_nothing(tmp_path: Path) -> None:
    """Each has its own lock on the file, as processes have; a reader never sees half of one."""
    path = tmp_path / "views.json"

    def write(writer: int) -> None:
        for number in range(10):
            SavedViews(path).save(view(f"{writer}-{number}"))
            assert SavedViews(path).of("")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert len(SavedViews(path).of("")) == 40


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "cannot be read"),
        ("", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"version": 2, "views": []}', "at version"),
        ('{"version": 1, "views": [{"name": "x"}]}', "at views.0.page"),
        ('{"version": 1, "views": [{"name": " ", "page": "traces"}]}', "at views.0.name"),
        ('{"version": 1, "views": [{"name": "x", "page": "../etc"}]}', "at views.0.page"),
        ('{"version": 1, "views": [{"name": "x", "page": "traces", "params": {"q": 1}}]}', "at views.0.params.q"),
    ],
)
def test_a_bad_file_is_said_and_left_alone(tmp_path: Path, text: str, told: str) -> None:
    """Nothing is saved until a person has mended it."""
    path = tmp_path / "views.json"
    path.write_text(text)
    with pytest.raises(ViewsProblem, match=told) as raised:
        SavedViews(path).of("")
    assert "SIGHTLINE_DASHBOARDS_VIEWS_FILE" in str(raised.value)
    with pytest.raises(ViewsProblem):
        SavedViews(path).save(view("x"))
    assert path.read_text() == text


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "state").write_text("")
    with pytest.raises(ViewsProblem, match="cannot be"):
        SavedViews(tmp_path / "state" / "views.json").save(view("x"))


def test_views_are_bounded(tmp_path: Path) -> None:
    """In number, in their names and in their addresses."""
    path = tmp_path / "views.json"
    path.write_text(json.dumps({"version": 1, "views": [{"name": f"{n}", "page": "cost"} for n in range(MAX_VIEWS)]}))
    with pytest.raises(ViewsProblem, match="remove one"):
        SavedViews(path).save(view("one more"))
    for name, params, told in (
        ("", {}, "needs a name"),
        ("x" * (MAX_NAME_CHARS + 1), {}, "too long"),
        ("x", {"q": "y" * 2001}, "cannot be saved"),
        ("x", {"a b": "y"}, "cannot be saved"),
    ):
        with pytest.raises(ViewsProblem, match=told):
            view(name, **params)


def test_the_address_of_a_view_sets_every_filter() -> None:
    """One that it does not name would else stay as it is now."""
    assert address(view("x", tenant="acme", q="error")) == {
        "tenant": "acme", "model": "", "route": "", "live": "0", "against": "", "window": "1h", "q": "error",
    }  # fmt: skip
    fixed = address(view("x", **{"from": "2026-03-01T10:00:00Z", "to": "2026-03-01T11:00:00Z"}))
    assert "window" not in fixed


@given(st.text(max_size=MAX_NAME_CHARS))
def test_a_name_is_no_markup(name: str) -> None:
    """Every sign that Markdown or Streamlit reads stands behind a backslash."""
    shown = plain(name)
    assert shown.replace("\\", "") == name.replace("\\", "")
    for sign in "[]()!*_`:#<>$~|":
        assert shown.count(sign) == shown.count(f"\\{sign}")

"""Saved views in the sidebar."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import MagicMock, patch

from streamlit.testing.v1 import AppTest

from sightline_dashboards.access.viewers import EVERYBODY, Role, Viewer
from sightline_dashboards.views.saved import SavedViews, view_of


def _script() -> None:
    from sightline_dashboards import navigation
    from sightline_dashboards.views import sidebar

    navigation.remember({"traces": "traces"})
    sidebar.show("traces")


class Sidebar:
    """The sidebar of one session over a file."""

    def __init__(self, path: Path, viewer: Viewer = EVERYBODY, **address: str) -> None:
        self.saved, self.viewer, self.links = SavedViews(path), viewer, MagicMock()
        self.app = AppTest.from_function(_script)
        for name, value in address.items():
            self.app.query_params[name] = value
        self.run()

    def run(self) -> None:
        """Run it once more."""
        self.links.reset_mock()
        with (
            patch("sightline_dashboards.views.sidebar._saved", lambda: self.saved),
            patch("sightline_dashboards.access.current.viewer", lambda: self.viewer),
            patch("sightline_dashboards.views.sidebar.st.page_link", self.links),
        ):
            self.app.run(timeout=60)
        assert not self.app.exception

    def named(self) -> list[str]:
        """The links that are shown."""
        return [call.kwargs["label"] for call in self.links.call_args_list]

    def problem(self) -> str:
        """What the sidebar says went wrong."""
        shown = [element.proto.body for element in self.app.sidebar if type(element).__name__ == "Html"]
        return next((text for text in shown if "views-problem" in text), "")

    def save(self, name: str) -> None:
        """Save the page under a name."""
        self.app.text_input(key="views_name").set_value(name)
        self.app.button(key="views_save_now").click()
        self.run()


def test_a_page_is_saved_and_opened_as_it_was(tmp_path: Path) -> None:
    """With all parameters of its address; the link sets every filter."""
    sidebar = Sidebar(tmp_path / "views.json", tenant="acme", q="error", window="3h")
    sidebar.save("Errors of acme")
    assert sidebar.named() == ["Errors of acme"]
    (saved,) = SavedViews(tmp_path / "views.json").of("")
    assert (saved.page, saved.params) == ("traces", {"tenant": "acme", "q": "error", "window": "3h"})
    address = sidebar.links.call_args.kwargs["query_params"]
    assert address["tenant"] == "acme"
    assert (address["model"], address["live"]) == ("", "0")
    assert sidebar.app.text_input(key="views_name").value == ""


def test_what_cannot_be_saved_is_said(tmp_path: Path) -> None:
    """Once; the next run of the page is without the sentence."""
    sidebar = Sidebar(tmp_path / "views.json")
    sidebar.save("Slow")
    sidebar.save("slow")
    assert "“slow” already" in sidebar.problem()
    sidebar.run()
    assert sidebar.problem() == ""


def test_a_view_is_renamed_and_removed(tmp_path: Path) -> None:
    """By the controls beside it; a name is no markup."""
    sidebar = Sidebar(tmp_path / "views.json")
    sidebar.save("Slow")
    sidebar.app.text_input(key="views_rename_0_Slow").set_value("**Slow**")
    sidebar.app.button(key="views_rename_0_Slow_now").click()
    sidebar.run()
    assert sidebar.named() == [r"\*\*Slow\*\*"]
    sidebar.app.button(key="views_rename_0_**Slow**_remove").click()
    sidebar.run()
    assert sidebar.named() == []


def test_who_is_no_editor_opens_views_and_changes_none(tmp_path: Path) -> None:
    """Those of the same tenant."""
    path = tmp_path / "views.json"
    for name, group in (("Ours", "acme"), ("Everybody's", "")):
        SavedViews(path).save(view_of(name, "traces", {}, group))
    sidebar = Sidebar(path, Viewer("ann", Role.REVIEWER, tenant="acme"))
    assert sidebar.named() == ["Ours"]
    assert not [each for each in sidebar.app.button if str(each.key).startswith("views_")]


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    """The page is there all the same."""
    (tmp_path / "views.json").write_text("{")
    assert "cannot be read" in Sidebar(tmp_path / "views.json").problem()

"""The pictures of the README: their names, sizes and palettes."""

from __future__ import annotations

import io

from PIL import Image
from screenshots import VIEWS, small, worst_trace


def test_each_picture_is_taken_in_four_views() -> None:
    """At the sizes of a laptop and a phone, light and dark."""
    assert [(view.suffix, view.width, view.height, view.is_dark, view.is_phone) for view in VIEWS] == [
        ("", 1440, 900, False, False),
        ("-dark", 1440, 900, True, False),
        ("-phone", 390, 844, False, True),
        ("-phone-dark", 390, 844, True, True),
    ]


def test_a_picture_is_made_small_and_stays_the_same() -> None:
    """A palette of 256 colours holds a page with fewer."""
    page = Image.new("RGB", (390, 844), "#FFFFFF")
    for row in range(200):
        page.paste((row, 114, 178), (10, 2 * row, 380, 2 * row + 1))
    whole = io.BytesIO()
    page.save(whole, "PNG")
    made = small(whole.getvalue())
    opened = Image.open(io.BytesIO(made))
    assert (opened.mode, opened.size) == ("P", page.size)
    assert opened.convert("RGB").tobytes() == page.tobytes()


def test_the_worst_answer_is_read_from_the_summary_of_a_demo() -> None:
    """Its lines have frames."""
    summary = f"│Model                  │ m  │\n│Least faithful answer  │ 0.25  trace {'a1' * 16}    │\n"
    assert worst_trace(summary) == "a1" * 16
    assert worst_trace("│Model                  │ m  │") == ""

"""`make screenshots`: the README's pictures, of a demo that runs meanwhile.

The demo asks its questions on free ports, in a folder that is gone afterwards; with --data in one that is kept, whose
index is used again. Then the question whose answer was judged least faithful is asked once more on the chat page, and
Chromium takes the chat, the Overview, the trace of the first answer and the comparison of both at 1440x900, each once
its charts are drawn: docs/images/NAME.png and NAME-dark.png; with --phone also NAME-phone.png and NAME-phone-dark.png
at 390x844. Pictures have a palette of 256 colours, so that they stay small; one above 250 kB is refused.

Usage: python tests/support/screenshots.py [--model extractive] [--questions N] [--data FOLDER] [--out FOLDER] [--phone]
"""

from __future__ import annotations

import argparse
import io
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from browser import FIND, Browser
from PIL import Image
from role_process import free_port

from sightline_store.client import Client
from sightline_store.contents import traces as traces_content
from sightline_store.questions import queries
from sightline_store.settings import StoreSettings

IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
_READY = "Light traffic goes on"
_WORST = re.compile(r"Least faithful answer\W+[\d.]+\s+trace ([0-9a-f]{32})")
_PORTS = (
    "store", "collector", "collector-grpc", "dashboards", "app", "model", "weaviate", "weaviate-grpc", "redis",
)  # fmt: skip
_DEMO_S, _WAIT_S = 2400.0, 60.0
_COLOURS = 256
_MAX_BYTES: Final = 250_000
_Found = TypeVar("_Found")

_DRAWN = (
    FIND
    + """
const app = document.querySelector('[data-testid=stApp]');
const charts = [...document.querySelectorAll('[data-testid=stVegaLiteChart]')];
const isIdle = app?.dataset.testScriptState === 'notRunning' && !document.querySelector('[data-testid=stSkeleton]');
const isShown = findAll('a.card, tbody tr, button.row').length;
const isDrawn = isIdle && isShown && charts.every((chart) => chart.querySelector('svg, canvas'));
const told = `${document.body.innerText.length} ${findAll('*').length} ${isDrawn}`;
if (window.drawn?.told !== told) window.drawn = { told, since: performance.now() };
return isDrawn && performance.now() - window.drawn.since > 1000;
"""
)
"""Whether the page is drawn, and has not changed for a second."""


@dataclass(frozen=True)
class View:
    """A size and a theme of a picture; `suffix` ends its name."""

    suffix: str
    width: int
    height: int
    is_dark: bool

    @property
    def is_phone(self) -> bool:
        """Whether it is shown as on a phone."""
        return self.width < 600


VIEWS: Final = tuple(
    View(f"{size}{theme}", width, height, bool(theme))
    for size, width, height in (("", 1440, 900), ("-phone", 390, 844))
    for theme in ("", "-dark")
)


@dataclass(frozen=True)
class Demo:
    """A demo that has asked its questions.

    Attributes:
        dashboards: address of the pages.
        app: address of the application.
        client: its store.
        worst: trace of the answer that was judged least faithful.
    """

    dashboards: str
    app: str
    client: Client
    worst: str


def main() -> None:
    """Run the demo and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=("smollm2", "extractive"), default="smollm2", help="as of `sightline demo`")
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder of the pictures (default: docs/images)")
    parser.add_argument("--questions", type=int, default=30, help="as of `sightline demo` (default: 30)")
    parser.add_argument("--data", type=Path, help="folder of the demo, which is kept and used again")
    parser.add_argument("--phone", action="store_true", help="take the pictures of a phone too")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    views = [view for view in VIEWS if args.phone or not view.is_phone]
    with (
        tempfile.TemporaryDirectory() as name,
        _demo(Path(name), args.data or Path(name) / "data", args.model, args.questions) as demo,
    ):
        browser = Browser(Path(name) / "profile")
        try:
            for taken in _take_all(browser, demo, views, args.out):
                sys.stdout.write(f"{taken} {taken.stat().st_size / 1e3:.0f} kB\n")
        finally:
            browser.driver.quit()


@contextmanager
def _demo(folder: Path, data: Path, model: str, questions: int) -> Iterator[Demo]:
    """A demo on free ports, until the block ends.

    Args:
        folder: of its log.
        data: folder of its data.
        model: as of `sightline demo`.
        questions: how many are asked.
    """
    ports = {name: free_port() for name in _PORTS}
    flags = [part for name, port in ports.items() for part in (f"--port-{name}", str(port))]
    script = str(Path(sys.executable).with_name("sightline"))
    command = [script, "demo", "--data", str(data), "--model", model, "--questions", str(questions), *flags]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("SIGHTLINE_", "OTEL_"))}
    log = folder / "demo.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, env=env | {"COLUMNS": "200"}, stdout=out, stderr=out, start_new_session=True
        )
    try:
        _wait(
            lambda: _READY in log.read_text() or process.poll() is not None, "the end of the demo's questions", _DEMO_S
        )
        worst = worst_trace(log.read_text())
        if process.poll() is not None or not worst:
            raise RuntimeError(f"the demo has no judged answer:\n{log.read_text()[-3000:]}")
        key = (data / "keys" / "reader.key").read_text().strip()
        client = Client(StoreSettings(url=f"http://127.0.0.1:{ports['store']}", password=key))
        dashboards, app = (f"http://127.0.0.1:{ports[name]}" for name in ("dashboards", "app"))
        yield Demo(dashboards, app, client, worst)
        client.close()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def _take_all(browser: Browser, demo: Demo, views: Sequence[View], out: Path) -> Iterator[Path]:
    """Take each picture in each view; yields its file."""
    again = _ask_again(browser, demo)
    for view in views:
        yield _take(browser, view, out / f"chat{view.suffix}.png")
    pages = {
        "overview": "",
        "trace": f"trace?trace={demo.worst}",
        "comparison": f"trace?trace={demo.worst}&with={again}",
    }
    for name, path in pages.items():
        for view in views:
            _show_as(browser, view)
            browser.driver.get(f"{demo.dashboards}/{path}")
            browser.until(_DRAWN, f"{name}, drawn,")
            yield _take(browser, view, out / f"{name}{view.suffix}.png")


def _ask_again(browser: Browser, demo: Demo) -> str:
    """Ask the question of the worst answer on the chat page; returns its trace once the store has it."""
    stored = traces_content.read(queries.trace_contents(demo.client, demo.worst))
    question = traces_content.conversation(stored).question
    _show_as(browser, VIEWS[0])
    browser.driver.get(demo.app)
    script = "const box = document.getElementById('question'); box.value = arguments[0]; box.form.requestSubmit();"
    browser.driver.execute_script(script, question)
    browser.text("total ")
    address = str(browser.until("return document.querySelector('a.trace')?.href", "the link to the trace"))
    trace_id = address.rpartition("trace=")[2]
    _wait(lambda: queries.ttft_trace(demo.client, trace_id), "the trace of the chat's answer", _WAIT_S)
    return trace_id


def _show_as(browser: Browser, view: View) -> None:
    """Give the page the size and the theme of a view."""
    sized = {"width": view.width, "height": view.height, "deviceScaleFactor": 1, "mobile": view.is_phone}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", sized)
    theme = {"name": "prefers-color-scheme", "value": "dark" if view.is_dark else "light"}
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [theme]})


def _take(browser: Browser, view: View, file: Path) -> Path:
    _show_as(browser, view)
    picture = small(browser.driver.get_screenshot_as_png())
    if len(picture) > _MAX_BYTES:
        raise RuntimeError(f"{file.name} has {len(picture)} bytes; a picture of the README has {_MAX_BYTES} at most")
    file.write_bytes(picture)
    return file


def worst_trace(log: str) -> str:
    """Return the trace of the least faithful answer that a demo's summary names; '' where it names none."""
    found = _WORST.search(log)
    return found[1] if found else ""


def small(png: bytes) -> bytes:
    """The same picture with a palette; less than half as large for pages, which have few colours."""
    whole = Image.open(io.BytesIO(png)).convert("RGB")
    # By coverage: the median cut gives up the colours of small marks for greys of text.
    image = whole.quantize(_COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    made = io.BytesIO()
    image.save(made, "PNG", optimize=True)
    return made.getvalue()


def _wait(is_so: Callable[[], _Found], what: str, timeout_s: float) -> _Found:
    deadline = time.monotonic() + timeout_s
    while not (found := is_so()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come within {timeout_s:.0f} s")
        time.sleep(0.2)
    return found


if __name__ == "__main__":
    main()

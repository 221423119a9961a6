"""A headless Chromium that notes, on the page itself, when it painted what a reader came for.

A script that runs before the page's own looks at every frame: `first_ms` is the first contentful paint, `shown_ms` the
first chart, table, card, waterfall or comparison, `done_ms` the end of the page's run on the server with all its
charts drawn. Milliseconds count from the start of the navigation. `server_ms` is from the page's first word to the
server to the last one of the server's answer.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
_WAIT_S = 60.0
_POLL_S = 0.05

_WATCH = r"""
(() => {
  const watch = window.__watch = {};
  const Native = window.WebSocket;
  window.WebSocket = class extends Native {
    constructor(...given) {
      super(...given);
      this.addEventListener("message", () => { watch.last = performance.now(); });
    }
    send(data) {
      watch.sent ??= performance.now();
      super.send(data);
    }
  };
  const CHARTS = "[data-testid=stVegaLiteChart]";
  const SHOWN = [`${CHARTS} :is(svg, canvas)`, "[data-testid=stDataFrame] canvas", "a.card", "tbody tr", "button.row",
    ".st-key-reviewer input"].join();
  const shadows = () => [...document.querySelectorAll("*")].map((e) => e.shadowRoot).filter((root) => root);
  const holds = (selector) => [document, ...shadows()].some((root) => root.querySelector(selector));
  const frame = () => {
    if (watch.shown === undefined && holds(SHOWN)) {
      watch.shown = performance.now();
      requestAnimationFrame(() => { watch.painted = performance.now(); });
    }
    const app = document.querySelector("[data-testid=stApp]");
    const isIdle = app && app.dataset.testScriptState === "notRunning";
    const isDrawn = [...document.querySelectorAll(CHARTS)].every((chart) => chart.querySelector("svg, canvas"));
    const isWaiting = document.querySelector("[data-testid=stSkeleton]");
    const isDone = watch.painted !== undefined && isIdle && isDrawn && !isWaiting;
    watch.done = isDone ? watch.done ?? performance.now() : undefined;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})();
"""
_READ = """
const watch = window.__watch;
if (!watch || watch.done === undefined || performance.now() - watch.done < 250) return null;
const paint = performance.getEntriesByName('first-contentful-paint')[0];
return [paint ? paint.startTime : watch.painted, watch.painted, watch.done, watch.last - watch.sent];
"""


@dataclass(frozen=True)
class Paint:
    """When a page showed something, in ms from the start of the navigation."""

    first_ms: float
    shown_ms: float
    done_ms: float
    server_ms: float


class Chromium:
    """A browser; close it at the end.

    Args:
        folder: for its profile; an empty one is a browser that knows nothing yet.
        width: of the window, in pixels.
        height: of the window, in pixels.

    Raises:
        RuntimeError: there is no chromium and chromedriver.
    """

    def __init__(self, folder: Path, width: int = 1440, height: int = 900) -> None:
        if not (CHROMIUM and DRIVER):
            raise RuntimeError("chromium and chromedriver are not on PATH (`make browser` installs them)")
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for argument in (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            f"--window-size={width},{height}",
            f"--user-data-dir={folder}",
        ):
            options.add_argument(argument)
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _WATCH})

    def open(self, url: str) -> Paint:
        """Open a page and wait until it is done.

        Raises:
            RuntimeError: it is not within a minute.
        """
        self.driver.get("about:blank")
        self.driver.get(url)
        deadline = time.monotonic() + _WAIT_S
        while time.monotonic() < deadline:
            if told := self.driver.execute_script(_READ):
                return Paint(*told)
            time.sleep(_POLL_S)
        text = self.driver.execute_script("return document.body.innerText")
        raise RuntimeError(f"{url} showed nothing within {_WAIT_S:.0f} s; the page says:\n{text[:1500]}")

    def close(self) -> None:
        """End it."""
        self.driver.quit()

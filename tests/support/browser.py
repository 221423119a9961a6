"""A real browser, for the pages that people look at."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = "NO BROWSER: chromium and chromedriver are not on PATH: no page was looked at (apt install chromium-driver)"
"""Why tests are skipped where there is none."""
_WAIT_S = 40.0

FIND = """
const hosts = (root) => [...root.querySelectorAll('*')].filter((e) => e.shadowRoot);
const roots = (root) => [root, ...hosts(root).flatMap((e) => roots(e.shadowRoot))];
const findAll = (selector) => roots(document).flatMap((root) => [...root.querySelectorAll(selector)]);
const find = (selector) => findAll(selector)[0];
"""
_ALL_TEXT = """
const allText = (node) => [node.innerText ?? '', ...[...node.querySelectorAll('*')].filter((e) => e.shadowRoot)
  .flatMap((e) => [...e.shadowRoot.children].map((c) => c.innerText ?? ''))].join('\\n');
"""


class Browser:
    """A headless Chromium, which waits for what a page shows and never for a time.

    Args:
        folder: for its profile.
    """

    def __init__(self, folder: Path) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = str(CHROMIUM)
        for argument in (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--window-size=1440,900",
            f"--user-data-dir={folder}",
        ):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))

    def until(self, script: str, what: str) -> Any:
        """Run a script until it returns something true."""
        deadline = time.monotonic() + _WAIT_S
        while time.monotonic() < deadline:
            if told := self.driver.execute_script(script):
                return told
            time.sleep(0.1)
        text = self.driver.execute_script("return document.body.innerText")
        raise AssertionError(f"{what} did not show within {_WAIT_S} s; the page says:\n{text[:2000]}")

    def text(self, wanted: str) -> str:
        """Wait for a text anywhere on the page, also inside elements of our own; return all text."""
        return str(
            self.until(
                f"{_ALL_TEXT} const all = allText(document.body); return all.includes({wanted!r}) ? all : null;", wanted
            )
        )

    def click(self, selector: str) -> None:
        """Wait for an element of our own (in a shadow root) and click it."""
        self.until(
            f"{FIND} const found = find({selector!r}); if (!found) return false; found.click(); return true;", selector
        )

    def count(self, selector: str) -> int:
        """Count elements, also inside shadow roots."""
        return int(self.driver.execute_script(f"{FIND} return findAll({selector!r}).length;"))

    def errors(self) -> list[str]:
        """What the browser complained about, but for Streamlit's own look for its address under a page's path."""
        told = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]
        return [message for message in told if "/_stcore/" not in message]

    def forget(self) -> None:
        """Leave the page, and drop what pages have kept and complained about."""
        origin = self.driver.execute_script("return location.origin")
        if origin.startswith("http"):  # other tests' pages come from other ports
            self.driver.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
        self.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        self.driver.get("about:blank")
        self.driver.get_log("browser")

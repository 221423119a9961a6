"""Harms that the app does to itself when it is asked: faults in its pipeline."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx

from sightline_app.chaos.faults import WORDS
from sightline_app.chaos.harm import Context, Harm, Options
from sightline_app.chaos.journal import ChaosRefused
from sightline_app.chaos.processes import Process

_MODEL_START_S, _MODEL_STOP_S = 60.0, 10.0


class Fault(Harm):
    """A harm that is faults only; it ends by itself even where this command is killed.

    Args:
        name: of the harm.
        about: one line.
        faults: the faults, as options of the command ask for them.
        told: a sentence about them.
    """

    def __init__(
        self,
        name: str,
        about: str,
        faults: Callable[[Options], Mapping[str, Any]],
        told: Callable[[Options], str],
    ) -> None:
        self.name = name
        self.about = about
        self.faults = faults
        """The faults, as options of the command ask for them."""
        self._told = told

    def begin(self, context: Context, undo: dict[str, Any]) -> str:
        """Ask the app for the faults."""
        del undo
        context.put_faults(**self.faults(context.options))
        return self._told(context.options)

    def undo(self, context: Context, undo: dict[str, Any]) -> None:
        """Ask the app for none."""
        del undo
        context.end_faults()


FAULTS: Final = (
    Fault(
        "slow-search",
        "each search takes --delay seconds longer",
        lambda options: {"search_delay_s": options.delay_s},
        lambda options: f"each search takes {options.delay_s:g} s longer",
    ),
    Fault(
        "stale-tenant",
        "searches of --tenant miss every second passage, as a copy that is not kept up to date",
        lambda options: {"stale_tenant": options.tenant},
        lambda options: f"searches of tenant {options.tenant} miss every second passage",
    ),
    Fault(
        "embedding-precision",
        "questions are embedded in --precision, the passages keep the one of the index",
        lambda options: {"embedding": options.precision},
        lambda options: f"questions are embedded in {options.precision}",
    ),
    Fault(
        "embedding-words",
        "questions are embedded by their words instead of by MiniLM, the passages keep their vectors",
        lambda _: {"embedding": WORDS},
        lambda _: "questions are embedded by their words, passages by MiniLM",
    ),
    Fault(
        "context-cut",
        "the model gets one passage of at most 80 characters",
        lambda _: {"context_passages": 1, "context_chars": 80},
        lambda _: "the model gets one passage, cut to 80 characters",
    ),
)
"""Harms that need nothing but the app."""


class ModelSwapped(Harm):
    """Another model answers."""

    name = "model-swapped"
    about = "another model answers: the one of --model-url, else an extractive one that is started for it"

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None

    def prepare(self, context: Context) -> dict[str, Any]:
        """Choose the endpoint; a server of its own gets a free port."""
        options = context.options
        if options.model_url:
            return {"url": options.model_url, "model": options.model_name}
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        return {"url": f"http://127.0.0.1:{port}/v1", "model": "extractive-v1", "port": port}

    def begin(self, context: Context, undo: dict[str, Any]) -> str:
        """Start the other model where none was named, and let the app ask it."""
        if "port" in undo:
            self._start(context, undo)
        context.put_faults(model_url=undo["url"], model_name=undo["model"])
        return f"{undo['model']} at {undo['url']} answers instead of {context.settings.chat_model}"

    def _start(self, context: Context, undo: dict[str, Any]) -> None:
        env = {**os.environ, "SIGHTLINE_MODEL": "extractive", "SIGHTLINE_MODEL_HOST": "127.0.0.1"}
        env |= {"SIGHTLINE_MODEL_PORT": str(undo["port"]), "SIGHTLINE_MODEL_API_KEY": context.settings.model_api_key}
        for name in ("SIGHTLINE_MODEL_FILE", "SIGHTLINE_MODEL_SHA256", "SIGHTLINE_MODEL_NAME"):
            env.pop(name, None)
        command = [sys.executable, "-m", "sightline_app.model_server"]
        # In a session of its own: Ctrl-C ends it only when the app has another model again.
        child = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, start_new_session=True)
        self._child = child
        deadline = time.monotonic() + _MODEL_START_S
        while child.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"http://127.0.0.1:{undo['port']}/healthz").is_success:
                    return
            time.sleep(0.1)
        raise ChaosRefused("the other model did not start; its own lines above say why")

    def undo(self, context: Context, undo: dict[str, Any]) -> None:
        """Let the app ask its own model, and end the other one."""
        context.end_faults()
        if "port" in undo and (found := Process.listening(undo["port"], ("python", "sightline"))) is not None:
            found.send(signal.SIGTERM)
        if self._child is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(_MODEL_STOP_S)
            self._child.kill()
            self._child.wait()
            self._child = None

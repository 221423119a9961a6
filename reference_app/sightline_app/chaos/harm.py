"""What a harm is for the command that does it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from sightline_app.chaos.faults import KEY_FIELD, MOST_S, PATH
from sightline_app.chaos.journal import ChaosRefused
from sightline_app.settings import AppSettings

_TIMEOUT_S = 120.0
"""For the app to build a pipeline with another embedding."""


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    for_s: float
    """How long the harm lasts, in seconds."""
    tenant: str
    """Whose documents or searches are harmed."""
    delay_s: float
    """How much longer a search takes, in seconds."""
    share: float
    """Of the passages that are deleted, 0 to 1."""
    rate: float
    """Requests a second of a burst."""
    precision: str
    """Of the embedding that takes the place of the index's."""
    model_url: str
    """Endpoint of the model that takes the place of the app's; empty for one that is started."""
    model_name: str


@dataclass(frozen=True)
class Context:
    """What harms work with."""

    settings: AppSettings
    options: Options
    url: str
    """Address of the app."""
    folder: Path
    """For what is put aside."""

    def app(self, *, as_tenant: bool = False) -> httpx.Client:
        """Return a client of the app, with the keys that the settings hold."""
        headers = {KEY_FIELD: self.settings.chaos.secret_key or ""}
        if self.settings.limits.ask_api_key:
            headers["authorization"] = f"Bearer {self.settings.limits.ask_api_key}"
        if as_tenant:
            headers["x-tenant-id"] = self.options.tenant
        return httpx.Client(base_url=self.url, headers=headers, timeout=_TIMEOUT_S)

    def put_faults(self, **faults: Any) -> None:
        """Ask the app to serve with faults, until shortly after the time of the harm.

        Raises:
            ChaosRefused: it refused, or is not there.
        """
        if not self.settings.chaos.secret_key:
            raise ChaosRefused("set SIGHTLINE_APP_CHAOS_KEY, for the app and for this command, to the same secret")
        with self.app() as app:
            sent(app, "PUT", PATH, json={**faults, "for_s": min(MOST_S, self.options.for_s + 5)})

    def end_faults(self) -> None:
        """Ask the app to serve without faults. One that is gone, or was started again without the route, serves none.

        Raises:
            ChaosRefused: it refused, or did not answer.
        """
        with self.app() as app, contextlib.suppress(AppGone):
            sent(app, "DELETE", PATH, accepted=(404,))


class AppGone(ChaosRefused):
    """Nothing listens where the app was."""


class Harm:
    """One way to break a running app; undoing twice, or what was not begun, does no harm."""

    name: str
    about: str
    """One line for `chaos list`."""

    def prepare(self, context: Context) -> dict[str, Any]:
        """Look whether it can be done and put aside what undoing needs, without harming anything.

        Returns:
            JSON for the journal.

        Raises:
            ChaosRefused: it cannot be done here.
        """
        del context
        return {}

    def begin(self, context: Context, undo: dict[str, Any]) -> str:
        """Do it, and return a sentence about what was done.

        Raises:
            ChaosRefused: it was refused.
        """
        raise NotImplementedError

    def hold(self, context: Context, stop: threading.Event) -> None:
        """Let it last, until its time is over or somebody ends it."""
        stop.wait(context.options.for_s)

    def undo(self, context: Context, undo: dict[str, Any]) -> None:
        """End it.

        Raises:
            ChaosRefused: it could not be ended; it can be tried again.
        """
        raise NotImplementedError


def sent(
    client: httpx.Client, method: str, path: str, *, accepted: Collection[int] = (), **request: Any
) -> httpx.Response:
    """Send a request to the app, and return its response.

    Args:
        client: of the app.
        method: of HTTP.
        path: of the route.
        accepted: codes of 400 and above that are no refusal.
        request: as `httpx.Client.request` takes it.

    Raises:
        AppGone: no connection.
        ChaosRefused: no response, or a refusal.
    """
    try:
        answer = client.request(method, path, **request)
    except httpx.ConnectError as exc:
        raise AppGone(f"nothing listens at {client.base_url}: {exc}") from exc
    except httpx.HTTPError as exc:
        raise ChaosRefused(f"the app at {client.base_url} did not answer: {str(exc) or type(exc).__name__}") from exc
    if answer.status_code in accepted:
        return answer
    if answer.status_code == 404 and path == PATH:
        raise ChaosRefused(f"the app at {client.base_url} was started without SIGHTLINE_APP_CHAOS_KEY")
    if answer.status_code >= 400:
        raise ChaosRefused(f"the app answered {answer.status_code}: {_message(answer)}")
    return answer


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]

"""What `/readyz` says of two models, of which one may stand in for the other."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from sightline_app.api.readiness import Readiness
from sightline_app.limits.ledgers import ProcessLedger
from sightline_app.limits.limiter import Limiter
from sightline_app.settings import AppSettings, RouteSettings


class Retriever:
    """A vector store that answers."""

    backend = "weaviate"

    async def ready(self) -> bool:
        """It does."""
        return True


async def report(monkeypatch: pytest.MonkeyPatch, away: str, **routing: Any) -> tuple[bool, dict[str, Any]]:
    """What is said while the models of some hosts are away."""

    async def get(client: httpx.AsyncClient, url: str, **options: Any) -> httpx.Response:
        if httpx.URL(url).host in away.split():
            raise httpx.ConnectError("no connection")
        assert options["headers"] == {"authorization": f"Bearer key-of-{httpx.URL(url).host}"}
        return httpx.Response(200)

    monkeypatch.setattr(httpx.AsyncClient, "get", get)
    route = {"large_model": "m-large", "large_base_url": "http://large/v1", "large_api_key": "key-of-large", **routing}
    settings = AppSettings(
        model_base_url="http://small/v1",
        model_api_key="key-of-small",
        chat_model="m-small",
        route=RouteSettings(**route),
    )
    limiter = Limiter(ProcessLedger(60), admits_when_away=True)
    documents: Any = SimpleNamespace(failure="", waiting=0)
    readiness = Readiness(settings, None, limiter, documents, asks_keys=False)
    pipeline: Any = SimpleNamespace(retriever=Retriever())
    is_ready, told = await readiness.report(pipeline)
    await readiness.close()
    return is_ready, told["parts"]


async def test_both_models_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with its own address and key asked; where there is one model only, one is named."""
    is_ready, parts = await report(monkeypatch, "")
    assert is_ready
    assert (parts["model"]["detail"], parts["large_model"]["detail"]) == ("m-small", "m-large")
    _, parts = await report(monkeypatch, "", large_model=None, large_base_url=None, large_api_key=None)
    assert "large_model" not in parts


@pytest.mark.parametrize(
    ("away", "routing", "is_ready"),
    [
        ("small", {}, True),
        ("large", {}, True),
        ("small large", {}, False),
        ("small", {"fallback": False}, False),
        ("large", {"fallback": False}, True),
        ("large", {"fallback": False, "rule": "large"}, False),
        ("small", {"fallback": False, "rule": "large"}, True),
    ],
)
async def test_app_is_ready_while_some_question_can_be_answered(
    monkeypatch: pytest.MonkeyPatch, away: str, routing: dict[str, Any], is_ready: bool
) -> None:
    """With fallback one model is enough; the one that is away is named with its setting, and without its address."""
    found, parts = await report(monkeypatch, away, **routing)
    assert found is is_ready
    for name, host, variable in (
        ("model", "small", "OPENAI_BASE_URL"),
        ("large_model", "large", "SIGHTLINE_APP_LARGE_MODEL_BASE_URL"),
    ):
        assert parts[name]["ready"] is (host not in away)
        assert (variable in parts[name]["detail"]) is (host in away)
        assert "http" not in parts[name]["detail"]

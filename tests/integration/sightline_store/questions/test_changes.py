"""What changed in the traffic and when, asked of a real store."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
import queries_traffic
from questioned_store import END

from sightline_store.client import Client
from sightline_store.questions import changes

START, DEPLOYED = END - timedelta(hours=2), END - timedelta(minutes=50)


@pytest.fixture
def client(emptied: Callable[..., Client]) -> Client:
    """A store with two hours of traffic, in which a version, an index, an embedding and a model change together.

    Something is broken on purpose at that moment.
    """
    client = emptied()
    spans = []
    for traffic in queries_traffic.Generator(11).stretch(80, END, END - START):
        is_new = traffic.spans[0]["Timestamp"] >= DEPLOYED.strftime("%Y-%m-%d %H:%M:%S")
        for span in traffic.spans:
            attributes = span["SpanAttributes"]
            for key in [key for key in attributes if key.endswith(("request.model", "response.model"))]:
                attributes[key] = "model-b" if is_new else "model-a"
            if is_new:
                span["ResourceAttributes"]["service.version"] = "0.2.0"
                for key in attributes.keys() & {"sightline.index.version", "sightline.embedding.version"}:
                    attributes[key] = "v9"
            spans.append(span)
    queries_traffic.insert(client.settings.url, "otel_traces", spans, client.settings.database)
    told = json.dumps({"sentence": "each search takes 2 s longer", "phase": "begin"})
    harm = {"Name": "mark.chaos", "Label": "slow-search", "Value": 1, "Explanation": told}
    at = DEPLOYED.strftime("%Y-%m-%d %H:%M:%S")
    queries_traffic.insert(client.settings.url, "scores", [{"Timestamp": at, **harm}], client.settings.database)
    return client


def test_a_deploy_and_what_it_brought_are_told(client: Client) -> None:
    """From what to what, of what, and when: at the first request that shows it."""
    found = {each["kind"]: each for each in changes.changes(client, START, END)}
    assert set(found) == set(changes.KINDS)
    assert (found["service"]["subject"], found["service"]["was"], found["service"]["value"]) == (
        "rag-api", "0.1.0", "0.2.0",
    )  # fmt: skip
    assert (found["index"]["was"], found["index"]["value"]) == ("2026-11-20", "v9")
    assert (found["embedding"]["was"], found["embedding"]["value"]) == ("lexical v3", "lexical v9")
    assert (found["model"]["was"], found["model"]["value"]) == ("model-a", "model-b")
    assert (found["harm"]["subject"], found["harm"]["value"]) == ("slow-search", "each search takes 2 s longer")
    deployed_ms = DEPLOYED.timestamp() * 1000
    for change in found.values():
        assert 0 <= change["at_ms"] - deployed_ms < timedelta(minutes=10).total_seconds() * 1000


def test_what_was_before_the_window_is_known(client: Client) -> None:
    """A window that begins with the deploy has it; one that begins later has none."""
    assert {each["kind"] for each in changes.changes(client, DEPLOYED, END)} == set(changes.KINDS)
    assert changes.changes(client, END - timedelta(minutes=30), END) == []
    assert changes.changes(client, START - timedelta(days=30), START - timedelta(days=20)) == []

"""What protobuf reads, ClickHouse reads alike: every spelling of a request that is accepted, on the real engine."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import otlp_differential
import pytest
from otlp_spellings import KNOWN

from sightline_collector.request import otlp
from sightline_collector.spool import record
from sightline_store import ingest, sampling
from sightline_store.client import Client
from sightline_store.ingest import Signal

_CASES, _SEED = 3000, 20261129


@pytest.fixture(scope="module")
def client(emptied: Callable[..., Client]) -> Client:
    """A client of tables without rows."""
    return emptied()


def test_engine_reads_what_protobuf_reads(client: Client) -> None:
    """Some thousand requests in odd spellings and damaged: each is refused, or every value of it is protobuf's."""
    outcome = otlp_differential.run(client, otlp_differential.requests(_CASES, _SEED))
    assert outcome.disagreements == [], "\n".join(map(str, outcome.disagreements[:5]))
    assert min(outcome.fates[fate] for fate in ("as it came", "rewritten", "foreign", "unreadable")) > _CASES / 50


def test_known_spellings_are_read_alike(client: Client) -> None:
    """Each spelling that was found to be read in two ways, and its harmless neighbours: accepted, and read alike."""
    names = {body: name for name, (_, body) in KNOWN.items()}
    outcome = otlp_differential.run(client, [(Signal(signal), body) for signal, body in KNOWN.values()])
    assert {names.get(each.body, "several"): each.how for each in outcome.disagreements} == {}
    assert outcome.fates["as it came"] + outcome.fates["rewritten"] == len(KNOWN)


def test_disagreement_is_seen(client: Client) -> None:
    """Without the check the comparison finds spellings that the engine cannot read and such that it reads otherwise."""
    found = {}
    for name in ("value_text_and_number", "name_twice"):
        signal, body = KNOWN[name]
        outcome = otlp_differential.run(client, [(Signal(signal), body)], lambda _, body: otlp.Checked(body, 1))
        found[name] = "".join(each.how for each in outcome.disagreements)
    assert "cannot read" in found["value_text_and_number"]
    assert "'second', the engine has ''" in found["name_twice"]


def test_sender_cannot_write_a_verdict(client: Client) -> None:
    """The field in which a segment's verdict travels is a number like others to a sender: a segment stays readable."""
    payload = otlp.check(Signal.TRACES, KNOWN["verdict_that_is_none"][1]).payload
    records = record.encode(payload) + record.encode(sampling.keep_all().message)
    (before,) = client.query_rows("SELECT count() AS n FROM otel_traces")
    ingest.insert_sampled_traces(client, records, f"verdict-{secrets.token_hex(4)}")
    (after,) = client.query_rows("SELECT count() AS n FROM otel_traces")
    assert after["n"] == before["n"] + 1

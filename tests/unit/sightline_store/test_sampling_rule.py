"""Tail sampling without a store: the rule, what goes behind a segment, and views that must say the same twice."""

from __future__ import annotations

import re

import pytest

from sightline_store import sampling
from sightline_store.schema import migrate

_RULE = sampling.Rule(share=0.25, slow_s=1.5, salt="s")


def _statements() -> dict[str, str]:
    """Every statement of sql/ddl by the name of what it creates."""
    found = {}
    for migration in migrate.migrations():
        for statement in migration.statements:
            created = re.match(r"CREATE (?:MATERIALIZED )?\w+ IF NOT EXISTS (\w+)", statement)
            if created:
                found[created[1]] = statement
    return found


@pytest.mark.parametrize(
    ("share", "below", "weight"),
    [(0.0, 0, "1"), (0.1, 2**64 // 10, "10"), (0.25, 2**62, "4"), (1.0, 2**64 - 1, "1")],
)
def test_share_becomes_a_bound_and_a_weight(share: float, below: int, weight: str) -> None:
    """The bound is that share of all hashes, the weight its inverse; where nothing stands for others it is 1."""
    rule = sampling.Rule(share=share, slow_s=1, salt="")
    assert abs(rule.below - below) < 2**12
    assert rule.weight == weight


@pytest.mark.parametrize("share", [0.3, 1 / 3, 0.001, 0.999999])
def test_weight_is_the_inverse_of_the_share(share: float) -> None:
    """As text it is good to the last digits of a double, so that sums of it do not drift."""
    assert float(sampling.Rule(share=share, slow_s=1, salt="").weight) * share == pytest.approx(1, rel=1e-14)


def test_messages_are_protobuf() -> None:
    """Field 2046 holds the fields of sql/otlp_sampled.proto, spelled as Protobuf spells them."""
    assert sampling.note_message("seg", _RULE) == b"\xf2\x7f\x0b\x0a\x03seg\x10\x80\xde\xa0\xcb\x05"
    assert sampling.keep_all().message == b"\xf2\x7f\x0e\x28" + b"\xff" * 9 + b"\x01\x32\x011"
    assert sampling.keep_all().sampled_out == 0


def test_every_view_of_otel_traces_has_its_twin_of_spans_that_are_sampled_out() -> None:
    """The same SELECT into the same table: a typed table that lacked one would count kept spans only."""
    views = {name: text for name, text in _statements().items() if text.startswith("CREATE MATERIALIZED VIEW")}
    originals = {name: text for name, text in views.items() if re.search(r"\bFROM otel_traces\b", text)}
    assert len(originals) >= 3
    for name, text in originals.items():
        twin = name.replace("otel_traces", "otel_traces_sampled_out", 1)
        expected = text.replace(f"EXISTS {name} TO", f"EXISTS {twin} TO")
        assert views.get(twin) == re.sub(r"\bFROM otel_traces\b", "FROM otel_traces_sampled_out", expected), name


@pytest.mark.parametrize(
    ("name", "twin"),
    [
        ("otlp_traces_to_otel_traces", "otlp_traces_sampled_to_otel_traces_decided"),
        ("otlp_traces_to_clamped_spans", "otlp_traces_sampled_to_clamped_spans"),
    ],
)
def test_every_view_of_otlp_traces_has_its_twin_of_sampled_segments(name: str, twin: str) -> None:
    """Spans have the same shape whichever way they come; only the verdict is added."""
    statements = _statements()
    assert {known for known, text in statements.items() if re.search(r"\bFROM otlp_traces\b(?!_)", text)} >= {name}
    body, added = (statements[each].split(" AS\n", 1)[1] for each in (name, twin))
    added = re.sub(r"\AWITH [^\n]*\n", "", added)
    added = re.sub(r",\n    multiIf\(.*?AS Weight\n", "\n", added, flags=re.DOTALL)
    assert added == body.replace("FROM otlp_traces", "FROM otlp_traces_sampled")


def test_views_of_otlp_traces_are_the_known_ones() -> None:
    """A new one needs a twin of its own for segments that are sampled."""
    views = {name for name, text in _statements().items() if re.search(r"VIEW(?s:.)*\bFROM otlp_traces\b", text)}
    assert views == {"otlp_traces_to_otel_traces", "otlp_traces_to_clamped_spans"}

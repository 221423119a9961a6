"""Tail sampling without a store: the rule, what goes behind a segment, and views that must say the same twice."""

from __future__ import annotations

import re

import pytest

from sightline_store import sampling
from sightline_store.ddl import Kind, Statement
from sightline_store.schema import declared

_RULE = sampling.Rule(share=0.25, slow_s=1.5, salt="s")


def _views() -> dict[str, Statement]:
    """Every materialized view by its name."""
    return {name: item for name, item in declared.objects().items() if item.kind is Kind.MATERIALIZED_VIEW}


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
    views = _views()
    originals = {name: view for name, view in views.items() if view.sources() == ["otel_traces"]}
    assert len(originals) >= 3
    for name, view in originals.items():
        twin = views[name.replace("otel_traces", "otel_traces_sampled_out", 1)]
        assert twin.target == view.target
        assert twin.select == view.with_sources(lambda _: "otel_traces_sampled_out").select, name


@pytest.mark.parametrize(
    ("name", "twin"),
    [
        ("otlp_traces_to_otel_traces", "otlp_traces_sampled_to_otel_traces_decided"),
        ("otlp_traces_to_clamped_spans", "otlp_traces_sampled_to_clamped_spans"),
    ],
)
def test_every_view_of_otlp_traces_has_its_twin_of_sampled_segments(name: str, twin: str) -> None:
    """Spans have the same shape whichever way they come; only the verdict is added."""
    views = _views()
    added = re.sub(r"\AWITH [^\n]*\n", "", views[twin].select)
    added = re.sub(r",\n    multiIf\(.*?AS Weight\n", "\n", added, flags=re.DOTALL)
    assert added == views[name].with_sources(lambda _: "otlp_traces_sampled").select


def test_views_of_otlp_traces_are_the_known_ones() -> None:
    """A new one needs a twin of its own for segments that are sampled."""
    views = {name for name, view in _views().items() if "otlp_traces" in view.sources()}
    assert views == {"otlp_traces_to_otel_traces", "otlp_traces_to_clamped_spans"}

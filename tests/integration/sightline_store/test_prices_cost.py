"""Cost as the store's SQL has it, against costs worked out by hand and against the price package's arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from genai_prices import Usage, data_snapshot
from store_rows import insert

from sightline_store.client import Client
from sightline_store.errors import PricesFileError
from sightline_store.prices import model_prices
from sightline_store.questions import asking, queries, request_lists

NOON = "2026-03-01 12:00:00"


@pytest.fixture
def client(emptied: Callable[..., Client]) -> Client:
    """A client of tables without rows."""
    return emptied()


def call(
    name: str, provider: str, model: str, tokens: tuple[int | None, int | None], *, at: str = NOON, **more: Any
) -> dict[str, Any]:
    """A row of llm_calls."""
    columns = {
        "cache_read": "CacheReadTokens",
        "cache_write": "CacheWriteTokens",
        "reasoning": "ReasoningTokens",
        "priced_as": "PricedAs",
        "requested": "RequestModel",
    }
    return {
        "Timestamp": at,
        "SpanId": name,
        "TraceId": name,
        "Operation": "chat",
        "Provider": provider,
        "ResponseModel": model,
        "InputTokens": tokens[0],
        "OutputTokens": tokens[1],
        **{columns.get(key, key): value for key, value in more.items()},
    }


def costs(client: Client) -> dict[str, float | None]:
    """The cost of every call by the name that it was given."""
    return {row["SpanId"]: row["CostUsd"] for row in client.query_rows("SELECT SpanId, CostUsd FROM llm_calls_priced")}


@dataclass(frozen=True)
class Listed:
    """A model with its listed prices, USD per million tokens, copied by hand from the providers' lists."""

    provider: str
    model: str
    input: str
    output: str
    cache_read: str = ""
    cache_write: str = ""


# One model a way of pricing; the same model at several addresses.
LISTED = (
    Listed("openai", "gpt-4o-mini", "0.15", "0.60", "0.075"),
    Listed("openai", "gpt-4o-2024-08-06", "2.50", "10", "1.25"),
    Listed("openai", "o3", "2", "8", "0.5"),
    Listed("azure.ai.openai", "gpt-4o", "2.50", "10", "1.25"),
    Listed("az.ai.openai", "gpt-4o", "2.50", "10", "1.25"),
    Listed("anthropic", "claude-3-5-sonnet-20241022", "3", "15", "0.30", "3.75"),
    Listed("aws.bedrock", "us.anthropic.claude-3-5-sonnet-20241022-v2:0", "3", "15", "0.30", "3.75"),
    Listed("aws.bedrock", "meta.llama3-1-70b-instruct-v1:0", "0.72", "0.72"),
    Listed("gcp.gemini", "gemini-2.0-flash", "0.10", "0.40", "0.025"),
    Listed("gcp.vertex_ai", "publishers/google/models/gemini-2.0-flash", "0.10", "0.40", "0.025"),
    Listed("mistral_ai", "mistral-large-latest", "2", "6"),
    Listed("x_ai", "grok-3", "3", "15", "0.75"),
    Listed("cohere", "command-r-plus", "2.50", "10"),
    Listed("groq", "llama-3.3-70b-versatile", "0.59", "0.79"),
)
USAGES: dict[str, dict[str, int]] = {
    "plain": {},
    "cache_read": {"cache_read": 8_192},
    "cache_write": {"cache_write": 1_111},
    "both": {"cache_read": 7_001, "cache_write": 1_999},
    "all_cached": {"cache_read": 10_007},
    "reasoning": {"reasoning": 400},
    "everything": {"cache_read": 3_333, "cache_write": 2_222, "reasoning": 1_003},
    "nothing_cached": {"cache_read": 0, "cache_write": 0, "reasoning": 0},
}
INPUT, OUTPUT = 10_007, 1_003


def by_hand(listed: Listed, usage: dict[str, int]) -> Decimal:
    """Cache tokens are inside input and cost their price, or what input costs; reasoning is inside output."""
    read, write = usage.get("cache_read", 0), usage.get("cache_write", 0)
    per_million = (
        (INPUT - read - write) * Decimal(listed.input)
        + read * Decimal(listed.cache_read or listed.input)
        + write * Decimal(listed.cache_write or listed.input)
        + OUTPUT * Decimal(listed.output)
    )
    return per_million / 1_000_000


def test_every_provider_and_usage_costs_what_was_worked_out_by_hand(client: Client) -> None:
    """Provider by cache and reasoning, each exact to 1e-9 USD through the store's own SQL."""
    expected, rows = {}, []
    for number, listed in enumerate(LISTED):
        for name, usage in USAGES.items():
            key = f"{number}/{name}"
            expected[key] = by_hand(listed, usage)
            rows.append(call(key, listed.provider, listed.model, (INPUT, OUTPUT), **dict[str, Any](usage)))
    insert(client, "llm_calls", rows)
    assert len(model_prices.refresh(client)) == len(LISTED)
    told = costs(client)
    assert len(told) == len(LISTED) * len(USAGES) == 112
    for key, cost in expected.items():
        assert told[key] == pytest.approx(float(cost), abs=1e-9, rel=0), key


def test_tiers_dates_and_hours(client: Client) -> None:
    """A tier holds for all tokens above its threshold; a price from its date, an hourly one in its hours."""
    rows = [
        call("at", "gcp.gemini", "gemini-2.5-pro", tokens=(200_000, 1_000)),
        call("above", "gcp.gemini", "gemini-2.5-pro", tokens=(200_001, 1_000), cache_read=100_000),
        call("old", "openai", "o3", tokens=(1_000_000, 1_000_000), at="2025-06-09 23:59:59"),
        call("new", "openai", "o3", tokens=(1_000_000, 1_000_000), at="2025-06-10 00:00:00"),
        call("night", "deepseek", "deepseek-chat", tokens=(1_000_000, 1_000_000), at="2026-03-01 00:29:59"),
        call("day", "deepseek", "deepseek-chat", tokens=(1_000_000, 1_000_000), at="2026-03-01 00:30:00"),
        call("end", "deepseek", "deepseek-chat", tokens=(1_000_000, 1_000_000), at="2026-03-01 16:30:00"),
    ]
    insert(client, "llm_calls", rows)
    model_prices.refresh(client)
    told = costs(client)
    assert told["at"] == pytest.approx(0.2 * 1.25 + 0.001 * 10, abs=1e-9)
    assert told["above"] == pytest.approx(0.100001 * 2.5 + 0.1 * 0.25 + 0.001 * 15, abs=1e-9)
    assert told["old"] == pytest.approx(50)
    assert told["new"] == pytest.approx(10)
    assert told["night"] == told["end"] == pytest.approx(0.135 + 0.55, abs=1e-9)
    assert told["day"] == pytest.approx(0.27 + 1.1, abs=1e-9)


def test_kinds_of_tokens_and_service_tiers(client: Client) -> None:
    """The hour's cache writes, spoken tokens and service tiers have their own prices; embeddings are priced too."""
    rows = [
        call("5m", "anthropic", "claude-3-5-sonnet-latest", (10_000, 0), cache_write=4_000),
        call("1h", "anthropic", "claude-3-5-sonnet-latest", (10_000, 0), cache_write=4_000, CacheWrite1hTokens=1_500),
        call("spoken", "gcp.gemini", "gemini-2.0-flash", (10_000, 100), InputAudioTokens=4_000, cache_read=1_000),
        call("spoken to text", "mistral_ai", "mistral-large-latest", (10_000, 100), InputAudioTokens=4_000),
        call("priority", "openai", "gpt-4.1", (1_000_000, 0), at="2026-10-20 00:00:00", ServiceTier="Priority"),
        call("priority, before", "openai", "gpt-4.1", (1_000_000, 0), ServiceTier="priority"),
        call("default", "openai", "gpt-4.1", (1_000_000, 0), ServiceTier="default"),
        call("request", "perplexity", "sonar", (1_000_000, 1_000_000)),
    ]
    insert(client, "llm_calls", rows)
    embedded = {"Timestamp": NOON, "TraceId": "t", "Provider": "openai", "InputTokens": 1_000_000}
    insert(
        client,
        "embeddings",
        [
            {**embedded, "SpanId": "large", "RequestModel": "text-embedding-3-large"},
            {**embedded, "SpanId": "house", "RequestModel": "our-embedding"},
        ],
    )
    model_prices.refresh(client)
    told = costs(client)
    assert told["5m"] == pytest.approx((6_000 * 3 + 4_000 * 3.75) / 1e6, abs=1e-9)
    assert told["1h"] == pytest.approx((6_000 * 3 + 2_500 * 3.75 + 1_500 * 6) / 1e6, abs=1e-9)
    assert told["spoken"] == pytest.approx((5_000 * 0.1 + 1_000 * 0.025 + 4_000 * 0.7 + 100 * 0.4) / 1e6, abs=1e-9)
    assert told["spoken to text"] == pytest.approx((10_000 * 2 + 100 * 6) / 1e6, abs=1e-9)
    assert (told["priority"], told["priority, before"], told["default"]) == (3.5, None, 2.0)
    assert told["request"] == pytest.approx(1 + 1 + 0.012, abs=1e-9)
    asked = client.query_rows("SELECT SpanId, CostUsd, CostUnknown FROM embeddings_priced")
    embeddings = {row["SpanId"]: (row["CostUsd"], row["CostUnknown"]) for row in asked}
    assert embeddings == {"large": (pytest.approx(0.13), ""), "house": (None, "no price is known")}
    day = datetime(2026, 3, 1, tzinfo=UTC)
    spent = queries.embedding_spend(client, asking.Filters(start=day, end=day + timedelta(days=1)))
    assert [(row["name"], row["cost_usd"]) for row in spent] == [
        ("text-embedding-3-large", pytest.approx(0.13)),
        ("our-embedding", None),
    ]


def test_unknown_is_null_with_its_reason_and_zero_is_zero(client: Client) -> None:
    """No price, no tokens, half a price: unknown and why. A free model costs 0, and so do no tokens."""
    own = [("free", 0, 0), ("input-only", 1, None)]
    rows = [
        call("unknown", "house", "mystery", tokens=(10, 10)),
        call("untold", "openai", "gpt-4o", tokens=(None, 10)),
        call("half", "openai", "gpt-4o", tokens=(10, None)),
        call("zero", "openai", "gpt-4o", tokens=(0, 0)),
        call("unknown-zero", "house", "mystery", tokens=(0, 0)),
        call("free", "house", "free", tokens=(10, 10)),
        call("no-output", "house", "input-only", tokens=(1_000_000, 0)),
        call("part", "house", "input-only", tokens=(10, 10)),
        call("as", "local", "small", tokens=(1_000_000, 0), priced_as="openai/gpt-4o-mini"),
        call("requested", "openai", "", tokens=(1_000_000, 0), requested="gpt-4o-mini"),
        call("before", "house", "dated", tokens=(10, 10), at="2025-12-31 23:59:59"),
        call("over", "openai", "gpt-4o", tokens=(10, 0), cache_read=25),
    ]
    insert(client, "llm_calls", rows)
    insert(
        client,
        "model_prices",
        [
            {
                "PriceKey": f"house/{name}",
                "ValidFrom": "1970-01-01 00:00:00",
                "InputUsdPerMtok": i,
                "OutputUsdPerMtok": o,
            }
            for name, i, o in own
        ]
        + [
            {"PriceKey": "house/dated", "ValidFrom": "2026-01-01 00:00:00", "InputUsdPerMtok": 1, "OutputUsdPerMtok": 1}
        ],
    )
    assert model_prices.refresh(client) == ["openai/gpt-4o", "openai/gpt-4o-mini"]
    asked = client.query_rows("SELECT SpanId, CostUsd, CostUnknown FROM llm_calls_priced")
    told = {row["SpanId"]: (row["CostUsd"], row["CostUnknown"]) for row in asked}
    assert told["unknown"] == told["unknown-zero"] == told["before"] == (None, "no price is known")
    assert told["untold"] == told["half"] == (None, "the number of tokens is unknown")
    assert told["part"] == (None, "a part has no price")
    assert told["zero"] == told["free"] == (0.0, "")
    assert told["no-output"] == (1.0, "")
    assert told["as"] == told["requested"] == (pytest.approx(0.15), "")
    # More tokens from the cache than there were: what was read is paid, input is never negative.
    assert told["over"] == (pytest.approx(25 * 1.25e-6, abs=1e-12), "")
    listed = {row["price_key"]: row for row in queries.price_list(client)}
    assert not listed["house/mystery"]["known"]
    assert listed["openai/gpt-4o"]["input"] == 2.5
    assert listed["openai/gpt-4o"]["calls"] == 4
    assert listed["house/free"]["known"]


def test_a_cost_says_what_it_is(client: Client) -> None:
    """Computed, local compute, or reported where it cannot be computed; a difference of more than 1 % shows."""
    rows = [
        call("computed", "openai", "gpt-4o", tokens=(1_000_000, 0), ToldCostUsd=2.52),
        call("differs", "openai", "gpt-4o", tokens=(1_000_000, 0), ToldCostUsd=2.0),
        call("reported", "house", "mystery", tokens=(10, 10), ToldCostUsd=0.25),
        call("reported, no tokens", "openai", "gpt-4o", tokens=(None, None), ToldCostUsd=0.5),
        call("unknown", "house", "mystery", tokens=(10, 10)),
        call("local", "ollama", "llama3:latest", tokens=(10, 10), DurationMs=2_000, ToldCostUsd=9.0),
        call("local, no tokens", "", "lexical", tokens=(None, None), DurationMs=500),
    ]
    insert(client, "llm_calls", rows)
    text = {"Timestamp": NOON, "TraceId": "t", "DurationMs": 1_000}
    insert(
        client,
        "embeddings",
        [
            {**text, "SpanId": "lexical", "RequestModel": "lexical"},
            {**text, "SpanId": "house", "Provider": "house", "RequestModel": "ours", "ToldCostUsd": 0.125},
        ],
    )
    with_price = Client(replace(client.settings, local_usd_per_s=0.01))
    for asked, second in ((client, 0.0), (with_price, 0.01)):
        model_prices.refresh(asked)
        columns = "SpanId, CostUsd, CostBasis, CostUnknown, CostDiffers"
        stored = {row["SpanId"]: row for row in client.query_rows(f"SELECT {columns} FROM llm_calls_priced")}
        stored |= {row["SpanId"]: row for row in client.query_rows(f"SELECT {columns} FROM embeddings_priced")}
        assert {name: tuple(row.values())[1:] for name, row in stored.items()} == {
            "computed": (2.5, "computed", "", False),
            "differs": (2.5, "computed", "", True),
            "reported": (0.25, "reported", "", False),
            "reported, no tokens": (0.5, "reported", "", False),
            "unknown": (None, "", "no price is known", False),
            "local": (pytest.approx(2 * second), "local", "", False),
            "local, no tokens": (pytest.approx(0.5 * second), "local", "", False),
            "lexical": (pytest.approx(second), "local", "", False),
            "house": (0.125, "reported", "", False),
        }
    with_price.close()
    day = datetime(2026, 3, 1, tzinfo=UTC)
    filters = asking.Filters(start=day, end=day + timedelta(days=1))
    spent = {row["name"]: row for row in queries.spend_by(client, filters)}
    assert (spent["gpt-4o"]["differing_calls"], spent["gpt-4o"]["reported_calls"]) == (1, 1)
    assert (spent["gpt-4o"]["differing_reported_usd"], spent["gpt-4o"]["differing_computed_usd"]) == (2.0, 2.5)
    assert (spent["mystery"]["unpriced_calls"], spent["mystery"]["reported_calls"]) == (1, 1)
    assert spent["llama3:latest"]["local_calls"] == 1
    embedded = {row["name"]: row for row in queries.embedding_spend(client, filters)}
    assert (embedded["lexical"]["local_calls"], embedded["ours"]["reported_calls"]) == (1, 1)


def test_without_any_price_and_far_from_now_calls_are_told(client: Client) -> None:
    """Before the first look-up no cost is known; moments that 32 bits do not hold fail no question."""
    rows = [call(at, "openai", "gpt-4o", tokens=(10, 10), at=at) for at in (NOON, "1960-05-01", "2150-05-01")]
    insert(client, "llm_calls", rows)
    asked = client.query_rows("SELECT CostUsd, CostUnknown FROM llm_calls_priced")
    assert [(row["CostUsd"], row["CostUnknown"]) for row in asked] == [(None, "no price is known")] * 3
    model_prices.refresh(client)
    assert costs(client)[NOON] == pytest.approx(10 * 2.5e-6 + 10 * 10e-6, abs=1e-12)


def test_the_dearest_requests_are_those_of_the_window(client: Client) -> None:
    """Dearer requests before and after the window, of another tenant, and calls of no request take no place."""
    start, end = datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2026, 3, 1, 16, tzinfo=UTC)
    told = {"early": "11:59:30", "cheap": "12:30:00", "dear": "14:00:00", "unknown": "15:00:00", "late": "16:00:30"}
    requests, calls = [], []
    for name, at in told.items():
        moment, tokens = f"2026-03-01 {at}", {"cheap": 10, "dear": 1_000, "unknown": 5}.get(name, 900_000)
        for copy in range(120 if name in {"early", "late"} else 1):
            trace = {"TraceId": f"{name}-{copy}", "SpanId": f"{name}-{copy}", "Timestamp": moment}
            requests.append({**trace, "Tenant": "acme" if name == "cheap" else "globex", "DurationMs": 90_000})
            calls.append(call(f"{name}-{copy}", "house" if name == "unknown" else "openai", "gpt-4o", (tokens, 0)))
            calls[-1]["Timestamp"] = (datetime.fromisoformat(moment) + timedelta(minutes=1)).isoformat(
                sep=" "
            )  # those of "early" are inside
    for copy in range(300):
        calls.append(call(f"orphan-{copy}", "openai", "gpt-4o", (900_000, 0)))
        calls[-1]["Timestamp"] = "2026-03-01 14:30:00"
    insert(client, "requests", requests)
    insert(client, "llm_calls", calls)
    model_prices.refresh(client)

    def listed(**more: Any) -> list[tuple[str, Any]]:
        filters = asking.Filters(start=start, end=end, tenant=more.pop("tenant", ""))
        rows = request_lists.traces(client, filters, sort="cost", **more)
        return [(row["trace_id"], row["cost_usd"]) for row in rows]

    dear, cheap = ("dear-0", pytest.approx(0.0025)), ("cheap-0", pytest.approx(0.000025))
    assert listed() == [dear, cheap, ("unknown-0", None)]  # unknown costs come last
    assert listed(descending=False) == [cheap, dear, ("unknown-0", None)]
    assert listed(limit=1, offset=1) == [cheap]
    assert listed(tenant="acme") == [cheap]


def test_correction_reprices_history(client: Client, tmp_path: Path) -> None:
    """A price file that changes, or goes, prices old calls anew; hand-made rows stay; a broken file changes nothing."""
    path = tmp_path / "prices.csv"
    insert(
        client,
        "llm_calls",
        [
            call("before", "openai", "gpt-4o", tokens=(1_000_000, 0), at="2026-01-31 12:00:00"),
            call("after", "openai", "gpt-4o", tokens=(1_000_000, 0)),
            call("ours", "house", "llm", tokens=(1_000_000, 0)),
            call("hand", "house", "hand", tokens=(1_000_000, 0)),
        ],
    )
    by_hand = {"PriceKey": "house/hand", "ValidFrom": "1970-01-01 00:00:00", "InputUsdPerMtok": 7}
    insert(client, "model_prices", [by_hand])
    own = Client(replace(client.settings, prices_file=path))
    head = "provider,model,from,input,output\n"

    def refreshed(text: str | None) -> dict[str, float | None]:
        if text is not None:
            path.write_text(head + text)
        model_prices.refresh(own if text is not None else client)
        return costs(client)

    assert refreshed(None) == {"before": 2.5, "after": 2.5, "ours": None, "hand": 7.0}
    first = refreshed("openai,gpt-4o,2026-02-01,1,2\nhouse,*,,0.5,1\n")
    assert first == {"before": 2.5, "after": 1.0, "ours": 0.5, "hand": 7.0}
    # The date moves and a price goes: no row of the version before is left in force.
    assert refreshed("openai,gpt-4o,2026-03-02,1,2\n") == {"before": 2.5, "after": 2.5, "ours": None, "hand": 7.0}
    assert refreshed("openai,gpt-4o,2026-01-01,3,4\n")["before"] == 3.0
    with pytest.raises(PricesFileError, match="line 2, field input"):
        refreshed("openai,gpt-4o,,cheap,4\n")
    assert costs(client)["before"] == 3.0
    assert refreshed(None) == {"before": 2.5, "after": 2.5, "ours": None, "hand": 7.0}
    assert model_prices.refresh(client) == []
    own.close()


def test_sql_agrees_with_the_package_on_every_model_that_it_knows(client: Client) -> None:
    """Some two thousand models at three moments and sizes: the same cost as the package's own calculation."""
    snapshot, expected, rows = data_snapshot.get_snapshot(), {}, []
    usages = ((1_000, 77, 0, 0), (150_003, 2_001, 100_000, 20_000), (600_001, 9_000, 200_000, 0))
    moments = ("2024-06-01 02:00:00", "2026-01-15 12:00:00", "2026-11-01 07:30:00")
    for provider in snapshot.providers:
        for model in provider.models:
            for n, (usage, at) in enumerate(zip(usages, moments, strict=True)):
                if "'" in model.id or provider.id == "openai-decisions":
                    continue
                name = f"{provider.id}/{model.id}#{n}"
                moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
                tokens = Usage(
                    input_tokens=usage[0],
                    output_tokens=usage[1],
                    cache_read_tokens=usage[2],
                    cache_write_tokens=usage[3],
                )
                try:
                    found = snapshot.calc(tokens, model.id, provider.id, None, moment)
                except LookupError:
                    continue
                price = found.model_price
                expected[name] = (
                    None if price.input_mtok is None or price.output_mtok is None else float(found.total_price)
                )
                if provider.id == "openrouter" and model.id.endswith(":free"):
                    expected[name] = 0.0  # the package has these without prices
                more = {"cache_read": usage[2], "cache_write": usage[3]}
                rows.append(call(name, provider.id, model.id, tokens=(usage[0], usage[1]), at=at, **more))
    assert len(rows) > 6_000
    insert(client, "llm_calls", rows)
    model_prices.refresh(client)
    told = costs(client)
    wrong = {}
    for name, cost in expected.items():
        known = told[name]
        if (known is None) != (cost is None) or abs((known or 0.0) - (cost or 0.0)) > 1e-9:
            wrong[name] = (known, cost)
    assert wrong == {}
    assert sum(cost is not None for cost in expected.values()) > 5_000

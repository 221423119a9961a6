"""Names to prices: the package's rules kept, every spelling understood, the user's file read with errors that help."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from sightline_store.errors import PricesFileError
from sightline_store.prices import model_names, model_prices, price_book, prices_file
from sightline_store.prices.price_book import Rate
from sightline_store.settings import StoreSettings


def test_known_and_unknown_models() -> None:
    """A known model has dated rows, an unknown one none: unknown is never 0."""
    (row,) = model_prices.price_rows("openai/gpt-4o-mini")
    assert row[3:6] == [0.15, 0.075, None]
    assert row[8] == 0.6
    dated = model_prices.price_rows("openai/o3")
    assert [entry[3] for entry in dated] == [10.0, 2.0]
    assert dated[0][2] < dated[1][2] == datetime(2025, 6, 10, tzinfo=UTC)
    for unknown in ("nobody/knows-this", "", "/", "openai/", "openai/llama3-of-ours"):
        assert model_prices.price_rows(unknown) == []


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        ("openai", "openai"),
        ("OpenAI", "openai"),
        ("openai.chat", "openai"),
        ("openai.responses", "openai"),
        ("anthropic.messages", "anthropic"),
        ("aws.bedrock", "aws"),
        ("aws_bedrock", "aws"),
        ("amazon-bedrock", "aws"),
        ("az.ai.openai", "azure"),
        ("azure.ai.openai", "azure"),
        ("azure_openai", "azure"),
        ("azure-openai.chat", "azure"),
        ("az.ai.inference", "azure"),
        ("azure.ai.inference", "azure"),
        ("gcp.vertex_ai", "google"),
        ("gcp.gemini", "google"),
        ("gcp.gen_ai", "google"),
        ("vertex_ai", "google"),
        ("x_ai", "x-ai"),
        ("xai", "x-ai"),
        ("mistral_ai", "mistral"),
        ("moonshot_ai", "moonshotai"),
        ("deepseek", "deepseek"),
        ("together_ai", "together"),
        ("fireworks-ai", "fireworks"),
        ("huggingface_fireworks-ai", "huggingface_fireworks-ai"),
    ],
)
def test_providers_in_every_spelling(provider: str, expected: str) -> None:
    """Conventions spell a provider in their own ways; the package has one."""
    assert model_names.provider_id(provider) == expected


@pytest.mark.parametrize(
    ("key", "model"),
    [
        ("openai/gpt-4o-2024-08-06", "openai/gpt-4o"),
        ("openai/gpt-4o-mini-2024-07-18", "openai/gpt-4o-mini"),
        ("openai/openai/gpt-4o", "openai/gpt-4o"),
        ("azure.ai.openai/gpt-35-turbo", "azure/gpt-3.5-turbo"),
        ("az.ai.openai/text-embedding-3-small", "azure/text-embedding-3-small"),
        ("anthropic/claude-3-5-sonnet-20241022", "anthropic/claude-3-5-sonnet"),
        (
            "aws.bedrock/us.anthropic.claude-3-5-sonnet-20241022-v2:0",
            "aws/regional.anthropic.claude-3-5-sonnet-20241022-v2:0",
        ),
        (
            "aws.bedrock/arn:aws:bedrock:eu-west-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0",
            "aws/regional.anthropic.claude-3-haiku-20240307-v1:0",
        ),
        ("gcp.vertex_ai/publishers/google/models/gemini-2.0-flash", "google/gemini-2.0-flash"),
        ("gcp.gemini/models/gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("x_ai/grok-3", "x-ai/grok-3"),
        ("mistral_ai/mistral-large-latest", "mistral/mistral-large"),
        ("openrouter/anthropic/claude-3.5-sonnet", "openrouter/anthropic/claude-3.5-sonnet"),
        ("litellm/openai/gpt-4o", "openai/gpt-4o"),
    ],
)
def test_models_in_every_spelling(key: str, model: str) -> None:
    """Dates, regions, folders and prefixes do not hide a model."""
    assert price_book.quote(key).model == model


def test_provider_guessed_from_the_models_name_is_said() -> None:
    """A span without a provider may still have a price, with a note."""
    guessed = price_book.quote("/gpt-4o")
    assert guessed.model == "openai/gpt-4o"
    assert "guessed" in guessed.note
    assert "web searches" in guessed.note
    assert price_book.quote("/house-model").periods == ()


def test_local_compute_has_the_price_of_its_seconds() -> None:
    """Tokens cost nothing and a second what the setting says; a price of one's own wins, and has no seconds."""
    setting = StoreSettings.from_env({"SIGHTLINE_PRICES_LOCAL_USD_PER_S": "0.0005"})
    (row,) = model_prices.price_rows("ollama/llama3:latest", local_usd_per_s=setting.local_usd_per_s)
    assert (row[3], row[8], row[12]) == (0.0, 0.0, 0.0005)
    assert StoreSettings.from_env({}).local_usd_per_s == 0.0
    own = prices_file.parse("provider,model,input,output\nollama,*,0.01,0.02\n", ".csv")
    (mine,) = model_prices.price_rows("ollama/llama3:latest", own=own, local_usd_per_s=0.0005)
    assert (mine[3], mine[8], mine[12]) == (0.01, 0.02, None)


def test_tiers_hours_and_dates_are_kept() -> None:
    """A threshold of input tokens, hours of the day and dates each become what SQL can pick."""
    (period,) = price_book.quote("google/gemini-2.5-pro").periods
    assert [(each.above_input, each.rate.input) for each in period.specials] == [(200_000, Decimal("2.5"))]
    assert period.rate.input == Decimal("1.25")
    (daily,) = price_book.quote("deepseek/deepseek-chat").periods
    (peak,) = daily.specials
    assert (peak.from_s, peak.to_s, peak.rate.output) == (1800, 59_400, Decimal("1.1"))
    assert daily.rate.output == Decimal("0.55")
    later = price_book.quote("deepseek/deepseek-v4-flash").periods
    assert len({each.valid_from for each in later}) == len(later) == 3
    assert [len(each.specials) for each in later] == [2, 2, 2]


def test_service_tiers_cost_their_own_price_or_are_unknown() -> None:
    """Priority is priced from the date the package prices it, and unknown before; `default` is the standard."""
    before, after = price_book.quote("openai/gpt-4.1", "priority").periods
    assert not before.rate.is_known
    assert after.rate.input == Decimal("3.5")
    assert after.rate.output == Decimal(14)
    assert price_book.quote("openai/gpt-4.1", "default") == price_book.quote("openai/gpt-4.1")
    assert model_prices.price_rows("openai/gpt-4.1", "scale") == []


CSV = """# What we agreed on
provider,model,from,input,output,cache_read,above_input_tokens
openai,gpt-4o,2026-06-01,1.25,5,,
openai,gpt-4o,2026-06-01,2,7.5,,200000
house,*,,0.01,0.02,0.001,
house,big-*,2026-01-01T12:00:00+01:00,0.1,0.2,,
"""


def test_own_prices_win_from_their_date_on() -> None:
    """Calls before the first date keep the package's price; a longer pattern wins over a shorter one."""
    own = prices_file.parse(CSV, ".csv")
    package, mine = model_prices.price_rows("openai/gpt-4o", own=own)
    assert (package[2], package[3]) == (price_book.SINCE_EVER, 2.5)
    assert (mine[2], mine[3], mine[8]) == (datetime(2026, 6, 1, tzinfo=UTC), 1.25, 5.0)
    assert [(special[0], special[3]) for special in mine[13]] == [(200_000, 2.0)]
    ((_, _, _, small, *_),) = model_prices.price_rows("house/small-1", own=own)
    assert small == 0.01
    ((_, _, since, big, *_),) = model_prices.price_rows("House/BIG-9", own=own)
    assert (since, big) == (datetime(2026, 1, 1, 11, tzinfo=UTC), 0.1)
    assert model_prices.price_rows("openai/gpt-4o", "flex", own=own) == model_prices.price_rows("openai/gpt-4o", "flex")


def test_own_prices_in_every_format_are_the_same() -> None:
    """CSV, TOML and JSON say the same thing, to the last digit."""
    toml = """
[[price]]
provider = "az.ai.openai"
model = "gpt-4o"
from = 2026-06-01
input = 0.1
output = 0.3
"""
    json_text = """{"prices": [
        {"provider": "az.ai.openai", "model": "gpt-4o", "from": "2026-06-01", "input": 0.1, "output": 0.3}
    ]}"""
    csv_text = "provider,model,from,input,output\naz.ai.openai,gpt-4o,2026-06-01,0.1,0.3\n"
    told = [
        prices_file.parse(text, suffix).periods("az.ai.openai/gpt-4o")
        for text, suffix in ((toml, ".toml"), (json_text, ".json"), (csv_text, ".csv"))
    ]
    assert told[0] == told[1] == told[2]
    assert told[0][0].rate.input == Decimal("0.1")


def test_file_of_the_documentation_is_read() -> None:
    """The example in docs/prices.md works, and its table names every field."""
    page = (Path(__file__).parents[3] / "docs" / "prices.md").read_text(encoding="utf-8")
    example = page.split("```csv\n")[1].split("```")[0]
    assert len(prices_file.parse(example, ".csv").entries) == 3
    fields = ("provider", "model", "from", "above_input_tokens", "service_tier", *Rate.__dataclass_fields__)
    assert [name for name in fields if f"`{name}`" not in page] == []


@pytest.mark.parametrize(
    ("text", "suffix", "line", "field"),
    [
        ("", ".csv", 1, ""),
        ("provider,model,inptu\n", ".csv", 1, "inptu"),
        ("provider,input\nopenai,1\n", ".csv", 1, "model"),
        ("provider,model,input\nopenai,gpt-4o,1\nopenai,gpt-4,free\n", ".csv", 3, "input"),
        ("provider,model,input\nopenai,gpt-4o,-1\n", ".csv", 2, "input"),
        ("provider,model,input\nopenai,gpt-4o,NaN\n", ".csv", 2, "input"),
        ("provider,model,input\nopenai,gpt-4o\n", ".csv", 2, ""),
        ("provider,model,input\nopenai,gpt-4o,\n", ".csv", 2, "input"),
        ("provider,model,from,input\nopenai,gpt-4o,June,1\n", ".csv", 2, "from"),
        ("provider,model,from,input\nopenai,gpt-4o,1812-06-01,1\n", ".csv", 2, "from"),
        ("provider,model,input\nopenai,gpt-4o,1\nopenai,gpt-4o,2\n", ".csv", 3, "model"),
        ("provider,model,input,above_input_tokens\nopenai,gpt-4o,1,5\n", ".csv", 2, "above_input_tokens"),
        ("provider,model,input,above_input_tokens\nopenai,gpt-4o,1,many\n", ".csv", 2, "above_input_tokens"),
        (
            '[[price]]\nprovider = "a"\nmodel = "b"\ninput = 1\n\n[[price]]\nprovider = "a"\nmodel = 7\n',
            ".toml",
            6,
            "model",
        ),
        ('[[price]]\nprovider = "a"\nmodel = "b"\ninput = true\n', ".toml", 1, "input"),
        ("[[price]\n", ".toml", 1, ""),
        ("[prices]\n", ".toml", 1, "prices"),
        ('[\n{"provider": "a", "model": "b", "input": 1},\n\n{"provider": "", "model": "b"}]', ".json", 4, "provider"),
        ("[1]", ".json", 1, ""),
        ("{}", ".json", 1, "prices"),
        ("{,}", ".json", 1, ""),
        ("x", ".yaml", 0, ""),
    ],
)
def test_errors_name_line_and_field(text: str, suffix: str, line: int, field: str) -> None:
    """Who made the mistake finds it."""
    with pytest.raises(PricesFileError) as caught:
        prices_file.parse(text, suffix, "prices" + suffix)
    assert (caught.value.line, caught.value.field) == (line, field)
    assert str(caught.value).startswith("prices" + suffix)


def test_file_is_named_by_a_setting(tmp_path: Path) -> None:
    """SIGHTLINE_PRICES_FILE names it; one that is not there is an error that says so."""
    assert StoreSettings.from_env({}).prices_file is None
    path = StoreSettings.from_env({"SIGHTLINE_PRICES_FILE": str(tmp_path / "prices.csv")}).prices_file
    assert path is not None
    with pytest.raises(PricesFileError, match="SIGHTLINE_PRICES_FILE"):
        prices_file.read(path)
    path.write_text("\ufeff" + CSV, encoding="utf-8")
    assert len(prices_file.read(path)[0].entries) == 4

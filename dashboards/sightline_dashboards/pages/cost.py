"""Cost: what do the answers cost, which model, tenant, user or session takes it, and what is not known?"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import streamlit as st

from sightline_dashboards import budgets, formats, source, spending
from sightline_dashboards.cards import cost_cards
from sightline_dashboards.controls import addressed
from sightline_dashboards.controls.filterbar import Selection
from sightline_dashboards.downloads import Offer
from sightline_dashboards.elements import Column, TableRow, cards, table
from sightline_dashboards.panels import charted, empty_message, empty_store, note, note_beginning, page, panel
from sightline_dashboards.plotting import charts, leads, plots
from sightline_dashboards.plotting.vega import HEIGHT_PX
from sightline_dashboards.tables import listed, trace_table, unpriced
from sightline_store.questions import asking, queries, search
from sightline_store.questions.queries import SpendBy

_MOST_BUDGETS = 12
_DRAWN_BUDGETS = 5
_LEGEND_LINE_PX = 18
_BY: dict[str, SpendBy] = {"Model": "model", "Tenant": "tenant", "User": "user", "Session": "session"}


def render() -> None:
    """Show the page."""
    page("Cost", _body)


def _body(selection: Selection, store: Executor) -> Iterator[None]:
    client, whole = source.client(), selection.filters()
    earlier = selection.compared(whole)
    asked = [store.submit(queries.overview, client, each) for each in (whole, earlier)]
    asked_before = store.submit(queries.embedding_spend, client, earlier)
    filters = charted(whole)
    bucket_s, day = filters.bucket_s(40), filters.at_most(timedelta(days=1))
    asked_embedded = store.submit(queries.embedding_spend, client, filters, bucket_s=bucket_s)
    yield

    now, before = (each.result() for each in asked)
    buckets, buckets_before = asked_embedded.result(), asked_before.result()
    if not now.llm_calls and not buckets:
        empty_store(selection, "model calls")
        return
    by = addressed.chosen_of(list(_BY), name="by")
    asked_over_time = store.submit(queries.spend_over_time, client, filters, bucket_s=bucket_s)
    asked_budgets = store.submit(queries.budgets_over_time, client, day, bucket_s=day.bucket_s(40))
    asked_by = {name: store.submit(queries.spend_by, client, filters, _BY[name]) for name in {by, "Model"}}
    expensive = store.submit(listed, client, filters, sort="cost", limit=10)
    note_beginning(whole)
    spent = spending.spending(now, buckets), spending.spending(before, buckets_before)
    embedded = spending.by_name(buckets)
    cards(cost_cards(now, before, spent), key="cost_cards")
    over_time = asked_over_time.result()
    for row in over_time:
        row["tokens"] = None if row["input_tokens"] is None else row["input_tokens"] + (row["output_tokens"] or 0)
    costs = spending.over_time(over_time, buckets)
    left, right = st.columns(2, gap="small")
    with left, panel("Cost by model", "USD, embedding models as one"):
        if any(row["cost_usd"] is not None for row in costs):
            plots.show_over_time(
                charts.stacked_bars(costs, "cost_usd", "model_name", filters, bucket_s, unit="usd"),
                filters,
                key="cost_time",
                bucket_s=bucket_s,
                opens=leads.of_model,
            )
            if spent[0].unpriced_calls:
                note(
                    f"Unknown cost is not drawn: {formats.share_of(spent[0].unpriced_calls, spent[0].calls)} calls "
                    "have no known price or no token counts."
                )
        else:
            empty_message("No call of this window has a known price. The reasons are below, under “Cost unknown”.")
    with right, panel("Tokens by model", "input and output"):
        if over_time:
            plots.show_over_time(
                charts.stacked_bars(over_time, "tokens", "model_name", filters, bucket_s, unit="tokens"),
                filters,
                key="token_time",
                bucket_s=bucket_s,
                opens=leads.of_model,
            )
        else:
            empty_message("No call of a model that answers in this selection.")
    _budgets(asked_budgets.result(), day)
    with panel("Who takes it"):
        addressed.one_of("By", list(_BY), name="by")
        _spend_table(asked_by[by].result(), by)
    left, right = st.columns(2, gap="small")
    with left:
        _embeddings(embedded)
    with right:
        _unpriced(asked_by["Model"].result(), embedded)
    with panel("Most expensive requests", more=("traces", "All by cost →"), sort="cost"):
        rows, questions = expensive.result()
        trace_table(rows, key="expensive", empty="No request in this selection.", questions=questions, compact=True)


def _narrowed(by: str, name: str) -> dict[str, str]:
    """The address of the traces of a row: the filter bar narrows to a model and a tenant, the search to the others."""
    if by in {"Model", "Tenant"} or not name:
        return {by.lower(): name}
    return {"q": search.equals(_BY[by], name)}


def _budgets(rows: list[asking.Row], filters: asking.Filters) -> None:
    """How far the token budgets are spent; nothing where no span says a budget."""
    bucket_s = filters.bucket_s(40)
    if not rows:
        return
    now = min(filters.end, datetime.now(UTC))
    standings = budgets.standings(rows, now)
    left, right = st.columns([3, 2], gap="small")
    with left, panel("Token budgets", "tokens spent or reserved, the fullest first"):
        columns = [
            Column("Owner"),
            Column("Budget"),
            Column("Used", number=True),
            Column("Limit", number=True),
            Column("Share", number=True),
            Column("Tokens / h", number=True),
            Column("Spent at this pace"),
        ]
        table_rows = [
            TableRow(
                cells=(
                    standing.owner,
                    standing.name.replace("_", " "),
                    formats.compact(standing.used),
                    formats.compact(standing.limit),
                    formats.share(standing.share),
                    formats.compact(standing.per_hour),
                    standing.runs_out(now),
                )
            )
            for standing in standings[:_MOST_BUDGETS]
        ]
        table(columns, table_rows, key="budgets", empty="", offer=Offer([asdict(standing) for standing in standings]))
        if len(standings) > _MOST_BUDGETS:
            note(f"{len(standings) - _MOST_BUDGETS} budgets with a smaller share are not listed.")
    drawn = standings[:_DRAWN_BUDGETS]
    with right, panel("Budgets used", f"the {len(drawn)} fullest, a day at most"):
        plots.show_over_time(
            charts.budgets(
                budgets.shares(rows, drawn),
                [budgets.label(each.owner, each.name) for each in drawn],
                filters,
                bucket_s,
                height=HEIGHT_PX + _LEGEND_LINE_PX * len(drawn),
            ),
            filters,
            key="budget_time",
            bucket_s=bucket_s,
            opens=leads.of_budget,
        )


def _embeddings(rows: list[asking.Row]) -> None:
    costs = [row["cost_usd"] for row in rows if row["cost_usd"] is not None]
    panel_note = f"{formats.money(sum(costs))} of the known cost" if costs else ""
    with panel("Embedding models", panel_note):
        columns = [
            Column("Model"),
            Column("Calls", number=True),
            Column("Tokens", number=True),
            Column("Cost", number=True),
            Column("Cost unknown for", number=True),
        ]
        table_rows = [
            TableRow(
                cells=(
                    row["name"] or "(not named)",
                    formats.count(row["calls"]),
                    formats.compact(row["input_tokens"]),
                    _cost(row),
                    unpriced(row),
                )
            )
            for row in rows
        ]
        table(
            columns,
            table_rows,
            key="embedding_spend",
            empty="No call of an embedding model in this selection.",
            offer=Offer(rows),
        )
        _differences(rows)


def _unpriced(models: list[asking.Row], embedded: list[asking.Row]) -> None:
    rows = [(row, key) for group, key in ((models, "unpriced_example"), (embedded, "price_key")) for row in group]
    rows = sorted(
        ((row, key) for row, key in rows if row["unpriced_calls"]), key=lambda pair: -pair[0]["unpriced_calls"]
    )
    with panel("Cost unknown", "counted nowhere as 0"):
        columns = [Column("Model"), Column("Calls", number=True), Column("Why"), Column("Price looked for")]
        table_rows = [
            TableRow(
                cells=(
                    row["name"] or "(not named)",
                    formats.count(row["unpriced_calls"]),
                    row["unknown_because"] or "unknown",
                    row[key].removeprefix("/") if row[key] else formats.UNKNOWN,
                )
            )
            for row, key in rows
        ]
        table(
            columns,
            table_rows,
            key="unpriced",
            empty="Every call of this selection has its cost.",
            offer=Offer(
                [
                    {
                        "name": row["name"],
                        "unpriced_calls": row["unpriced_calls"],
                        "why": row["unknown_because"],
                        "price_key": row[key],
                    }
                    for row, key in rows
                ]
            ),
        )
        if rows:
            note(
                "A price of your own, with the day from which it holds, goes into the file that "
                "`SIGHTLINE_PRICES_FILE` names to the janitor; past calls are priced by it too. "
                "`sightline-store prices` lists all names."
            )


def _spend_table(rows: list[asking.Row], by: str) -> None:
    parts = {"cache_read_tokens": "of them cached", "reasoning_tokens": "of them reasoning"}
    known = {name for name in parts if any(row[name] is not None for row in rows)}

    def part(name: str) -> list[Column]:
        return [Column(parts[name], number=True)] if name in known else []

    def tokens(row: asking.Row, name: str) -> list[str]:
        return [formats.compact(row[name])] if name in known else []

    columns = [
        Column(by, link=True),
        Column("Calls", number=True),
        Column("Tokens in", number=True),
        *part("cache_read_tokens"),
        Column("Tokens out", number=True),
        *part("reasoning_tokens"),
        Column("Cost", number=True),
        Column("Cost / 1k requests", number=True),
        Column("Cost unknown for", number=True),
        Column("Priced as"),
    ]
    table_rows = [
        TableRow(
            cells=(
                row["name"] or "(not named)",
                formats.count(row["calls"]),
                formats.compact(row["input_tokens"]),
                *tokens(row, "cache_read_tokens"),
                formats.compact(row["output_tokens"]),
                *tokens(row, "reasoning_tokens"),
                _cost(row),
                formats.money(None if row["cost_usd"] is None else row["cost_usd"] / row["requests"] * 1000),
                unpriced(row),
                ", ".join(name or "itself" for name in row["priced_as"]),
            ),
            page="traces",
            params=_narrowed(by, row["name"]),
        )
        for row in rows
    ]
    table(columns, table_rows, key=f"spend_table_{by}", empty="No model call in this selection.", offer=Offer(rows))
    _differences(rows)


def _cost(row: asking.Row) -> str:
    """The cost, and where it comes from if not from tokens and prices."""
    texts = [formats.money(row["cost_usd"])]
    for name, calls in (("reported", row["reported_calls"]), ("local compute", row["local_calls"])):
        if calls:
            texts.append(name if calls == row["calls"] else f"{formats.count(calls)} {name}")
    return " · ".join(texts)


def _differences(rows: list[asking.Row]) -> None:
    """Say where a library or a gateway reports another cost than tokens and prices give."""
    calls = sum(row["differing_calls"] for row in rows)
    if calls:
        reported, computed = (
            sum(row[f"differing_{name}_usd"] or 0.0 for row in rows) for name in ("reported", "computed")
        )
        note(
            f"{formats.count(calls)} calls report a cost that differs by more than 1 % from tokens times prices: "
            f"{formats.money(reported)} reported, {formats.money(computed)} computed and shown."
        )

"""The tools: each asks the questions of `sightline_store.questions` that a page asks, and answers with typed data.

What is asked is checked here and bounded; why something cannot be answered, and the way out, are in the tool's error.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Final, Literal

from mcp.server.mcpserver import Context
from pydantic import Field

from sightline_dashboards.spending import known_sum
from sightline_mcp import answers, comparison, trace_report
from sightline_mcp.errors import OutOfReach, WrongQuestion
from sightline_mcp.key_gate import TENANT
from sightline_mcp.reach import Reach
from sightline_mcp.recorded import name, recorded, unsupported
from sightline_mcp.settings import McpSettings
from sightline_mcp.unanswered import answering
from sightline_mcp.windows import iso_ms, window
from sightline_store.contents import traces as traces_content
from sightline_store.contents.traces import Conversation
from sightline_store.questions import drift as drift_questions
from sightline_store.questions import queries, request_lists
from sightline_store.questions.asking import Asks, Filters, Row
from sightline_store.questions.conditions import MAX_READ
from sightline_store.questions.queries import SpendBy
from sightline_store.questions.search import SearchError
from sightline_store.questions.search import parse as terms

READ_SPANS: Final = 2000
"""Spans of a trace that are read, in the order in which they began: as many as the Trace page reads."""
_MAX_ROWS, _MAX_OFFSET, _MAX_ANSWERS, _DRIFT_ROWS = 50, 10_000, 20, 2000
_TRACE_ID = re.compile(r"[0-9a-f]{32}")

Start = Annotated[str, Field(description="First moment: an age such as 30m, 6h, 7d, or ISO 8601 (UTC without a zone).")]
End = Annotated[str, Field(description="Last moment, exclusive: 'now', an age, or ISO 8601.")]
Tenant = Annotated[str, Field(description="Only this tenant; empty is all that the caller may read.")]
Model = Annotated[str, Field(description="Only requests with a call of this model; empty is all.")]
Route = Annotated[str, Field(description="Only this HTTP route; empty is all.")]
Limit = Annotated[int, Field(ge=1, le=_MAX_ROWS, description="Most rows.")]
Offset = Annotated[
    int, Field(ge=0, le=_MAX_OFFSET, description="Rows to leave out: the next_offset of the page before.")
]
Order = Literal["time", "ttft", "total", "cost", "groundedness", "faithfulness"]


class Tools:
    """The tools of one server.

    Args:
        stores: tenant to the store as that tenant sees it, '' to the whole store; threads share what it returns.
        settings: bounds, and the tenant of callers that no key limits.
        over_http: whether callers come through `KeyGate`, which says what each may read.
    """

    def __init__(self, stores: Callable[[str], Asks], settings: McpSettings, *, over_http: bool) -> None:
        self._stores = stores
        self._settings = settings
        self._over_http = over_http

    def all(self) -> list[Callable[..., Any]]:
        """Every tool, by the name of its function."""
        return [
            self.slowest_traces,
            self.search_traces,
            self.explain_trace,
            self.compare_windows,
            self.worst_answers,
            self.spend,
            self.drift,
        ]

    @answering
    def slowest_traces(
        self,
        ctx: Context[Any, Any],
        *,
        start: Start = "24h",
        end: End = "now",
        by: Annotated[Literal["ttft", "total"], Field(description="Time to the first token, or total time.")] = "ttft",
        tenant: Tenant = "",
        model: Model = "",
        route: Route = "",
        limit: Limit = 10,
    ) -> answers.TraceList:
        """The slowest requests of a window: times, tokens, cost and scores. explain_trace says why one was slow."""
        asked = self._reach(ctx).filters(start, end, tenant=tenant, model=model, route=route)
        return self._listed(ctx, asked, sort=by, limit=limit)

    @answering
    def search_traces(
        self,
        ctx: Context[Any, Any],
        *,
        search: Annotated[
            str,
            Field(
                max_length=500,
                description='Terms that must all hold: words of the question or the answer, "words as they stand", '
                "tenant:, user:, session:, model:, stage:, service:, route: or trace: with a value, an attribute with "
                "a dot such as gen_ai.request.top_k:5, cost>0.01, ms>=2000, ttft>800, tokens>4000, score.NAME<0.5, "
                "error; - before a term negates it. Words and attributes are looked for in the newest "
                f"{MAX_READ} requests that hold the other terms. Empty lists all requests.",
            ),
        ] = "",
        start: Start = "24h",
        end: End = "now",
        sort: Annotated[Order, Field(description="Sorted by a score, only answers that have it are listed.")] = "time",
        descending: Annotated[bool, Field(description="Whether the greatest or newest come first.")] = True,
        only_errors: Annotated[bool, Field(description="Only requests that failed.")] = False,
        limit: Limit = 20,
        offset: Offset = 0,
    ) -> answers.TraceList:
        """Find requests by words, tenant, user, session, model, cost, time, score or failure; a page at a time."""
        asked = self._reach(ctx).filters(start, end)
        try:
            terms(search)
        except SearchError as exc:
            raise WrongQuestion(f"the search {name(search)!r} cannot be read {exc}") from exc
        return self._listed(
            ctx,
            asked,
            sort=sort,
            limit=limit,
            search=search,
            descending=descending,
            only_errors=only_errors,
            offset=offset,
        )

    @answering
    def explain_trace(
        self,
        ctx: Context[Any, Any],
        trace_id: Annotated[str, Field(max_length=64, description="32 hex digits, as other tools return it.")],
        max_spans: Annotated[
            int, Field(ge=1, le=trace_report.MAX_SPANS, description="Most spans of the tree; the rest is counted.")
        ] = 60,
    ) -> trace_report.TraceReport:
        """Explain one request: where the time to its first token went, spans, tokens, cost, errors, scores, content.

        Question, answer and passages come where they were captured, with the sentences that a judge calls unsupported.
        """
        wanted = trace_id.strip().lower()
        if not _TRACE_ID.fullmatch(wanted):
            raise WrongQuestion("a trace id has 32 hex digits; slowest_traces and search_traces return them")
        store = self._reach(ctx).store
        spans = queries.trace_spans(store, wanted, limit=READ_SPANS)
        if not spans:
            raise WrongQuestion(
                f"there is no trace {wanted} that this caller may read: it may not have arrived yet, have been deleted "
                "by age, or belong to another tenant; search_traces lists those that there are"
            )
        rows = trace_report.TraceRows(
            spans,
            queries.ttft_trace(store, wanted),
            queries.trace_spend(store, wanted),
            queries.trace_scores(store, wanted),
            _conversation(store, wanted),
        )
        return trace_report.report(
            wanted,
            rows,
            max_spans=max_spans,
            max_text_chars=self._settings.max_text_chars,
            read_limit=READ_SPANS,
        )

    @answering
    def compare_windows(
        self,
        ctx: Context[Any, Any],
        *,
        start: Start = "24h",
        end: End = "now",
        before_start: Annotated[
            str, Field(description="As start, of the window compared with; empty: see before_end.")
        ] = "",
        before_end: Annotated[
            str, Field(description="As end. Both empty: the window of the same length that ends at start.")
        ] = "",
        tenant: Tenant = "",
        model: Model = "",
        route: Route = "",
    ) -> comparison.Comparison:
        """What changed between two windows: first token and its stages, total time, errors, cost, tokens, scores."""
        reach = self._reach(ctx)
        filters = partial(reach.filters, tenant=tenant, model=model, route=route)
        now = filters(start, end)
        if bool(before_start.strip()) != bool(before_end.strip()):
            raise WrongQuestion(
                "give both before_start and before_end, or neither: then the window before start is taken"
            )
        before = filters(before_start, before_end) if before_start.strip() else now.previous()
        return comparison.compare(_window_rows(reach.store, before), _window_rows(reach.store, now))

    @answering
    def worst_answers(
        self,
        ctx: Context[Any, Any],
        *,
        score: Annotated[
            str,
            Field(max_length=100, description="Name of a score, such as groundedness, faithfulness or user_feedback."),
        ] = "groundedness",
        start: Start = "24h",
        end: End = "now",
        tenant: Tenant = "",
        model: Model = "",
        route: Route = "",
        limit: Annotated[int, Field(ge=1, le=_MAX_ANSWERS, description="Most answers.")] = 5,
    ) -> answers.WorstAnswers:
        """The answers that scored lowest, with the judge's reasons, the unsupported sentences, question and answer.

        Of a score where a low value is good, such as noise_sensitivity, these are the best ones.
        """
        reach = self._reach(ctx)
        asked = reach.filters(start, end, tenant=tenant, model=model, route=route)
        rows = queries.score_list(reach.store, asked, score.strip(), limit=limit)
        scores = [answers.score_summary(row) for row in queries.score_summary(reach.store, asked)]
        notes = []
        if not rows:
            named = ", ".join(each.name for each in scores) or "none: `sightline-evals run` judges a sample"
            notes.append(f"No answer of this window has the score asked for. Scores there are: {named}.")
        return answers.WorstAnswers(
            window=window(asked),
            score=score.strip(),
            answers=[self._worst(reach.store, row) for row in rows],
            scores=scores,
            notes=notes,
        )

    @answering
    def spend(
        self,
        ctx: Context[Any, Any],
        *,
        start: Start = "24h",
        end: End = "now",
        by: Annotated[SpendBy, Field(description="What the rows are of.")] = "model",
        tenant: Tenant = "",
        model: Model = "",
        route: Route = "",
        limit: Limit = 20,
    ) -> answers.Spend:
        """Tokens and cost of a window, by model, tenant, user or session; and those of embedding models."""
        reach = self._reach(ctx)
        asked = reach.filters(start, end, tenant=tenant, model=model, route=route)
        told = queries.overview(reach.store, asked)
        rows = queries.spend_by(reach.store, asked, by, limit=limit + 1)
        embedded = queries.embedding_spend(reach.store, asked)
        unpriced = told.unpriced_calls + sum(row["unpriced_calls"] for row in embedded)
        notes = [f"The cost of {unpriced} calls is unknown; it is in no sum and is not 0."] if unpriced else []
        notes += [
            f"Calls of {by} {name(row['name'])} are without a cost: {row['unknown_because']}." for row in _unknown(rows)
        ]
        notes += [f"There are more than {limit} rows."] if len(rows) > limit else []
        return answers.Spend(
            window=window(asked),
            requests=told.requests,
            llm_calls=told.llm_calls,
            unpriced_calls=unpriced,
            input_tokens=told.input_tokens,
            output_tokens=told.output_tokens,
            cost_usd=known_sum([told.cost_usd, *(row["cost_usd"] for row in embedded)]),
            by=by,
            rows=[answers.spend_row(row) for row in rows[:limit]],
            embeddings=[answers.spend_row(row) for row in embedded[:limit]],
            notes=notes,
        )

    @answering
    def drift(
        self,
        ctx: Context[Any, Any],
        *,
        start: Start = "14d",
        end: End = "now",
        include_quiet: Annotated[bool, Field(description="Also comparisons that found nothing.")] = False,
        limit: Limit = 20,
    ) -> answers.Drift:
        """The last verdicts of `sightline-evals drift`: what moved in retrieval, answers and scores, and how surely."""
        reach = self._reach(ctx)
        if reach.tenant:
            raise OutOfReach(
                "verdicts about drift are of all tenants' traffic together: a caller that reads one tenant cannot see "
                "them. compare_windows compares two windows of its own traffic"
            )
        asked = reach.filters(start, end)
        rows = drift_questions.results(reach.store, asked.start, asked.end, limit=_DRIFT_ROWS)
        verdicts = answers.drift_verdicts(rows)
        shown = [each for each in verdicts if include_quiet or each.state in {"drift", "suspected"}]
        notes = [] if rows else ["No run of `sightline-evals drift` is in this window."]
        if hidden := len(verdicts) - len(shown):
            notes.append(f"{hidden} comparisons found nothing or had too little data; include_quiet lists them.")
        notes += [f"{len(shown) - limit} more verdicts are left out."] if len(shown) > limit else []
        return answers.Drift(
            window=window(asked),
            last_run=answers.drift_run(rows, self._settings.max_text_chars),
            verdicts=shown[:limit],
            notes=notes,
        )

    def _reach(self, ctx: Context[Any, Any]) -> Reach:
        """What the caller may read: over HTTP its key has said so, over stdio the setting does.

        Raises:
            NotAllowed: there is no key of the store for the caller's tenant.
        """
        if not self._over_http:
            return self._of(self._settings.tenant)
        request = ctx.request_context.request
        if request is None:
            raise RuntimeError("a caller came past the gate: what it may read is not known")
        return self._of(request.scope[TENANT])

    def _of(self, tenant: str) -> Reach:
        return Reach(self._stores(tenant), tenant)

    def _listed(
        self,
        ctx: Context[Any, Any],
        asked: Filters,
        *,
        sort: Order,
        limit: int,
        search: str = "",
        descending: bool = True,
        only_errors: bool = False,
        offset: int = 0,
    ) -> answers.TraceList:
        rows = request_lists.traces(
            self._reach(ctx).store,
            asked,
            search=search,
            sort=sort,
            descending=descending,
            only_errors=only_errors,
            limit=limit,
            offset=offset,
        )
        matching, after = int(rows[0]["matching"]) if rows else 0, offset + len(rows)
        return answers.TraceList(
            window=window(asked),
            matching=matching,
            traces=[answers.listed_trace(row) for row in rows],
            next_offset=after if after < matching and after <= _MAX_OFFSET else None,
            notes=[],
        )

    def _worst(self, store: Asks, row: Row) -> answers.WorstAnswer:
        talk, short = _conversation(store, row["trace_id"]), max(100, self._settings.max_text_chars // 4)
        return answers.WorstAnswer(
            trace_id=row["trace_id"],
            asked=iso_ms(row["asked_ms"]),
            tenant=name(row["tenant_name"]),
            value=row["value"],
            label=name(row["label"]),
            judge=name(row["judge"]),
            error_type=name(row["error_type"]),
            explanation=recorded(row["explanation"], short),
            unsupported=unsupported(row["explanation"]),
            question=recorded(talk.question, short),
            answer=recorded(talk.answer, short),
        )


def _unknown(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["unpriced_calls"] and row["unknown_because"]][:5]


def _window_rows(store: Asks, asked: Filters) -> comparison.WindowRows:
    return comparison.WindowRows(
        asked,
        queries.overview(store, asked),
        queries.stage_stack(store, asked),
        queries.errors_by_type(store, asked),
        queries.spend_by(store, asked),
    )


def _conversation(store: Asks, trace_id: str) -> Conversation:
    stored = queries.trace_contents(store, trace_id, limit=READ_SPANS)
    return traces_content.conversation(traces_content.read(stored))

"""Review: read answers, say whether they are good, mark what is wrong, correct them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import Executor
from html import escape
from typing import Final, get_args

import streamlit as st

from sightline_dashboards import assets, formats, navigation, source
from sightline_dashboards.access import audit, current
from sightline_dashboards.access.viewers import Role, Viewer
from sightline_dashboards.controls.filterbar import Selection
from sightline_dashboards.downloads import Offer
from sightline_dashboards.elements import Column, TableRow, table
from sightline_dashboards.panels import empty_message, empty_store, note, page, panel, rerun
from sightline_dashboards.reviewing import MAX_TEXT_CHARS, Review, ReviewNotSent, sender, sentences_of
from sightline_dashboards.tables import NONE, local_time
from sightline_dashboards.trace_detail import evidence
from sightline_store.contents.traces import Conversation
from sightline_store.questions import asking, people, queries, written
from sightline_store.questions.people import Queue

_QUEUES: Final[dict[Queue, tuple[str, str]]] = {
    "lowest": ("Lowest scores", "the least grounded answers first"),
    "disagreement": ("Judges disagree", "the widest gap between two judges first"),
    "complaints": ("Users complained", "the newest complaint first"),
    "random": ("Random", "a fair sample of the traffic: only these estimate a rate"),
}
_QUEUE_ROWS = 25
_PASSAGES = 8
_REVIEWER = re.compile(r"[^\x00-\x1f\x7f<>]{1,80}")
_HOW = (
    "Keys: G good, B bad, N next without a verdict. Tick the sentences that the passages do not support first; a "
    "corrected answer becomes the reference of a case of a dataset."
)


_WHAT_FOR = (
    "People's verdicts show how far the judges can be believed, estimate the share of bad answers, and correct answers "
    "become cases of a dataset. Enter your name to begin: it stands with each of your reviews, and answers that you "
    "have read are left out."
)


def render() -> None:
    """Show the page."""
    page("Review", _body, states=False)


def _body(selection: Selection, store: Executor) -> Iterator[None]:
    client, filters, why = source.client(), selection.filters(), _not_for(current.viewer())
    if not why:
        asked_reviews = store.submit(people.reviews, client, filters)
    yield

    st.html(f"<style>{assets.text('people.css')}</style>")
    if why:
        empty_message(why)
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        queue = _queue()
        reviewer = _reviewer()
    if not reviewer:
        _begin(client, filters, store)
        _reviews(asked_reviews.result())
        return
    done: set[str] = st.session_state.setdefault(f"read_by {reviewer}", set())
    most = _QUEUE_ROWS + len(done)
    waiting = people.review_queue(client, filters, queue, reviewer=reviewer, limit=most)
    rows = [row for row in waiting if row["trace_id"] not in done]
    if rows:
        number = _waiting(waiting, sum(row["trace_id"] in done for row in waiting))
        row = _row_to_read(rows, queue, reviewer)
        if _answer(row, queue, reviewer, number):
            done.add(row["trace_id"])
            rerun()
    elif done or queries.overview(client, filters).requests:
        empty_message(_nothing_waits(queue))
    else:
        empty_store(selection)
    _reviews(asked_reviews.result())


def _begin(client: asking.Asks, filters: asking.Filters, store: Executor) -> None:
    """Say what reviews are for, and how many answers wait in each queue: nobody reviews without a name."""
    asked = {
        queue: store.submit(people.review_queue, client, filters, queue, reviewer="", limit=1) for queue in _QUEUES
    }
    empty_message(_WHAT_FOR)
    with panel("Answers that wait", "in each queue of the window"):
        waiting = {queue: _waiting(each.result()) for queue, each in asked.items()}
        columns = [Column("Queue"), Column("Answers", number=True), Column("In which order", wrap=True)]
        lines = [TableRow((name, waiting[queue], how)) for queue, (name, how) in _QUEUES.items()]
        table(columns, lines, key="review_queues", empty="")


def _waiting(rows: list[asking.Row], done: int = 0) -> str:
    """Return how many answers wait by the rows of a queue, less those that are done; "about" of a sample."""
    if rows and rows[0]["sampled"] > 1:
        return f"about {formats.compact(rows[0]['waiting'])}"
    return formats.count(rows[0]["waiting"] - done if rows else 0)


def _row_to_read(rows: list[asking.Row], queue: Queue, reviewer: str) -> asking.Row:
    """Return the first row, or the one that is being read: scores that arrive meanwhile change the order."""
    of_queue, trace_id = st.session_state.get("reading", (None, ""))
    row = next((row for row in rows if of_queue == (queue, reviewer) and row["trace_id"] == trace_id), rows[0])
    st.session_state["reading"] = (queue, reviewer), row["trace_id"]
    return row


def _queue() -> Queue:
    parameter = st.query_params.get("queue", "lowest")
    first: Queue = next((name for name in get_args(Queue) if name == parameter), "lowest")
    chosen: Queue = (
        st.segmented_control(
            "Queue",
            list(_QUEUES),
            format_func=lambda name: _QUEUES[name][0],
            default=first,
            key="review_queue",
            label_visibility="collapsed",
            required=True,
        )
        or first
    )
    if chosen == "lowest":
        st.query_params.pop("queue", None)
    elif st.query_params.get("queue") != chosen:
        st.query_params["queue"] = chosen
    return chosen


def _not_for(viewer: Viewer) -> str:
    """Why somebody may not review; '' where they may."""
    if not viewer.role.may(Role.REVIEWER):
        return "Your role looks at pages and does not review: whoever runs the dashboards can make you a reviewer."
    return "" if viewer.content else "Answers are reviewed by who may read them; they are hidden from you."


def _reviewer() -> str:
    if signed_in := current.viewer().name:
        return signed_in if _REVIEWER.fullmatch(signed_in) else ""
    name = st.text_input(
        "Reviewer",
        key="reviewer",
        persist_state="session",
        placeholder="Your name",
        label_visibility="collapsed",
        max_chars=80,
        width=200,
    ).strip()
    return name if _REVIEWER.fullmatch(name) else ""


def _nothing_waits(queue: Queue) -> str:
    return {
        "lowest": "No judged answer of this window waits for you. `sightline-evals watch` judges new ones.",
        "disagreement": "No answer of this window has two judges that disagree.",
        "complaints": "No user complained of an answer in this window, or you have read them all.",
        "random": "You have read all answers of this window.",
    }[queue]


def _answer(row: asking.Row, queue: Queue, reviewer: str, waiting: str) -> bool:
    """Show an answer and what can be said of it; return whether the reviewer is done with it."""
    trace_id = row["trace_id"]
    audit.content_read("review", [trace_id])
    held = written.conversations(source.client(), [{**row, "started_ms": row["asked_ms"]}]).get(trace_id)
    judged = evidence.judged(queries.trace_scores(source.client(), trace_id))
    left, right = st.columns([3, 2], gap="small")
    with left, panel("Answer", f"{waiting} wait, {_QUEUES[queue][1]}"):
        st.html(_facts_html(row))
        question = held.question.strip() if held else ""
        st.html(
            f'<p class="sl-question" data-testid="review_question">{escape(question) or "Question not captured"}</p>'
        )
        answer = held.answer.strip() if held else ""
        sentences = sentences_of(answer)
        if not sentences:
            note("The answer was not captured: only a verdict on the trace can be given.")
        told = judged[1] if judged else []
        wrong = _sentences(trace_id, answer, sentences, told)
        if judged:
            note(f"Ticked: not supported, says the judge {judged[0]['judge'] or 'code'}. Correct it where it is wrong.")
        correction = st.text_area(
            "Corrected answer",
            key=f"correction_{trace_id}",
            placeholder="The answer as it should have been; nothing where it is good.",
            max_chars=MAX_TEXT_CHARS,
            height=90,
        )
        comment = st.text_input(
            "Why", key=f"comment_{trace_id}", placeholder="Why, in a sentence (may stay empty)", max_chars=2000
        )
        with st.container(horizontal=True, gap="small"):
            good = st.button("Good", shortcut="g", type="primary", key=f"good_{trace_id}")
            bad = st.button("Bad", shortcut="b", key=f"bad_{trace_id}")
            skipped = st.button("Next", shortcut="n", key=f"next_{trace_id}")
        note(_HOW)
        if good or bad:
            review = Review(
                trace_id=trace_id,
                span_id=row["span_id"],
                reviewer=reviewer,
                queue=queue,
                is_good=good,
                sentences=sentences,
                wrong=wrong,
                comment=comment,
                correction=correction,
            )
            try:
                sender().send(review)
            except ReviewNotSent as exc:
                st.error(str(exc))
            else:
                return True
        if skipped:
            return True
    with right, panel("Passages", "that the answer was written from"):
        _passages(held)
    return False


def _facts_html(row: asking.Row) -> str:
    facts = [local_time(row["asked_ms"]), f"tenant {row['tenant_name'] or NONE}"]
    if row["groundedness"] is not None:
        facts.append(f"groundedness {formats.score(row['groundedness'])}")
    if row["spread"]:
        facts.append(f"judges differ by {formats.score(row['spread'])}")
    if row["complaints"]:
        said = f": “{formats.shortened(row['complaint'], 120)}”" if row["complaint"] else ""
        facts.append(f"{formats.count(row['complaints'])} complaints{said}")
    if row["reviewers"]:
        facts.append(f"reviewed by {', '.join(row['reviewers'])}")
    address = escape(navigation.href("trace", trace=row["trace_id"]), quote=True)
    link = f'<a href="{address}" target="_self">trace {escape(row["trace_id"][:8])}</a>'
    return f'<p class="sl-note">{escape(" · ".join(facts))} · {link}</p>'


def _sentences(trace_id: str, answer: str, sentences: list[str], told: list[evidence.Statement]) -> set[int]:
    """Show the sentences, those ticked that a judge holds for unsupported; return the places of the ticked ones."""
    wrong, doubts, end = set(), evidence.places(answer, told), 0
    for place, sentence in enumerate(sentences):
        begin = answer.index(sentence, end)
        end = begin + len(sentence)
        doubted = any(first < end and last > begin for first, last, _ in doubts)
        # A dollar sign begins mathematics in Streamlit's labels, and other signs are markup.
        label = re.sub(r"([\\`*_{}\[\]()#+\-.!|<>~$:])", r"\\\1", sentence)
        if st.checkbox(label, value=doubted, key=f"wrong_{trace_id}_{place}"):
            wrong.add(place)
    return wrong


def _passages(held: Conversation | None) -> None:
    passages = held.passages if held else ()
    if not passages:
        empty_message("No passage was captured.")
        return
    for place, passage in enumerate(passages[:_PASSAGES], 1):
        title = escape(passage.title or passage.identity or f"passage {place}")
        st.html(
            f'<div class="sl-passage"><header>[{place}] {title}</header><p>{escape(passage.content[:4000])}</p></div>'
        )
    if len(passages) > _PASSAGES:
        note(f"The first {_PASSAGES} of {formats.count(len(passages))}; the trace has all of them.")


def _reviews(rows: list[asking.Row]) -> None:
    if not rows:
        return
    pairs, agreed, beyond = people.agreement(rows)
    good = sum(bool(row["value"]) for row in rows)
    reviewers = {row["reviewer"] for row in rows}
    with panel("Reviews of the window", f"{formats.count(len(rows))} by {formats.count(len(reviewers))} reviewers"):
        told = f"{formats.share_of(good, len(rows))} are good."
        if agreed is None:
            told += " No answer has two reviewers yet."
        else:
            told += f" Of {formats.count(pairs)} pairs of verdicts on one answer {formats.share(agreed)} agree"
            told += f"; beyond chance (Scott's pi): {formats.significant(beyond)}." if beyond is not None else "."
        note(told)
        _table(rows[:50])


def _table(rows: list[asking.Row]) -> None:
    columns = [
        Column("Given", link=True),
        Column("Reviewer"),
        Column("Verdict"),
        Column("Why", wrap=True),
        Column("From"),
        Column("Trace", mono=True),
    ]
    table(
        columns,
        [
            TableRow(
                cells=(
                    local_time(row["given_ms"]),
                    row["reviewer"],
                    row["label"],
                    formats.shortened(row["comment"], 200) or NONE,
                    row["note"].removeprefix("queue: "),
                    row["trace_id"][:8],
                ),
                page="trace",
                params={"trace": row["trace_id"]},
                tones=["", "", "bad" if row["label"] == "bad" else ""],
            )
            for row in rows
        ],
        key="reviews",
        empty="No review.",
        offer=Offer(rows, content=True),
    )

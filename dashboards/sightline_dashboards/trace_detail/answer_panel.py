"""The panel of an answer: what was asked and answered, the passages, the scores, and which sentences they doubt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import streamlit as st

from sightline_dashboards import formats
from sightline_dashboards.panels import empty_message, note, panel
from sightline_dashboards.trace_detail import evidence, payloads
from sightline_store.contents.parts import Message, Part, PartKind
from sightline_store.contents.traces import Conversation

_LONG_TEXT_CHARS, _LONG_TEXT_LINES = 2500, 30  # a longer text gets a scroll bar
_TITLE = "Answer and its grounds"
_HOW_TO_CAPTURE = (
    "Sightline's library records them only with SIGHTLINE_CAPTURE=truncated or full. Other instrumentations have "
    "settings of their own, such as OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT, TRACELOOP_TRACE_CONTENT and "
    "OPENINFERENCE_HIDE_OUTPUTS. Texts older than SIGHTLINE_STORE_RETENTION_CONTENT_DAYS are removed where that is set."
)


def score_line(score: Mapping[str, Any]) -> str:
    """Return one score with its reason as HTML; every text in it is escaped."""
    value = formats.score(score["value"]) if score["value"] is not None else "unknown"
    judge = " ".join(part for part in (score["judge"] or score["source"], score["judge_version"]) if part)
    details = " · ".join(escape(part) for part in (judge, score["note"], score["label"], score["error_type"]) if part)
    reason = f"<p>{escape(score['explanation'])}</p>" if score["explanation"] else ""
    return f'<div class="sl-score"><b>{escape(score["name"])} {value}</b> <span>{details}</span>{reason}</div>'


def show(conversation: Conversation, scores: Sequence[Mapping[str, Any]], *, is_hidden: bool = False) -> None:
    """Show question, answer, passages and scores of the trace; where they are hidden, the scores alone."""
    if is_hidden:
        with panel(_TITLE):
            note("What was asked and answered is hidden: you may not read prompts, answers and passages.")
            st.html(_score_lines(scores))
        return
    passages = conversation.passages
    with panel(
        _TITLE,
        f"{formats.count(len(passages))} passages given" if passages else "no passages captured",
    ):
        is_asked = show_words("Question", conversation.question, _beside_the_question(conversation))
        is_answered = _show_answer(conversation, scores)
        if conversation.is_answer_cut:
            note("The end of the answer is missing: a limit on the length of a value cut it off.")
        if not is_answered:
            what = "No answer was captured" if is_asked else "No prompt and no answer were captured"
            empty_message(f"{what}: {_HOW_TO_CAPTURE}")
        if len(conversation.asked) > 1:
            count = formats.count(len(conversation.asked))
            with st.expander(f"Everything that the model was given ({count} messages)"):
                show_messages(conversation.asked)
        lines = _score_lines(scores)
        if passages:
            passages_column, scores_column = st.columns([3, 2], gap="small")
            passages_column.html(payloads.passage_cards(passages, conversation.answer))
            scores_column.html(lines)
        else:
            st.html(lines)


def _score_lines(scores: Sequence[Mapping[str, Any]]) -> str:
    """The scores as HTML, those of groundedness first."""
    first = {name: place for place, name in enumerate(evidence.NAMES)}
    in_order = sorted(scores, key=lambda score: first.get(score["name"], len(first)))
    lines = "".join(score_line(score) for score in in_order)
    return lines or '<p class="sl-note">Not scored yet. <code>sightline-evals run</code> judges a sample.</p>'


def _beside_the_question(conversation: Conversation) -> list[Part]:
    """Images and files of the user's last message; without any words the data that went in."""
    from_users = [message for message in conversation.asked if message.role in {"user", ""}]
    worded = [message for message in from_users if message.text] or from_users
    hidden = {PartKind.TOOL_CALL, PartKind.TOOL_RESULT} | ({PartKind.DATA} if conversation.question else set())
    return [part for message in worded[-1:] for part in message.parts if part.kind not in hidden]


def _show_answer(conversation: Conversation, scores: Sequence[Mapping[str, Any]]) -> bool:
    """Show the answer, with its unsupported sentences marked; return whether there was anything to show."""
    parts = [part for message in conversation.answered for part in message.parts]
    chosen = evidence.judged(scores)
    if chosen is None or not conversation.answer or not evidence.unsupported(chosen[1]):
        return show_words("Answer", conversation.answer, parts)
    score, told = chosen
    shown, cut = payloads.bounded(conversation.answer)
    st.html('<p class="sl-role">Answer</p>' + evidence.marked_html(shown, told))
    st.html(evidence.legend_html(shown, told, f"{score['judge']} {score['judge_version']}".strip()))
    with st.expander("As plain text, to copy"):
        st.html(payloads.to_copy(shown))
    if cut:
        note(cut)
    if others := payloads.parts_html(parts):
        st.html(others)
    return True


def show_words(label: str, text: str, parts: Sequence[Part]) -> bool:
    """Show a text and the parts beside it under a label; return whether there was anything to show."""
    others = payloads.parts_html(parts)
    if not (text or others):
        return False
    if label:
        st.html(f'<p class="sl-role">{escape(label)}</p>')
    if text:
        shown, cut = payloads.bounded(text)
        is_long = len(shown) > _LONG_TEXT_CHARS or shown.count("\n") > _LONG_TEXT_LINES
        st.html(payloads.to_copy(shown, is_long=is_long))
        if cut:
            note(cut)
    if others:
        st.html(others)
    return True


def show_messages(messages: Sequence[Message]) -> None:
    """Show messages in their order, each under its role."""
    shown, left_out = payloads.bounded_messages(messages)
    for message in shown:
        show_words(message.role, message.text, message.parts)
    if left_out:
        note(left_out)

"""Answers picked from the prompt, word for word: what `sightline-model` does without a language model.

The best sentences of the best passages are joined and cited. Nothing is invented, nothing is understood; the same
prompt gives the same answer. :mod:`sightline_app.model_server.extractive_api` says so on every response.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sightline_app.analysis import related, sentences, terms

DONT_KNOW = "I don't know: the passages I was given do not answer this."
"""The answer when nothing fits."""

MAX_SENTENCES = 4
"""Sentences in an answer."""

_MIN_COVERAGE = 0.25
_TOKEN = re.compile(r" ?[^\W\d_]{1,6}| ?\d{1,3}| ?[^\w\s]| ?_|\s+")
_PASSAGE = re.compile(r"^\[(\d+)\][ \t]*(.*)$", re.MULTILINE)
_QUESTION = re.compile(r"^\s*(?:question|query|q)\s*:\s*(.+)\Z", re.IGNORECASE | re.MULTILINE | re.DOTALL)


def tokens(text: str) -> list[str]:
    """Split a text into tokens; joined again they are the text.

    The rule: up to six letters, up to three digits, or one other sign, each with at most one space before it; other
    white space is a token of its own. English documentation comes to about 4 characters a token, as with common
    sub-word vocabularies.
    """
    return _TOKEN.findall(text)


def count_prompt_tokens(messages: Sequence[tuple[str, str]]) -> int:
    """Count a prompt's tokens: those of each (role, content), 4 for each message and 3 for the answer's start."""
    return 3 + sum(4 + len(tokens(content)) for _, content in messages)


@dataclass(frozen=True)
class Block:
    """A numbered passage of a prompt."""

    number: int
    title: str
    text: str


def parse_prompt(messages: Sequence[tuple[str, str]]) -> tuple[str, list[Block]]:
    """Find the question and the passages in a chat.

    Passages are lines ``[n] title`` with text below, in the last user message, then in the system message. The question
    follows ``Question:``, else it is the last paragraph of the last user message. A context without numbers is one
    passage.
    """
    asked = next((content for role, content in reversed(messages) if role == "user"), "")
    system = "\n\n".join(content for role, content in messages if role in {"system", "developer"})
    match = _QUESTION.search(asked)
    if match:
        question, context = match[1].strip(), asked[: match.start()]
    else:
        paragraphs = [part for part in re.split(r"\n\s*\n", asked) if part.strip()]
        question, context = (paragraphs[-1].strip() if paragraphs else ""), "\n\n".join(paragraphs[:-1])
    for source in (context, system):
        if blocks := _blocks(source):
            return question, blocks
    return question, [Block(1, "", context)] if context.strip() else []


def _blocks(text: str) -> list[Block]:
    starts = list(_PASSAGE.finditer(text))
    ends = [*(match.start() for match in starts[1:]), len(text)][: len(starts)]
    return [
        Block(int(match[1]), match[2].strip(), text[match.end() : end].strip())
        for match, end in zip(starts, ends, strict=True)
    ]


def answer(messages: Sequence[tuple[str, str]]) -> str:
    """Return the answer to a chat: sentences of its passages with citations, or :data:`DONT_KNOW`."""
    question, blocks = parse_prompt(messages)
    ideas = related(question)
    if not ideas or not blocks:
        return DONT_KNOW
    scored = [
        (_coverage(ideas, f"{block.title} {block.text}") - 0.02 * rank, block) for rank, block in enumerate(blocks)
    ]
    best = max(score for score, _ in scored)
    if best < _MIN_COVERAGE:
        return DONT_KNOW
    chosen = sorted((pair for pair in scored if pair[0] >= 0.75 * best), key=lambda pair: -pair[0])[:2]
    parts: list[str] = []
    room = MAX_SENTENCES
    for position, (_, block) in enumerate(chosen):
        wanted = room if position == len(chosen) - 1 else max(2, room - 1)
        picked = _pick(ideas, block, wanted)
        room -= len(picked)
        if picked:
            name = re.sub(r"^(?:class|module) ", "", block.title).split("(")[0].split(":")[0].strip()
            lead = f"{name}: " if name else ""
            parts.append(f"{lead}{' '.join(picked)} [{block.number}]")
        if room <= 0:
            break
    return "\n\n".join(parts) or DONT_KNOW


def _coverage(ideas: Mapping[str, Sequence[str]], text: str) -> float:
    """Return the share of the question's words that a text holds; a related word counts for 0.6."""
    held = set(terms(text))
    found = sum(1.0 if term in held else 0.6 if held.intersection(others) else 0.0 for term, others in ideas.items())
    return found / len(ideas)


def _pick(ideas: Mapping[str, Sequence[str]], block: Block, wanted: int) -> list[str]:
    """Return the first sentence and those that fit best, in the text's order."""
    prose = re.sub(r"^\s*(?:>>>|\.\.\.).*$", "", block.text, flags=re.MULTILINE)
    found = [sentence for sentence in sentences(prose) if len(sentence) > 8][:40]
    if not found:
        return []
    ranked = sorted(range(1, len(found)), key=lambda place: (-_coverage(ideas, found[place]), place))
    keep = [0, *[place for place in ranked if _coverage(ideas, found[place]) > 0][: wanted - 1]]
    return [_closed(found[place][:400]) for place in sorted(keep)]


def _closed(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?", ":")) else f"{sentence}."

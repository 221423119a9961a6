"""What spans carry is read with distrust."""

import json

from sightline_dashboards import payloads


def test_messages_become_text_with_their_roles() -> None:
    """A prompt of two messages shows the role of each."""
    told = json.dumps(
        [
            {"role": "system", "parts": [{"type": "text", "content": "Cite."}]},
            {"role": "user", "parts": [{"type": "text", "content": "Why?"}]},
        ]
    )
    assert payloads.messages_text(told) == "[system]\nCite.\n\n[user]\nWhy?"


def test_text_that_is_no_message_list_stays_as_it_came() -> None:
    """Broken or foreign payloads are shown, not dropped."""
    for value in ("plain", '{"role": "user"}', "[1, 2]", '[{"role": "user"', ""):
        assert payloads.messages_text(value) == value


def test_passages_survive_odd_documents() -> None:
    """Absent scores are unknown; what is no document is left out."""
    attributes = {
        "gen_ai.retrieval.documents": json.dumps(
            [{"id": 7, "score": True}, "x", {"title": "T", "score": 0.5, "content": "c"}]
        )
    }
    first, second = payloads.passages(attributes)
    assert (first.identity, first.title, first.score, first.content) == ("7", "7", None, "")
    assert (second.title, second.score) == ("T", 0.5)
    assert payloads.passages({"gen_ai.retrieval.documents": "{"}) == []


def test_reranked_passages_are_preferred() -> None:
    """Reranked passages take precedence over retrieved ones."""
    attributes = {
        "gen_ai.retrieval.documents": json.dumps([{"id": "a"}]),
        "sightline.rerank.documents": json.dumps([{"id": "b"}]),
    }
    assert [passage.identity for passage in payloads.passages(attributes)] == ["b"]


def test_citations_are_numbers_in_brackets_or_names() -> None:
    """[1], [1, 3], a title or an id cite; [11] does not cite 1."""
    passage = payloads.Passage("doc-9", "html.escape", None, "")
    assert payloads.is_cited(passage, 1, "so [1].")
    assert payloads.is_cited(passage, 3, "so [1, 3].")
    assert not payloads.is_cited(passage, 1, "so [11].")
    assert payloads.is_cited(passage, 2, "use html.escape here")
    assert not payloads.is_cited(passage, 2, "nothing")

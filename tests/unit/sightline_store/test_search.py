"""The language of the search for requests, and its condition in SQL."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline_store.questions import asking, conditions
from sightline_store.questions.search import KEYS, MAX_TERMS, MEASURES, Kind, SearchError, Term, parse, text_of

HOSTILE = "'); DROP TABLE requests; -- {tenant:String} \\' \x00 ☃ %(x)s /* -- condition: search\n"
_TEXTS = st.one_of(st.text(min_size=1), st.just(HOSTILE)).filter(lambda text: bool(text.strip()))
_ATTRIBUTES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_\-/]{0,8}\.[A-Za-z0-9_]{1,8}", fullmatch=True).filter(
    lambda name: not name.lower().startswith("score.")
)
_FEW = settings(max_examples=50)
_MEASURES = st.one_of(
    st.sampled_from(MEASURES), _ATTRIBUTES, st.from_regex(r"score\.[A-Za-z0-9_\-]{1,9}", fullmatch=True)
)
_NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
_TERMS = st.one_of(
    st.builds(Term, st.just(Kind.WORDS), value=_TEXTS, negated=st.booleans()),
    st.builds(Term, st.just(Kind.FAILED), negated=st.booleans()),
    st.builds(
        Term, st.just(Kind.EQUALS), st.one_of(st.sampled_from(KEYS), _ATTRIBUTES), value=_TEXTS, negated=st.booleans()
    ),
    st.builds(
        Term,
        st.just(Kind.COMPARES),
        _MEASURES,
        st.sampled_from((">", ">=", "<", "<=", "=")),
        number=_NUMBERS,
        negated=st.booleans(),
    ),
)
_SEARCHES = st.lists(_TERMS, max_size=MAX_TERMS).map(tuple)


@_FEW
@given(_SEARCHES)
def test_what_is_written_is_read_as_it_was(terms: tuple[Term, ...]) -> None:
    """Whatever stands in the values."""
    assert parse(text_of(terms)) == terms


@_FEW
@given(st.text())
def test_any_text_is_read_or_refused_at_a_place_in_it(text: str) -> None:
    """Nothing else is raised, and what is read holds no blanks alone."""
    refused: SearchError | None = None
    terms: tuple[Term, ...] = ()
    try:
        terms = parse(text)
    except SearchError as exc:
        refused = exc
    if refused is not None:
        assert 1 <= refused.at <= len(text) + 1
        assert str(refused) == f"at character {refused.at}: expected {refused.expected}"
    else:
        assert parse(text_of(terms)) == terms
        assert bool(terms) == bool(text.strip())


def _like(term: Term) -> str:
    """Another value for which the same is read."""
    if not term.value:
        return ""
    if not conditions.reads_spans(term):
        return "0123456789abcdef"
    if not term.value.isascii():
        return "ö"
    return "0" if conditions.may_begin_id(term) else "x"


@_FEW
@given(_SEARCHES)
def test_no_value_becomes_a_part_of_the_statement(terms: tuple[Term, ...]) -> None:
    """The statement is the same for other values, names its parameters only, and these hold the values."""
    found = conditions.condition(terms)
    plain = tuple(
        replace(
            term,
            value=_like(term),
            key="a.b" if term.is_attribute else "score.x" if term.key.startswith("score.") else term.key,
            number=1.0,
        )
        for term in terms
    )
    other = conditions.condition(plain)
    text = found.put_into(asking.sql("traces"))
    assert text == other.put_into(asking.sql("traces"))
    assert set(re.findall(r"\{(\w+):", found.sql + found.hits)) - {"from", "to", "tenant", "model", "route"} <= {
        *found.params,
        "only_errors",
    }
    assert set(found.params) == set(other.params)
    assert HOSTILE not in text


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", ()),
        ("  time   limit ", (Term(Kind.WORDS, value="time"), Term(Kind.WORDS, value="limit"))),
        ('"time limit" -cache', (Term(Kind.WORDS, value="time limit"), Term(Kind.WORDS, value="cache", negated=True))),
        (r'"a \"b\" \\ c"', (Term(Kind.WORDS, value='a "b" \\ c'),)),
        ("Tenant:acme", (Term(Kind.EQUALS, "tenant", value="acme"),)),
        ('-gen_ai.x:"a b"', (Term(Kind.EQUALS, "gen_ai.x", value="a b", negated=True),)),
        ("cost>=.01", (Term(Kind.COMPARES, "cost", ">=", number=0.01),)),
        ("score.Groundedness<1e-1", (Term(Kind.COMPARES, "score.Groundedness", "<", number=0.1),)),
        ("error -error", (Term(Kind.FAILED), Term(Kind.FAILED, negated=True))),
        ('"error"', (Term(Kind.WORDS, value="error"),)),
        ("- -- <b>", (Term(Kind.WORDS, value="-"), Term(Kind.WORDS, value="--"), Term(Kind.WORDS, value="<b>"))),
        ("session-0041", (Term(Kind.WORDS, value="session-0041"),)),
    ],
)
def test_terms_are_read(text: str, terms: tuple[Term, ...]) -> None:
    """One line a rule."""
    assert parse(text) == terms


@pytest.mark.parametrize(
    ("text", "at", "expected"),
    [
        ("tennant:acme", 1, "one of tenant"),
        ("a tenant:", 10, "a value"),
        ("cost>cheap", 6, "a number"),
        ("ms>1e999", 4, "a number"),
        ("price>1", 1, "one of cost"),
        ("score.>1", 1, "one of cost"),
        ('x "time', 8, "a closing quote"),
        ('x " "', 4, "something between"),
        ('"a"b', 4, "a blank"),
        ("cost>1s", 7, "a blank"),
        (" a" * (MAX_TERMS + 1), 2 * MAX_TERMS + 2, "the end"),
    ],
)
def test_a_wrong_search_says_where_and_what_was_expected(text: str, at: int, expected: str) -> None:
    """The character, from 1."""
    with pytest.raises(SearchError) as caught:
        parse(text)
    assert caught.value.at == at
    assert caught.value.expected.startswith(expected)


def test_columns_are_asked_before_raw_spans() -> None:
    """Without words and attributes no raw span is read; with them only those of requests that hold the rest."""
    assert not conditions.condition(parse("tenant:a cost>1 0123456789abcdef")).hits
    both = conditions.condition(parse("tenant:a time -gen_ai.x:1"))
    assert "otel_traces" not in both.sql
    assert both.hits.count("search_1_value") == 3  # wherever the requests that are read stand
    assert both.params.items() >= conditions.limits().items()
    assert "bitTest(transform(TraceHash, search_hits.1, search_hits.2, toUInt16(0)), 0) AND NOT bitTest" in both.sql
    left_out = conditions.condition(parse("tenant:a time"), raw=conditions.Raw.LEFT_OUT)
    assert left_out == conditions.condition(parse("tenant:a"))


def test_behind_the_reach_of_a_search_words_are_parts_of_names() -> None:
    """Or the beginning of a trace's id, which facts of requests do not have."""
    for of_facts in (False, True):
        named = conditions.condition(parse("tenant:a time"), raw=conditions.Raw.BEHIND, of_facts=of_facts)
        assert not named.hits
        assert named.sql.count("search_2_value") == 2
        assert "SessionId" in named.sql
    assert "startsWith(TraceId" in conditions.condition(parse("cafe"), raw=conditions.Raw.BEHIND).sql
    assert not conditions.facts_have(parse("tenant:a cafe"))
    assert conditions.facts_have(parse("tenant:a time a.b:1"))
    assert conditions.reaches_names(parse("tenant:a -user:b time"))
    assert not conditions.reaches_names(parse("time -limit"))
    assert not conditions.reaches_names(parse("a.b>1"))


@pytest.mark.parametrize("text", ["cost>1", "tokens>1", "score.x>1", "stage:a", "model:a", "error", "ms>1", "-ttft>1"])
def test_facts_answer_the_terms_that_columns_answer(text: str) -> None:
    """Without a look at another table."""
    of_rows, of_facts = (conditions.condition(parse(text), of_facts=of_facts) for of_facts in (False, True))
    assert "SELECT" not in of_facts.sql
    assert of_facts.params.keys() == of_rows.params.keys()


def test_words_are_looked_for_as_json_spells_them_too() -> None:
    """A quote and a letter beyond ASCII stand escaped in an attribute that is JSON."""
    params = conditions.condition(parse(r'"\"é"')).params
    assert params["search_1_spellings"] == ['"é', '\\"é', '\\"\\u00e9']


def test_a_negated_comparison_is_the_inverse_one() -> None:
    """What is unknown holds neither."""
    assert "DurationMs <= {search_1_number:Float64}" in conditions.condition(parse("-ms>5")).sql

"""The offline judge: what it calls unsupported, that it is steady, and what it is known not to see."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_evals.judges.offline import NAME, VERSION, OfflineJudge, groundedness

CONTEXT = """\
shutil.copytree(src, dst) recursively copies an entire directory tree rooted at src to a directory named dst and
returns the destination directory. All intermediate directories needed to contain dst will also be created by default.
If dirs_exist_ok is false (the default) and dst already exists, a FileExistsError is raised.
Changed in version 3.8: the dirs_exist_ok parameter was added. Symbolic links are not copied as links by default.
"""

PAIRS = [
    ("It copies a whole directory tree to dst.", "It uploads a whole directory tree to a web server."),
    ("It returns the destination directory.", "It returns the number of copied bytes."),
    ("Intermediate directories are created by default.", "Intermediate directories need elevated privileges."),
    ("The dirs_exist_ok parameter was added in version 3.8.", "The dirs_exist_ok parameter was added in version 3.4."),
    ("A FileExistsError is raised if dst already exists.", "A PermissionError is raised if Windows locks dst."),
    ("Symbolic links are not copied as links by default.", "Guido van Rossum wrote it in Amsterdam."),
]


@pytest.mark.parametrize(("supported", "unsupported"), PAIRS)
def test_supported_statements_come_before_unsupported_ones(supported: str, unsupported: str) -> None:
    """Of two statements on one passage, the invented one is the less probable."""
    judge = OfflineJudge()
    good, bad = judge.evidence(supported, CONTEXT), judge.evidence(unsupported, CONTEXT)
    assert good.p_unsupported < bad.p_unsupported
    assert judge.supported(good)


def test_a_wrong_number_a_wrong_name_and_a_denial_each_count() -> None:
    """One changed fact in a sentence otherwise taken from the passage raises the probability."""
    judge = OfflineJudge()
    context = "The store in Berlin holds 300 books and it opens at nine."
    said = judge.evidence("The store in Berlin holds 300 books.", context).p_unsupported
    number = judge.evidence("The store in Berlin holds 900 books.", context)
    name = judge.evidence("The store in Madrid holds 300 books.", context)
    denial = judge.evidence("The store in Berlin never holds 300 books.", context)
    assert number.features.unknown_numbers == 1
    assert name.features.unknown_names == 1
    assert denial.features.turned
    assert min(number.p_unsupported, name.p_unsupported, denial.p_unsupported) > said + 0.03
    assert "1 number(s) not in it" in number.reason()
    assert not judge.supported(number)
    assert not judge.supported(denial)


def test_wrongly_combined_words_are_not_detected() -> None:
    """The documented limit of a lexical judge: a false claim made of the passage's words counts as supported."""
    judge = OfflineJudge()
    assert judge.supported(judge.evidence("The dog bit the man.", "The man bit the dog."))


def test_verbatim_text_is_supported_and_text_of_another_world_is_not() -> None:
    """The two ends of the scale."""
    judge = OfflineJudge()
    for statement in judge.statements(CONTEXT):
        assert judge.evidence(statement, CONTEXT).p_unsupported < 0.2
    assert judge.evidence("Volcanoes erupt molten rock.", CONTEXT).p_unsupported > 0.85
    assert judge.evidence("Volcanoes erupt molten rock.", "").p_unsupported > 0.85


def test_usefulness_of_passages() -> None:
    """The passage behind an answer is useful, one on another subject is not."""
    judge = OfflineJudge()
    question, answer = "How do I copy a folder?", "Use shutil.copytree, which copies an entire directory tree."
    assert judge.useful(question, CONTEXT, answer)[0]
    useful, reason = judge.useful(question, "Decimal numbers keep their precision in arithmetic.", answer)
    assert not useful
    assert "holds only" in reason


def test_the_threshold_moves_verdicts_and_shows_in_the_version() -> None:
    """Scores of two thresholds do not compare, so they do not share a version."""
    strict = OfflineJudge(threshold=0.1)
    evidence = strict.evidence("It copies a whole directory tree to dst.", CONTEXT)
    assert not strict.supported(evidence)
    assert OfflineJudge().supported(evidence)
    assert (OfflineJudge().version, strict.version) == (VERSION, f"{VERSION}@0.1")
    assert OfflineJudge().name == NAME


def test_the_version_fixes_the_numbers() -> None:
    """Whoever changes these numbers changes `VERSION`: stored scores are compared across runs."""
    judge = OfflineJudge()
    found = [round(judge.evidence(text, CONTEXT).p_unsupported, 3) for pair in PAIRS for text in pair]
    assert VERSION == "lexical-2"
    assert found == [0.303, 0.693, 0.094, 0.622, 0.099, 0.465, 0.089, 0.371, 0.089, 0.78, 0.08, 0.955]


def test_groundedness_falls_with_the_worst_statement() -> None:
    """One invented statement among many shows; no statement has no score."""
    assert groundedness([0.0, 0.0]) == 1
    assert groundedness([0.1] * 9 + [0.9]) < groundedness([0.18] * 10)
    assert math.isnan(groundedness([]))


@given(st.text(max_size=200), st.text(max_size=400))
def test_any_texts_have_a_probability(statement: str, context: str) -> None:
    """No text breaks the judge, and the probability is one."""
    assert 0 <= OfflineJudge().evidence(statement, context).p_unsupported <= 1

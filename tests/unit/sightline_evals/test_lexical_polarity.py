# ruff: noqa: RUF001 - text of other languages
"""Statements that say the opposite of their passage, and those that only look like it."""

import pytest

from sightline_evals.judges.offline import OfflineJudge

TURNED = [
    ("The warranty does not cover batteries.", "The warranty covers batteries."),
    ("The warranty covers batteries.", "The warranty does not cover batteries."),
    ("We never ship to Alaska.", "We do ship to Alaska."),
    ("We ship to Alaska.", "We never ship to Alaska."),
    ("Gift cards cannot be refunded.", "Gift cards can be refunded."),
    ("Gift cards can be refunded.", "Gift cards cannot be refunded."),
    ("Items can be returned without a receipt.", "Items can be returned with a receipt."),
    ("Items can be returned with a receipt.", "Items can be returned without a receipt."),
    ("The service is unavailable on Sundays.", "The service is available on Sundays."),
    ("The service is available on Sundays.", "The service is unavailable on Sundays."),
    ("There are no fees for transfers.", "There are fees for transfers."),
    ("There are fees for transfers.", "There are no fees for transfers."),
    ("Nobody may enter the lab.", "Everybody may enter the lab."),
    ("You may cancel before the trial ends.", "You may cancel only after the trial ends."),
    ("You may cancel only after the trial ends.", "You may cancel before the trial ends."),
    ("A signature is required.", "A signature is optional."),
    ("A signature is required.", "A signature is not required."),
    ("The deposit is refundable.", "The deposit is non-refundable."),
    ("The warranty covers screens but does not cover batteries.", "The warranty covers batteries."),
    ("The warranty covers screens but does not cover batteries.", "The warranty does not cover screens."),
    ("The warranty covers neither screens nor batteries.", "The warranty covers screens and batteries."),
    ("Orders over 50 euros ship free.", "Orders under 50 euros ship free."),
    ("Returns take at most 14 days.", "Returns take at least 14 days."),
    ("The policy excludes flood damage.", "The policy covers flood damage."),
    ("The function fails to close the file.", "The function closes the file."),
    ("If the file doesn't exist, an error is raised.", "An error is raised when the file exists."),
    ("Staff are no longer required to wear masks.", "Staff are required to wear masks."),
    ("Die Garantie deckt Batterien nicht ab.", "Die Garantie deckt Batterien ab."),
    ("Die Garantie deckt Batterien ab.", "Die Garantie deckt keine Batterien ab."),
    ("La garantie ne couvre pas les batteries.", "La garantie couvre les batteries."),
    ("La garantía no cubre las baterías.", "La garantía cubre las baterías."),
    ("La garanzia non copre le batterie.", "La garanzia copre le batterie."),
    ("A garantia não cobre as baterias.", "A garantia cobre as baterias."),
    ("De garantie dekt batterijen niet.", "De garantie dekt batterijen."),
    ("Ta gwarancja nie obejmuje ekranu telefonu.", "Ta gwarancja obejmuje ekran telefonu."),
    ("保修不包括电池。", "保修包括电池。"),
    ("保修包括电池。", "保修不包括电池。"),
    ("保証は電池を対象としません。", "保証は電池を対象とします。"),
    ("การรับประกันไม่ครอบคลุมแบตเตอรี่", "การรับประกันครอบคลุมแบตเตอรี่"),
    ("보증은 배터리를 포함하지 않습니다.", "보증은 배터리를 포함합니다."),
]

UNTURNED = [
    ("The warranty covers screens but does not cover batteries.", "The warranty covers screens."),
    ("The warranty covers screens but does not cover batteries.", "The warranty does not cover batteries."),
    ("A signature is optional.", "A signature is not required."),
    ("Install the driver before the tool.", "Install the tool after the driver."),
    ("Python is faster than Ruby.", "Ruby is slower than Python."),
    ("The battery is not included and must be bought separately.", "The battery must be bought separately."),
    ("Returns are not possible without a receipt.", "Returns are possible only with a receipt."),
    ("The plan does not cost anything.", "The plan costs nothing."),
    ("The policy excludes flood damage.", "The policy does not cover flood damage."),
    ("Not only screens but also batteries are covered.", "Screens and batteries are covered."),
    ("It's not possible to change the name later.", "It is impossible to change the name later."),
    ("Encrypted images aren't scanned by the advisor.", "No, the advisor does not scan encrypted images."),
    ("You can change it only if no change is scheduled.", "You can change it if a change is not scheduled."),
    ("Without a key the door does not open.", "The door does not open without a key."),
    ("Pets are welcome in the garden but not in the restaurant.", "Pets are not welcome in the restaurant."),
    ("Die Garantie deckt Batterien nicht ab.", "Die Garantie deckt keine Batterien ab."),
    ("保修包括电池。屏幕也有保修。", "保修包括电池，屏幕也有保修。"),
    ("保証は電池を対象とします。", "保証は電池を対象とします。"),
]


@pytest.mark.parametrize(("context", "statement"), TURNED)
def test_the_opposite_of_a_passage_is_unsupported(context: str, statement: str) -> None:
    """A policy turned into its opposite has all the words of the policy, and does not pass."""
    judge = OfflineJudge()
    evidence = judge.evidence(statement, context)
    assert evidence.features.turned
    assert not judge.supported(evidence)
    assert "says the opposite of the closest passage" in evidence.reason()


@pytest.mark.parametrize(("context", "statement"), UNTURNED)
def test_the_same_in_other_words_is_not_taken_for_the_opposite(context: str, statement: str) -> None:
    """Denials that agree, comparisons with both sides exchanged and double denials say the same."""
    assert not OfflineJudge().evidence(statement, context).features.turned


@pytest.mark.parametrize(
    ("context", "statement", "count"),
    [
        ("Screens are covered for 30 days and batteries for 60 days.", "Screens are covered for 60 days.", 1),
        ("Screens are covered for 30 days and batteries for 60 days.", "Screens are covered for 30 days.", 0),
        ("Refunds take 5 days. Exchanges take 10 days.", "Refunds take 10 days.", 1),
        ("Refunds take 5 days. Exchanges take 10 days.", "Exchanges take 10 days.", 0),
        ("Refunds are processed within 14 days.", "Refunds are processed within 41 days.", 1),
        ("The price is 40.00 dollars.", "The price is 40 dollars.", 0),
    ],
)
def test_a_number_in_the_place_of_another_counts(context: str, statement: str, count: int) -> None:
    """A number that the passages give for something else does not support the statement."""
    judge = OfflineJudge()
    evidence = judge.evidence(statement, context)
    assert evidence.features.misplaced_numbers == count
    assert judge.supported(evidence) is (count == 0)


def test_what_is_known_not_to_be_seen() -> None:
    """The documented limits: roles exchanged, numbers exchanged within a statement, a denial lifted by ``unless``."""
    judge = OfflineJudge()
    for context, statement in (
        ("The man bit the dog.", "The dog bit the man."),
        ("The park opens at 8 and closes at 20.", "The park opens at 20 and closes at 8."),
        ("Photos are not uploaded unless you agree.", "Photos are uploaded unless you agree."),
    ):
        assert judge.supported(judge.evidence(statement, context))

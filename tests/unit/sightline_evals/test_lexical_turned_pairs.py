"""Two lists of short statements, written apart from the rules for turned statements: what docs/judge.md counts."""

import pytest

from sightline_evals.judges.offline import OfflineJudge

AFTER_THE_FIRST_RULES = [
    (
        "Employees must not share their passwords with colleagues.",
        "Employees must share their passwords with colleagues.",
        True,
    ),
    (
        "You can cancel the subscription at any time before renewal.",
        "You can cancel the subscription at any time after renewal.",
        True,
    ),
    ("Children under 12 need an adult.", "Children under 12 do not need an adult.", True),
    ("The API does not support pagination for this endpoint.", "The API supports pagination for this endpoint.", True),
    (
        "Visitors are allowed to take photographs inside the museum.",
        "Visitors are not allowed to take photographs inside the museum.",
        True,
    ),
    ("Deleted files cannot be recovered after 30 days.", "Deleted files can be recovered after 30 days.", True),
    ("The cache is never cleared automatically.", "The cache is cleared automatically.", True),
    ("Passengers without a ticket pay a fine.", "Passengers with a ticket pay a fine.", True),
    ("The temperature must stay below 40 degrees.", "The temperature must stay above 40 degrees.", True),
    ("The contract is invalid without a signature.", "The contract is valid without a signature.", True),
    ("Interest rates rose in March.", "Interest rates fell in March.", True),
    ("Payment is possible only after registration.", "Payment is possible before registration.", True),
    ("No data is stored outside the European Union.", "Data is stored outside the European Union.", True),
    ("The medicine should not be taken with alcohol.", "The medicine should be taken with alcohol.", True),
    ("The function returns None if the key is missing.", "The function raises an error if the key is missing.", False),
    ("Shipping is free for orders above 50 euros.", "Shipping is not free for orders above 50 euros.", True),
    ("The library is closed on public holidays.", "The library is open on public holidays.", True),
    ("Version 2 removed support for Windows 7.", "Version 2 added support for Windows 7.", True),
    ("The maximum speed is 120 km per hour.", "The minimum speed is 120 km per hour.", True),
    ("Refunds are processed within 14 days.", "Refunds are processed within 41 days.", True),
    ("The park opens at 8 and closes at 20.", "The park opens at 20 and closes at 8.", True),
    ("Nobody was injured in the fire.", "Several people were injured in the fire.", True),
    ("The deposit is refundable.", "The deposit is non-refundable.", True),
    ("The deposit is nonrefundable.", "The deposit is refundable.", True),
    ("Logging is disabled by default.", "Logging is enabled by default.", True),
    ("Smoking is prohibited in all rooms.", "Smoking is permitted in all rooms.", True),
    ("The first train leaves at 5.", "The last train leaves at 5.", True),
    ("None of the samples contained lead.", "All of the samples contained lead.", True),
    ("The warranty covers neither screens nor batteries.", "The warranty covers screens and batteries.", True),
    ("Pets are welcome in the garden but not in the restaurant.", "Pets are welcome in the restaurant.", True),
    (
        "Employees must not share their passwords with colleagues.",
        "Passwords must not be shared with colleagues.",
        False,
    ),
    (
        "You can cancel the subscription at any time before renewal.",
        "The subscription can be cancelled before renewal.",
        False,
    ),
    ("The API does not support pagination for this endpoint.", "Pagination is not supported for this endpoint.", False),
    ("Deleted files cannot be recovered after 30 days.", "After 30 days deleted files can't be recovered.", False),
    ("The cache is never cleared automatically.", "The cache is not cleared automatically.", False),
    ("Shipping is free for orders above 50 euros.", "Orders above 50 euros ship free.", False),
    ("Pets are welcome in the garden but not in the restaurant.", "Pets are welcome in the garden.", False),
    ("Pets are welcome in the garden but not in the restaurant.", "Pets are not welcome in the restaurant.", False),
    (
        "If you do not pay within 10 days, the order is cancelled.",
        "The order is cancelled if you don't pay within 10 days.",
        False,
    ),
    (
        "The service is free. It does not require an account.",
        "The service is free and does not require an account.",
        False,
    ),
    ("Files are not encrypted unless you set a password.", "Files are not encrypted unless a password is set.", False),
    ("The tool is safe and has no side effects.", "The tool has no side effects and is safe.", False),
    ("There is no limit on the number of users.", "The number of users is not limited.", False),
    ("The park opens at 8 and closes at 20.", "The park closes at 20.", False),
    ("Without a key the door does not open.", "The door does not open without a key.", False),
    ("Students pay 5 euros, adults pay 10 euros.", "Adults pay 10 euros and students pay 5 euros.", False),
    ("The engine is not only quiet but also cheap.", "The engine is quiet and cheap.", False),
    ("Version 3.8 added the parameter dirs_exist_ok.", "The dirs_exist_ok parameter was added in version 3.8.", False),
    ("Lowering the threshold increases recall.", "Recall increases when the threshold is lowered.", False),
]
"""(passage, statement, whether it says the opposite): misses of this list were mended in the rules."""

AFTER_THE_LAST_RULES = [
    ("Tenants may keep cats.", "Tenants may not keep cats.", True),
    (
        "The insurance does not pay for theft from an unlocked car.",
        "The insurance pays for theft from an unlocked car.",
        True,
    ),
    ("Messages are deleted after they were read.", "Messages are never deleted after they were read.", True),
    ("Guests can check in without identification.", "Guests cannot check in without identification.", True),
    ("The drug must be taken before meals.", "The drug must be taken after meals.", True),
    ("The office is not accessible by wheelchair.", "The office is accessible by wheelchair.", True),
    ("Unsaved changes are lost when the window closes.", "Saved changes are lost when the window closes.", True),
    ("Applications submitted late are accepted.", "Applications submitted late are rejected.", True),
    ("The bridge is safe for heavy trucks.", "The bridge is unsafe for heavy trucks.", True),
    ("At least three people must sign the form.", "At most three people must sign the form.", True),
    ("Profit increased by 12 percent.", "Profit decreased by 12 percent.", True),
    ("Profit increased by 12 percent.", "Profit increased by 21 percent.", True),
    ("The function ignores missing keys.", "The function does not ignore missing keys.", True),
    ("Nothing is charged for the first month.", "A fee is charged for the first month.", True),
    ("The manager can't approve his own requests.", "The manager can approve his own requests.", True),
    ("Photos are not uploaded unless you agree.", "Photos are uploaded unless you agree.", True),
    ("Dogs are not allowed on the beach in summer.", "Dogs are allowed on the beach in summer.", True),
    ("The test failed on Windows.", "The test passed on Windows.", True),
    ("Minors are excluded from the contest.", "Minors are included in the contest.", True),
    ("Transfers between own accounts cost nothing.", "Transfers between own accounts cost 5 euros.", True),
    (
        "Die Rückgabe ist ohne Kassenbon nicht möglich, aber der Umtausch schon.",
        "Die Rückgabe ist ohne Kassenbon möglich.",
        True,
    ),
    ("Les chiens ne sont pas admis dans le parc.", "Les chiens sont admis dans le parc.", True),
    ("No se aceptan tarjetas de crédito en la tienda.", "Se aceptan tarjetas de crédito en la tienda.", True),
    ("退款不适用于打折商品。", "退款适用于打折商品。", True),
    ("Tenants may keep cats but no dogs.", "Tenants may keep cats.", False),
    (
        "The insurance does not pay for theft from an unlocked car.",
        "Theft from an unlocked car is not paid for by the insurance.",
        False,
    ),
    ("Guests cannot check in without identification.", "Without identification guests can't check in.", False),
    (
        "Unsaved changes are lost when the window closes.",
        "Changes that were not saved are lost when the window closes.",
        False,
    ),
    ("The manager can't approve his own requests.", "The manager is not able to approve his own requests.", False),
    ("Dogs are not allowed on the beach in summer.", "In summer no dogs are allowed on the beach.", False),
    ("Minors are excluded from the contest.", "Minors are not included in the contest.", False),
    ("Apples are cheaper than pears and oranges are not.", "Apples are cheaper than pears.", False),
    ("The plan includes 10 users; each further user costs 4 euros.", "Each further user costs 4 euros.", False),
    ("The plan includes 10 users; each further user costs 4 euros.", "10 users are included in the plan.", False),
    ("Nothing is charged for the first month.", "The first month is not charged.", False),
    (
        "You do not need a visa if you stay less than 90 days.",
        "A visa is not needed for stays of less than 90 days.",
        False,
    ),
    ("The lecture starts at 10 and ends at 12.", "The lecture ends at 12.", False),
    ("Die Garantie gilt nicht für Akkus.", "Für Akkus gilt die Garantie nicht.", False),
    ("保証は電池には適用されません。", "電池には保証が適用されません。", False),
    ("Returns are free of charge.", "Returns are free.", False),
]
"""The same, written later: nothing was mended after it."""


@pytest.mark.parametrize(
    ("pairs", "turned", "caught", "same"), [(AFTER_THE_FIRST_RULES, 29, 28, 20), (AFTER_THE_LAST_RULES, 24, 22, 16)]
)
def test_how_many_turned_statements_are_caught(
    pairs: list[tuple[str, str, bool]], turned: int, caught: int, same: int
) -> None:
    """The figures of the model card, and no statement with the same meaning among them."""
    judge = OfflineJudge()
    flagged = [not judge.supported(judge.evidence(statement, passage)) for passage, statement, _ in pairs]
    opposite = [is_opposite for _, _, is_opposite in pairs]
    assert (sum(opposite), len(pairs) - sum(opposite)) == (turned, same)
    assert sum(flagged) == sum(a and b for a, b in zip(flagged, opposite, strict=True)) == caught

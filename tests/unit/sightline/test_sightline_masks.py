"""Ready-made masks: what must go goes, look-alikes stay, and no text makes them slow."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from secret_samples import KEYS, NAMED, NAMED_ENDS

from sightline import masks
from sightline.masks import personal

GONE = [
    (masks.EMAIL, "write to ada.l+tag@mail.example.co.uk, please", "write to [email], please"),
    (masks.EMAIL, "u=a%40b.com&x=1", "u=[email]&x=1"),
    (masks.EMAIL, "jörg@müller.example.", "[email]."),
    (masks.CARD, "card 4111 1111 1111 1111.", "card [card]."),
    (masks.CARD, "4111-1111-1111-1111 and 378282246310005", "[card] and [card]"),
    (masks.CARD, "4111 1111 1111 1111 123", "[card] 123"),
    (masks.CARD, "order 12 5555 5555 5555 4444", "order 12 [card]"),
    (masks.IBAN, "to DE89 3704 0044 0532 0130 00 and more", "to [iban] and more"),
    (masks.IBAN, "gb82west12345698765432", "[iban]"),
    (masks.IP, "from 10.0.0.1:4318 and 203.0.113.7.", "from [ip]:4318 and [ip]."),
    (masks.IP, "fe80::1%eth0 2001:db8::8a2e:370:7334", "[ip]%eth0 [ip]"),
    (masks.PHONE, "+49 171 1234567 or +1 (415) 555-2671", "[phone] or [phone]"),
    (masks.PHONE, "+49 171 1234567 2024-11-23", "[phone] 2024-11-23"),
    (masks.PHONE, "(415) 555-2671, 415-555-2671, 0171/1234567", "[phone], [phone], [phone]"),
    (masks.SECRET, "sk-proj-abcdefghij1234567890 x", "[secret] x"),
    (masks.SECRET, "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "[secret]"),
    (masks.SECRET, "AKIAIOSFODNN7EXAMPLE", "[secret]"),
    (masks.SECRET, "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc", "[secret]"),
    (masks.SECRET, "Authorization: Bearer abcdef123456789xyz", "Authorization: Bearer [secret]"),
    (masks.SECRET, 'password=hunter22 and "api_key": "abcd-1234"', 'password=[secret] and "api_key": "[secret]"'),
    (masks.SECRET, "postgres://user:pw@host/db", "postgres://user:[secret]@host/db"),
    (
        masks.SECRET,
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- tail",
        "[secret] tail",
    ),
    (masks.SECRET, "-----BEGIN PRIVATE KEY-----\nMIIE cut here", "[secret]"),
    (
        masks.SECRET,
        """{"password": "it's me"} password='say "it"' """,
        """{"password": "[secret]"} password='[secret]' """,
    ),
    (
        masks.SECRET,
        r"""{\"password\": \"it's me\"} pwd="a\"bcd" x""",
        r"""{\"password\": \"[secret]\"} pwd="[secret]" x""",
    ),
    (
        masks.SECRET,
        "password: O'Reilly99, pwd='it''s' secret=don't-tell",
        "password: [secret], pwd='[secret]' secret=[secret]",
    ),
    (masks.SECRET, r"a\npassword=hunter22\nBearer abcdef123456789xyz", r"a\npassword=[secret]\nBearer [secret]"),
    (masks.EMAIL, r"a\nada@example.org \u0022bob@example.org", r"a\n[email] \u0022[email]"),
    (masks.CARD, r"a\n4111 1111 1111 1111\n", r"a\n[card]\n"),
    (masks.IBAN, r"a\nDE89 3704 0044 0532 0130 00\n", r"a\n[iban]\n"),
    (masks.PHONE, r"a\t+49 171 1234567 \n0171/1234567\n", r"a\t[phone] \n[phone]\n"),
    (masks.IP, r"a\n10.0.0.1\n2001:db8::8a2e:370:7334\n", r"a\n[ip]\n[ip]\n"),
]
STAY = [
    "user@host, @decorator, package@1.2.3",
    "4111 1111 1111 1112",
    "1795451438600176049 and 0.4111111111111111",
    "550e8400-e29b-41d4-a716-446655440000",
    "38b4e652e44da7f20d9e260e271365aa",
    "a4111111111111111b",
    "DE00370400440532013000",
    "v1.2.3.4, 1.2.3.4.5, 1.2.3, 300.1.1.1",
    "12:34:56 std::vector a[1::2] x::y 10:20:30:40",
    "2024-11-23 17:12:56, 2024-11-23T17:12:56Z",
    "total tokens: 123456, max_tokens=4096, doc-506 0.8269",
    "the bearer instruments of 2024, basic research 101",
    "task-force-of-the-whole-department risk-management-in-practice",
    "eyJ and sk- and ghp_ alone",
    "password: that of the user, secret=True), api_key=null; token_count=12345678",
    "export PASSWORD=$(cat file) and `x-api-key: KEY`",
    "sizes 12 345 678 90 1234 5678 9012 3456 7890 12 34",
    "disk_usage_of_all_the_tables risk_score_2024_of_everything sk-learn-based-pipelines",
    "hf_hub_download_with_retry_2 npm_config_registry_of_2024_teams gsk_session_key_of_the_user_1",
    "xAKIAIOSFODNN7EXAMPLE AKIAIOSFODNN7EXAMPLES MASIAGROUPOFCOMPANIES1 ASIAPACIFICREGIONSALES2024",
    "password: that's what the user typed, the user's secret: let's see",
    "Sightline shows where every answer spends its time.",
]


@pytest.mark.parametrize(("mask", "text", "expected"), GONE)
def test_what_must_go_goes(mask: masks.Mask, text: str, expected: str) -> None:
    """Each mask finds its own, and all together leave none of it."""
    assert mask(text) == expected
    assert masks.ALL(text) != text


@pytest.mark.parametrize("text", STAY)
def test_lookalikes_stay(text: str) -> None:
    """Ids, versions, times and words that only look like it are left alone."""
    assert masks.ALL(text) == text


@pytest.mark.parametrize("issuer", KEYS)
def test_keys_of_every_issuer_go(issuer: str) -> None:
    """A key that stands alone goes as a whole, and nothing beside it."""
    for before, after in (
        ("", ""),
        ("use ", " now"),
        ("KEY_", "\n"),
        ("(", ")"),
        ("a-", ","),
        ("\u00fc", "\u00fc"),
        (r"\n", r"\n"),
    ):
        assert masks.SECRET(f"{before}{KEYS[issuer]}{after}") == f"{before}[secret]{after}"


@pytest.mark.parametrize("kind", NAMED)
def test_secrets_that_are_named_go(kind: str) -> None:
    """What a name tells is a secret goes; the name stays."""
    before, secret = NAMED[kind]
    after = NAMED_ENDS.get(kind, "")
    assert masks.SECRET(f"x {before}{secret}{after} y") == f"x {before}[secret]{after} y"


def with_check_digit(digits: str) -> str:
    """Return the digits with the Luhn digit behind them."""
    return next(digits + check for check in "0123456789" if masks.luhn(digits + check))


@settings(deadline=None)
@given(st.from_regex(r"4[0-9]{14}", fullmatch=True), st.sampled_from(["", " ", "-"]), st.sampled_from(["x ", "", "("]))
def test_every_card_is_found_and_its_neighbours_are_not(digits: str, separator: str, before: str) -> None:
    """A valid card number in groups of four goes; with a wrong check digit it stays."""
    good = with_check_digit(digits)
    if len(set(good)) == 1:
        return
    bad = good[:-1] + str((int(good[-1]) + 1) % 10)
    for number, expected in ((good, "[card]"), (bad, None)):
        grouped = separator.join(number[start : start + 4] for start in range(0, 16, 4))
        masked = masks.CARD(f"{before}{grouped}.")
        assert masked == f"{before}{expected or grouped}."


@settings(deadline=None)
@given(st.sampled_from(["DE", "FR", "GB", "NL", "NO", "MT"]), st.data(), st.booleans())
def test_every_iban_is_found(country: str, data: st.DataObject, spaced: bool) -> None:
    """A valid account number goes, spaced or not; with swapped check digits it stays."""
    length = personal._IBAN_LENGTHS[country] - 4
    body = data.draw(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=length, max_size=length))
    rest = int("".join(str(int(character, 36)) for character in f"{body}{country}00")) % 97
    number = f"{country}{98 - rest:02d}{body}"
    wrong = f"{country}{(98 - rest + 1) % 97 or 97:02d}{body}"
    for candidate, expected in ((number, "[iban]"), (wrong, None)):
        written = (
            " ".join(candidate[start : start + 4] for start in range(0, len(candidate), 4)) if spaced else candidate
        )
        assert masks.IBAN(f"to {written}, now") == f"to {expected or written}, now"


@settings(deadline=None, max_examples=300)
@given(st.text(st.sampled_from('a1@. :-+/=eyJskghpDE89BEGINRPVATbearer0123456789\n"')))
def test_masking_twice_is_masking_once(text: str) -> None:
    """What is masked holds nothing more to mask, and nothing raises."""
    once = masks.SECRET(text)
    assert masks.EMAIL(masks.EMAIL(text)) == masks.EMAIL(text)
    assert masks.SECRET(once) == once


@settings(deadline=None)
@given(st.ip_addresses())
def test_every_address_is_found(address: object) -> None:
    """IPv4 addresses go; IPv6 ones go unless they could be a slice or a name."""
    text = f"from {address} today"
    masked = masks.IP(text)
    if masked == text:
        assert ":" in str(address)
        assert all(len(group) < 3 for group in str(address).split(":"))
        assert str(address).count(":") < 6
    else:
        assert masked == "from [ip] today"


def test_masks_compose() -> None:
    """Masks and plain functions make one mask; it says what it holds."""
    both = masks.EMAIL | masks.CARD | (lambda text: text.replace("Ada", "[name]"))
    assert both("Ada a@b.example 4111111111111111 10.0.0.1") == "[name] [email] [card] 10.0.0.1"
    assert "e-mail, card" in repr(both)
    assert (str.upper | masks.EMAIL)("a@b.example") == "[email]"

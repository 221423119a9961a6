"""What the masks find, what they leave, and that no pattern can stall the collector."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from re._parser import SubPattern, parse  # type: ignore[import-not-found]
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from secret_samples import KEYS, NAMED, NAMED_ENDS, PERSONAL

from sightline.masks import ALL as LIBRARY
from sightline.masks import RULES, Rule, credentials, kinds, personal
from sightline_collector.request.masks import Masks

NAMES = set(kinds())
ALL = Masks(NAMES)
ASCII = bytes(range(128)) + b"\x7f" * 128


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("mail a.b+c@example.co.uk, x", "mail [redacted:email], x"),
        ("?u=a%40b.com&x", "?u=[redacted:email]&x"),
        ("müller@bücher.de", "[redacted:email]"),
        ("card 4111 1111 1111 1111.", "card [redacted:card]."),
        ("in 2024 4111-1111-1111-1111", "in 2024 [redacted:card]"),
        ("378282246310005 3782 822463 10005", "[redacted:card] [redacted:card]"),
        ("+49 171 1234567", "[redacted:phone]"),
        ("call (415) 555-2671", "call [redacted:phone]"),
        ("0171/1234567", "[redacted:phone]"),
        ("DE89 3704 0044 0532 0130 00 and more", "[redacted:iban] and more"),
        ("gb82 west 1234 5698 7654 32", "[redacted:iban]"),
        ("from 10.0.0.1:4318", "from [redacted:ip]:4318"),
        ("[2001:db8::8a2e:370:7334]:80", "[[redacted:ip]]:80"),
        ("Authorization: Bearer abcdef123456789xyz", "Authorization: Bearer [redacted:secret]"),
        ('"api_key": "abcd-1234", n', '"api_key": "[redacted:secret]", n'),
        (r"{\"password\": \"geheim99\"}", r"{\"password\": \"[redacted:secret]\"}"),
        ("postgres://u:pw@h/db", "postgres://u:[redacted:secret]@h/db"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc", "[redacted:secret]"),
        ("key=sk-proj-aaaaaaaaaaaaaaaaaaaaaa", "key=[redacted:secret]"),
        ("sl_0123abcd_" + "A" * 43, "[redacted:secret]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMII/E=\n-----END RSA PRIVATE KEY----- tail", "[redacted:secret] tail"),
    ],
)
def test_finds(text: str, masked: str) -> None:
    """Each kind in the forms in which it is met."""
    assert ALL.apply(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1795451438600176049",
        "4111 1111 1111 1112",
        "38b4e652e44da7f20d9e260e27136533",
        "2024-11-23 17:12:56.123456",
        "0.8269 of 12,345 tokens, max_tokens=4096",
        "std::vector at 12:34:56, release 1.2.3",
        "the bearer instruments of the api",
        "DE00 3704 9944 9532 9130 99",
        "doc-506, index 3 of 10, p95 = 120.5 ms",
        "550e8400-e29b-41d4-a716-446655440000",
    ],
)
def test_leaves(text: str) -> None:
    """Ids, times, numbers and prose stay, and stay the same object."""
    assert ALL.apply(text) is text


def _of_the_library(text: str) -> str:
    """A text that the library masked, as the collector writes it."""
    return LIBRARY(text).replace("[", "[redacted:")


SAMPLES = [
    *KEYS.values(),
    *PERSONAL.values(),
    *(f"{before}{secret}{NAMED_ENDS.get(kind, '')}" for kind, (before, secret) in NAMED.items()),
]
SURROUNDINGS = st.text(st.sampled_from("aZ9 .,:;=-_/@+\"'()<>\n\u00fc\u4e2d"), max_size=40)


@pytest.mark.parametrize("sample", SAMPLES)
def test_library_and_collector_mask_the_same(sample: str) -> None:
    """Every secret, between blanks, and nothing else; the collector leaves alone what the library has masked."""
    masked = ALL.apply(f"x {sample} y")
    assert masked == _of_the_library(f"x {sample} y")
    assert masked.count("[redacted:") == 1
    assert masked.startswith("x ")
    assert masked.endswith(" y")
    assert ALL.apply(LIBRARY(f"x {sample} y")) == LIBRARY(f"x {sample} y")
    assert ALL.apply(masked) == masked


@example([("://", "sl_0f9e8d7c_Zq7Rk2Vw9Xt4Lm8Np3Bs6Hd5Jf1Gc0TyZq7Rk2Vw9Xt")], "@")
@given(st.lists(st.tuples(SURROUNDINGS, st.sampled_from(SAMPLES)), min_size=1, max_size=4), SURROUNDINGS)
def test_library_and_collector_mask_the_same_anywhere(parts: list[tuple[str, str]], end: str) -> None:
    """Several secrets in any text, also where it touches them: the same result."""
    text = "".join(before + secret for before, secret in parts) + end
    assert ALL.apply(text) == _of_the_library(text)


@given(SURROUNDINGS, st.sampled_from(sorted(KEYS.values())), SURROUNDINGS)
def test_no_key_is_left_in_any_text(before: str, key: str, after: str) -> None:
    """Wherever no letter or digit touches it, a key is gone as a whole."""
    for masked in (LIBRARY(f"{before} {key} {after}"), ALL.apply(f"{before} {key} {after}")):
        assert key not in masked
        assert key[8:40] not in masked


@given(st.text(alphabet=st.sampled_from("a1 4+-.:@%/=\"'eyJ_sk\u00e9\u4e2d(")), st.sampled_from(sorted(NAMES)))
def test_hint_is_blind_to_what_is_around(text: str, name: str) -> None:
    """Where a mask changes a text, its hint holds for bytes around the text's, shown as ASCII; and once is enough."""
    masks = Masks([name])
    masked = masks.apply(text)
    if masked != text:
        assert masks.may_find((b"\xff0a" + text.encode() + b"z9\x80").translate(ASCII).decode())
        assert masks.apply(masked) == masked


SECRETS = ["a@example.org", "4111 1111 1111 1111", "+49 171 1234567", "10.20.30.40", "DE89 3704 0044 0532 0130 00"]


@given(st.integers(0, 2100), st.sampled_from(SECRETS), st.sampled_from(["x ", "word. ", "; "]))
def test_windows_lose_and_leak_nothing(before: int, secret: str, filler: str) -> None:
    """Wherever it stands in a long text, a secret is found once, whole, and the rest stays."""
    around = filler * (before // len(filler))
    tail = filler * 700
    text = f"{around} {secret} {tail}"
    masked = Masks(NAMES, window_chars=1024).apply(text)
    assert re.fullmatch(re.escape(f"{around} ") + r"\[redacted:\w+\]" + re.escape(f" {tail}"), masked)


_LONG = {
    "private key": f"-----BEGIN PRIVATE KEY-----\n{'Zq7Rk2Vw' * 400}\n-----END PRIVATE KEY-----",
    "jwt": f"eyJ{'Zq7Rk2Vw' * 300}.{'Zq7Rk2Vw' * 4}.{'Zq7Rk2Vw' * 4}",
    "named": f'password="{"it is a long phrase, " * 40}"',
}


@pytest.mark.parametrize("secret", _LONG.values(), ids=_LONG)
def test_long_secret_goes_wherever_windows_meet(secret: str) -> None:
    """One that is longer than the overlap of other rules is gone as a whole."""
    masks = Masks({"secret"}, window_chars=4096)
    for before in range(0, 4600, 97):
        text = "; " * (before // 2) + secret + " ;" * 6000
        masked = masks.apply(text)
        assert not re.search("Zq7|phrase|PRIVATE", masked), before
        assert masked.startswith("; " * (before // 2))
        assert masked.endswith(" ;" * 6000)


@pytest.mark.parametrize(
    "unit",
    ["a", "1", "4444 ", "a@", "a.", ":", "a:", "1.", "AB12 ", "eyJ-", "eyJaaaaaaaa.eyJ.", "+1 ", "://a:", "secret=",
     "bearer ", "-----BEGIN PRIVATE KEY-----", "sk-", "(0", "@a-", "é@", "\x00", "-eyJ", "-eyJaaaaaaaa", "password='",
     'pwd="\\n', "pwd=\\", "secret: ", "e:", "DE12 "],
)  # fmt: skip
def test_ready_made_masks_take_linear_time(unit: str) -> None:
    """Four times the text takes no more than some times as long, whatever it is made of."""

    def took_s(size: int) -> float:
        text = (unit * size)[:size]
        began_s = time.process_time()
        ALL.apply(text)
        return time.process_time() - began_s

    assert min(took_s(80_000) for _ in range(2)) < 12 * min(took_s(20_000) for _ in range(3)) + 0.05


@pytest.mark.parametrize("unit", ["=", "=a", "-eyJ", "token=", "pwd=\\"])
def test_looks_ahead_are_few(unit: str) -> None:
    """No candidate of many costs a long look ahead: some microseconds a character would be hundreds of milliseconds."""
    text = "secret " + (unit * 131_072)[:131_072]
    began_s = time.process_time()
    ALL.apply(text)
    assert time.process_time() - began_s < 0.6


class _Counted:
    """A pattern, or what a hint calls, that finds nothing and counts the characters that it is shown."""

    def __init__(self) -> None:
        self.shown = self.longest = 0

    def finditer(self, _: str, start: int, end: int) -> Iterator[re.Match[str]]:
        """Show a window."""
        self.shown += end - start
        self.longest = max(self.longest, end - start)
        return iter(())

    def hint(self, text: str) -> bool:
        """Show a text that may hold something, which shows at its end only."""
        self.shown += len(text)
        self.longest = max(self.longest, len(text))
        return "\0" in text


@pytest.mark.parametrize("size", [70_000, 300_000, 5_000_000])
@pytest.mark.parametrize("hint_is_first", [True, False])
def test_work_on_a_hostile_text_is_bounded(size: int, *, hint_is_first: bool) -> None:
    """Of a text of any length a pattern is shown a limited part, in windows; hints see each part once, in pieces."""
    pattern, hint = _Counted(), _Counted()
    masks = Masks([], window_chars=1024, value_chars=65_536)
    masks._rules = (Rule("any", cast(re.Pattern[str], pattern), hint.hint),)
    hostile = "x" * (size - 1)
    masked = masks.apply("\0" + hostile if hint_is_first else hostile + "\0")
    assert masked.endswith("x[redacted:rest]")
    assert len(masked) < 65_536
    # Two windows overlap; where the part that stays holds no hint, none is looked at.
    shown = 65_536 * 1024 / (1024 - 512) if hint_is_first else 0
    assert 0.9 * shown <= pattern.shown <= shown + 1024
    assert pattern.longest <= 1024
    assert hint.shown <= 1.01 * size + 65_536
    assert hint.longest <= 262_144


def test_no_ready_made_pattern_repeats_without_a_limit() -> None:
    """A pattern that may go on for ever from each of many places takes the square of a text's length."""

    def repeats(parsed: Any) -> Iterator[int]:
        for kind, value in parsed:
            if str(kind).endswith("REPEAT"):
                yield value[1]
            for part in value if isinstance(value, list | tuple) else [value]:
                for inner in part if isinstance(part, list) else [part]:
                    if isinstance(inner, SubPattern):
                        yield from repeats(inner)

    named = [value for module in (credentials, personal) for value in vars(module).values()]
    patterns = {rule.pattern for rule in RULES} | {value for value in named if isinstance(value, re.Pattern)}
    limits = {pattern: list(repeats(parse(pattern.pattern, pattern.flags))) for pattern in patterns}
    assert sum(map(bool, limits.values())) > len(RULES)
    assert [pattern for pattern, found in limits.items() if any(limit > 16_384 for limit in found)] == []


@given(st.integers(0, 1500), st.sampled_from([*SECRETS, "Bearer abcdef123456789xyz", "secret=hunter2hunter2"]))
def test_nothing_unmasked_stands_before_a_cut(back: int, secret: str) -> None:
    """Wherever a secret lies at the limit, neither the whole nor the half of it is let through."""
    text = "word " * 2000
    text = text[: 8192 - back] + f" {secret} " + text
    masked = Masks(NAMES, window_chars=1024, value_chars=8192).apply(text)
    assert masked.endswith("[redacted:rest]")
    assert not re.search(r"[0-9@]|abc|example|hun", masked), masked[-200:]


def test_a_long_text_without_a_hint_stays() -> None:
    """Only what may hold something is cut: long prompts are not."""
    text = "word " * 400_000
    assert Masks(NAMES).apply(text) is text


def test_hints_are_seen_where_two_pieces_meet() -> None:
    """A text is looked for hints in pieces that overlap by more than any hint is long."""
    for before in range(262_144 - 40, 262_144 + 2):
        assert Masks(["email"]).may_find("x" * (before - 1) + " a@example.org " + "x" * 9)

"""Rules for keys, tokens and passwords: by the prefix of their issuer, by their form, or by a name before them."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from sightline.masks.rule import NOT_BEHIND_WORD, Rule, Span, not_behind, secret_part

# Keys and tokens with a prefix of their own: prefixes, what must follow, what may follow that.
# The last character of a prefix is a rare one: the search stops at these characters only, and looks back from there.
# Where a prefix also begins identifiers ("sk-based-models", "hf_hub_download_with_retry"), the key needs a digit, and
# no sign where its issuer writes letters and digits alone.
_DIGIT: Final = r"(?=[A-Za-z_-]{0,64}[0-9])"
_WORD: Final = (r"\w{20}", r"\w{0,1004}+")
_DASHED: Final = (r"[\w-]{16}", r"[\w-]{0,1008}+")
_ALPHANUMERIC: Final = (r"(?=[A-Za-z]{0,64}[0-9])[A-Za-z0-9]{20}", r"[A-Za-z0-9]{0,1004}+(?!_)")
_NOT_BEHIND_TOKEN: Final = not_behind(r"[\w-]")
_ALPHANUMERIC_END: Final = "(?![A-Za-z0-9])"
_LONGEST_TOKEN_PART: Final = 4096
_KEY_FORMATS: Final[tuple[tuple[str, tuple[str, str]], ...]] = (
    ("sl_ sls_", (r"[0-9a-f]{8}_[\w-]{43}", "")),  # Sightline's collector and store
    # OpenAI, Anthropic, OpenRouter, Langfuse; Stripe's keys and many others'
    ("sk-proj- sk-svcacct- sk-admin- sk-ant- sk-or- sk-lf- pk-lf-", _DASHED),
    ("sk_live_ sk_test_ rk_live_ rk_test_ pk_live_ pk_test_ whsec_", _DASHED),
    ("[spr]k- [spr]k_", (_DIGIT + r"[\w-]{16}", r"[\w-]{0,1008}+")),
    # Groq, Hugging Face, Replicate, Fireworks, Jina, the npm registry, Notion; x.ai, Perplexity, Cerebras
    ("gsk_ hf_ r8_ fw_ jina_ npm_ ntn_ xai- pplx- csk-", _ALPHANUMERIC),
    ("hf_", ("[A-Za-z]{34}", r"(?!\w)")),
    ("jina_", (r"[0-9a-f]{32}[\w-]{28}", r"(?![\w-])")),
    ("lsv2_pt_ lsv2_sk_ pcsk_ tgp_v1_", (r"[\w-]{20}", r"[\w-]{0,1004}+")),  # LangSmith, Pinecone, Together
    ("nvapi- tvly-", (_DIGIT + r"[\w-]{20}", r"[\w-]{0,1004}+")),
    ("dap", (r"i[0-9a-f]{32}", r"(?:-[0-9])?")),  # Databricks
    ("AI", (r"za[\w-]{30}", r"[\w-]{0,34}+")),  # Google
    ("ya29. GOCSPX-", (r"[\w-]{20}", r"[\w-]{0,2028}+")),
    ("AK AS", (r"IA[A-Z0-9]{16}", _ALPHANUMERIC_END)),  # Amazon
    ("AB AC", (r"(?:(?<=B)IA|(?<=C)CA)[A-Z0-9]{16}", _ALPHANUMERIC_END)),
    ("ABSK bedrock-api-key-", (r"[A-Za-z0-9+/]{64}", r"[A-Za-z0-9+/=]{0,4032}+")),
    ("gh[oprsu]_ github_pat_ dop_v1_ dckr_pat_ glsa_ sbp_ sntrys_", _WORD),
    ("lin_api_ sb_secret_", (_DIGIT + r"\w{20}", r"\w{0,1004}+")),
    ("glc_", (r"(?=[A-Za-z+/]{0,64}[0-9])[A-Za-z0-9+/]{20}", r"[A-Za-z0-9+/]{0,1004}+={0,2}+(?!\w)")),  # Grafana
    ("shp(?:at|ca|pa|ss)_", _WORD),
    ("glpat- gldt- glrt- glptt- PMAK- NRAK-", _DASHED),  # GitLab, Postman, New Relic
    ("pypi-", (r"AgE[\w-]{17}", r"[\w-]{0,1004}+")),  # Python's package index: macaroons, in base64
    ("xox[a-z]- xapp-", (r"[\w-]{10}", r"[\w-]{0,502}+")),  # Slack
    ("SG.", (r"[\w-]{16,64}+\.[\w-]{16}", r"[\w-]{0,128}+")),  # SendGrid
    ("hvs.", (r"[\w-]{20}", r"[\w-]{0,1004}+")),  # Vault
    # JSON web tokens: signed ones, and encrypted ones, whose second part may be empty. In the middle of a run of these
    # characters the first part is short: each "eyJ" of the run costs a look to that limit.
    (
        "eyJ",
        (
            r"[\w-]{8}",
            rf"(?:(?<={_NOT_BEHIND_TOKEN}eyJ[\w-]{{8}})[\w-]{{0,{_LONGEST_TOKEN_PART}}}+|[\w-]{{0,512}}+)"
            r"\.(?:[\w-]{8,16384}+|\.[\w-]{8,64}+)(?:\.[\w-]{0,16384}+){0,3}",
        ),
    ),
)  # fmt: skip


def _key_pattern(*, is_hint: bool) -> re.Pattern[str]:
    """Return one expression for all formats; as a hint, without what stands before a key and how it goes on."""
    by_anchor: dict[str, list[str]] = {}
    for prefixes, (needed, further) in _KEY_FORMATS:
        for prefix in prefixes.split():
            behind = f"(?<={prefix})" if is_hint else f"(?<=({prefix})(?<={NOT_BEHIND_WORD}{prefix}))"
            by_anchor.setdefault(prefix[-1], []).append(f"{behind}{needed}{'' if is_hint else further}")
    return re.compile(
        "|".join(f"{re.escape(anchor)}(?:{'|'.join(formats)})" for anchor, formats in by_anchor.items()), re.ASCII
    )


def _key_spans(match: re.Match[str]) -> Iterable[Span]:
    return ((match.start(match.lastindex or 0), match.end()),)


_PRIVATE_KEY_CHARS: Final = 16384
_PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    rf"(?:(?:[^-]|-(?!----)){{0,{_PRIVATE_KEY_CHARS}}}+-----END [A-Z ]{{0,40}}PRIVATE KEY(?: BLOCK)?-----"
    rf"|[\w+/=\s\\]{{0,{_PRIVATE_KEY_CHARS}}}+)",
    re.ASCII,
)


_MASKED_ALREADY: Final = r"(?!\[(?:redacted:)?[a-z]{2,16}\])"
_BEARER: Final = re.compile(
    not_behind("[a-z]") + r"(?:bearer|basic)[ \t]{1,4}"
    r"(?=[\w.~+/-]{0,64}[0-9])([\w.~+/-]{12,8192}+={0,4}+)",
    re.IGNORECASE | re.ASCII,
)

# Secrets that are named: the search stops at the sign between name and value, and behind the end of a name only.
_VALUE: Final = r"""(?:[^\s"'`\\,;&<>]|(?<=\w)'(?=\w))"""  # an apostrophe too: O'Reilly99
# "password: that of the user", "secret: it's", null, false)
_SHORT_WORD: Final = rf"[A-Za-z]{{1,5}}(?:'[a-z]{{1,2}})?[)\]}}.:!?]{{0,4}}(?!{_VALUE})"
_QUOTED_CHARS: Final = 1024
_NAMED: Final = re.compile(r"""[:=](?:(?<=["'\\ \t][:=])|(?<=(?:[rw]d|se|et|ey|en)[:=]))""", re.IGNORECASE | re.ASCII)


def _quoted(quote: str) -> str:
    """Return an expression for a value in this quote, in JSON text too, where the quote has a backslash before it.

    The other quote, this one twice, and escapes are part of the value.
    """
    plain = rf"[^{quote}\\\r\n]|{quote}{quote}"
    return (
        rf"{quote} {_MASKED_ALREADY} ((?:{plain}|\\[^\r\n]){{4,{_QUOTED_CHARS}}}+) (?={quote})"
        rf"| \\{quote} {_MASKED_ALREADY} ((?:{plain}|\\\\\\?[^\r\n]){{4,{_QUOTED_CHARS}}}+) (?=\\{quote})"
    )


_NAMED_VALUE: Final = re.compile(
    rf"""[ \t]{{0,4}} {_MASKED_ALREADY}
        (?: {_quoted('"')} | {_quoted("'")}
          | ["'\\]{{0,4}} {_MASKED_ALREADY} (?!{_SHORT_WORD}|\$[({{]) ({_VALUE}{{4,1024}}+) )""",
    re.VERBOSE,
)
_NAME: Final = re.compile(
    r"""(?: passw(?:or)?d | passphrase | pwd | secret | (?:api|access|private)[_-]?key
          | (?:access|refresh|id|auth)[_-]?token ) (?:[_-]?key)? ["'\\]{0,4} [ \t]{0,4} \Z""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_LONGEST_NAME_CHARS: Final = 32
# What each name holds. The second part of a name is looked for by its k.
_NAME_PARTS: Final = ("passw", "passphrase", "pwd", "secret")
_NAME_TAILS: Final = re.compile(
    "k(?:"
    + "|".join(
        f"(?<={first}{joint}{second}){rest}"
        for firsts, second, rest in (
            (("api", "access", "private"), "k", "ey"),
            (("access", "refresh", "id", "auth"), "tok", "en"),
        )
        for first in firsts
        for joint in ("", "[_-]")
    )
    + ")"
)


def _may_hold_bearer(text: str) -> bool:
    lower = text.lower()
    return "bearer" in lower or "basic" in lower


def _may_hold_name(text: str) -> bool:
    lower = text.lower()
    return any(part in lower for part in _NAME_PARTS) or _NAME_TAILS.search(lower) is not None


def _named_spans(match: re.Match[str]) -> Iterable[Span]:
    # The name first: to look for a value costs a thousand steps.
    if not _NAME.search(match.string, max(0, match.start() - _LONGEST_NAME_CHARS), match.start()):
        return ()
    value = _NAMED_VALUE.match(match.string, match.end(), match.endpos)
    return secret_part(value) if value else ()


# The colon of "[redacted:secret]", in a URL whose user or password was masked, is none between a user and a password.
_URL_PASSWORD: Final = re.compile(
    rf"://(?:\[redacted:[a-z]{{2,16}}\]|[^\s/:@]){{0,128}}(?<!\[redacted):{_MASKED_ALREADY}([^\s/@]{{1,128}}+)(?=@)"
)

RULES: Final[Sequence[Rule]] = (
    Rule("secret", _PRIVATE_KEY, lambda text: "-----BEGIN " in text, decided_chars=_PRIVATE_KEY_CHARS + 256),
    Rule(
        "secret",
        _key_pattern(is_hint=False),
        _key_pattern(is_hint=True).search,
        _key_spans,
        decided_chars=_LONGEST_TOKEN_PART + 64,
    ),
    Rule("secret", _BEARER, _may_hold_bearer),
    # An escape of JSON text in JSON text has up to four characters.
    Rule("secret", _NAMED, _may_hold_name, _named_spans, decided_chars=4 * _QUOTED_CHARS + 64),
    Rule("secret", _URL_PASSWORD, lambda text: "://" in text),
)
"""In the order in which they are applied."""

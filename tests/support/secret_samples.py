"""Secrets in the formats of their issuers, put together here so that no file holds one that looks real."""

from __future__ import annotations

_BODY = "Zq7Rk2Vw9Xt4Lm8Np3Bs6Hd5Jf1Gc0Ty" * 8
_HEX = "0f9e8d7c6b5a4938" * 16


def _key(prefix: str, size: int, body: str = _BODY) -> str:
    return prefix + body[:size]


KEYS = {
    "sightline collector": f"sl_{_HEX[:8]}_{_BODY[:43]}",
    "sightline store": f"sls_{_HEX[:8]}_{_BODY[:43]}",
    "openai": _key("sk-", 48),
    "openai project": f"sk-proj-{_BODY[:74]}T3BlbkFJ{_BODY[:74]}",
    "openai project, letters alone": "sk-proj-" + "abcdefgh" * 4,
    "openai service account": _key("sk-svcacct-", 100),
    "anthropic": f"sk-ant-api03-{_BODY[:93]}AA",
    "openrouter": _key("sk-or-v1-", 64, _HEX),
    "langfuse secret": "sk-lf-01234567-89ab-cdef-0123-456789abcdef",
    "langfuse public": "pk-lf-01234567-89ab-cdef-0123-456789abcdef",
    "stripe secret": _key("sk_live_", 24),
    "stripe restricted": _key("rk_test_", 24),
    "groq": _key("gsk_", 52),
    "x.ai": _key("xai-", 80),
    "google api": _key("AIza", 35),
    "google oauth": _key("ya29.", 120),
    "google client": _key("GOCSPX-", 28),
    "aws access": "AKIA" + "J2Q4R6T8V0X2Z4B6",
    "aws session": "ASIA" + "J2Q4R6T8V0X2Z4B6",
    "aws bearer": "ABIA" + "J2Q4R6T8V0X2Z4B6",
    "aws bedrock": _key("ABSK", 128),
    "github personal": _key("ghp_", 36),
    "github server": _key("ghs_", 36),
    "github fine-grained": f"github_pat_{_BODY[:22]}_{_BODY[:59]}",
    "gitlab": _key("glpat-", 20),
    "hugging face": _key("hf_", 34),
    "replicate": _key("r8_", 37),
    "fireworks": _key("fw_", 24),
    "nvidia": _key("nvapi-", 64),
    "perplexity": _key("pplx-", 48),
    "tavily": _key("tvly-", 32),
    "pinecone": _key("pcsk_", 60),
    "langsmith": f"lsv2_pt_{_HEX[:32]}_{_HEX[:10]}",
    "jina": _key("jina_", 60),
    "databricks": _key("dapi", 32, _HEX),
    "slack bot": "xoxb-" + "123456789012-1234567890123-" + _BODY[:24],
    "slack app": "xapp-1-A0123456789-1234567890123-" + _HEX[:64],
    "npm": _key("npm_", 36),
    "pypi": _key("pypi-AgEIcHlwaS5vcmc", 120),
    "sendgrid": f"SG.{_BODY[:22]}.{_BODY[:43]}",
    "vault": _key("hvs.", 90),
    "jwt": f"eyJ{_BODY[:17]}.eyJ{_BODY[:40]}.{_BODY[:43]}",
    "jwt, encrypted to a key": f"eyJ{_BODY[:17]}.{_BODY[:40]}.{_BODY[:16]}.{_BODY[:60]}.{_BODY[:22]}",
    "jwt, encrypted directly": f"eyJ{_BODY[:17]}..{_BODY[:16]}.{_BODY[:60]}.{_BODY[:22]}",
    "private key": f"-----BEGIN PRIVATE KEY-----\n{_BODY[:64]}\n{_BODY[:40]}==\n-----END PRIVATE KEY-----",
    "pgp key": f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{_BODY[:64]}\n-----END PGP PRIVATE KEY BLOCK-----",
}
"""Issuer to a key that stands alone: all of it goes, wherever it stands."""

NAMED = {
    "bearer": ("Authorization: Bearer ", f"{_BODY[:40]}=="),
    "basic": ("authorization: basic ", "dXNlcjpwYXNzd29yZDE="),
    "password": ("password=", "hunter2hunter2"),
    "json": ('"api_key": "', "abcd-1234"),
    "json in json": (r"{\"password\": \"", "geheim99"),
    "passphrase": ('"passphrase": "', "correct horse battery staple"),
    "environment": ("AWS_SECRET_ACCESS_KEY=", _BODY[:40]),
    "client secret": ("client_secret: ", _BODY[:32]),
    "private key id": ("private_key=", _BODY[:32]),
    "pwd": ("PWD=", "hunter22"),
    "refresh token": ("refreshToken=", _BODY[:32]),
    "url": ("postgres://user:", "p4ss"),
}
"""What stands before a secret that its name tells, and the secret; `NAMED_ENDS` says what must follow."""

NAMED_ENDS = {"json": '"', "json in json": r"\"}", "passphrase": '"', "url": "@host/db"}

PERSONAL = {
    "email": "ann.b+c@example.co.uk",
    "email in a url": "ann%40example.org",
    "card": "4111 1111 1111 1111",
    "card of fifteen digits": "3782 822463 10005",
    "iban": "DE89 3704 0044 0532 0130 00",
    "iban without spaces": "GB82WEST12345698765432",
    "phone": "+49 171 1234567",
    "phone of america": "(415) 555-2671",
    "ip": "203.0.113.7",
    "ip, version 6": "2001:db8::8a2e:370:7334",
}
"""Personal data, each of which goes as a whole."""

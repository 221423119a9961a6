"""Who may send, how much, and under which name."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_collector.errors import BadRequest, KeysUnusable, TooManyRequests, Unauthenticated
from sightline_collector.receiver.access import ANYONE, Access, Principal, Sites, tls_context
from sightline_collector.receiver.keys import Key, KeyRing
from sightline_collector.settings import CollectorSettings


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s


def _settings(tmp_path: Path, **changed: Any) -> CollectorSettings:
    return CollectorSettings(keys_file=tmp_path / "keys.json", **changed)


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_loopback_without_keys_is_open_until_the_first_key(tmp_path: Path) -> None:
    """Anyone on this machine sends until a key is made; then only keys do, also after the last one is revoked."""
    clock = Clock()
    settings = _settings(tmp_path)
    access = Access(settings, KeyRing(settings.keys_file, clock), clock)
    assert access.authenticate({}) == ANYONE
    assert access.authenticate(_bearer("whatever")) == ANYONE
    token = KeyRing(settings.keys_file).create("ci", "acme")
    clock.now_s += 1
    assert access.authenticate(_bearer(token)).tenant == "acme"
    KeyRing(settings.keys_file).revoke(token[3:11])
    clock.now_s += 1
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            access.authenticate({})
        settings.keys_file.unlink(missing_ok=True)
        clock.now_s += 1


def test_beyond_loopback_needs_a_valid_key(tmp_path: Path) -> None:
    """No start without a key that holds: none, or a revoked one alone, are not enough."""
    settings = _settings(tmp_path, host="0.0.0.0", allow_plaintext=True)
    with pytest.raises(KeysUnusable, match="keys create"):
        Access(settings)
    token = KeyRing(settings.keys_file).create("ci", "acme")
    assert Access(settings).authenticate(_bearer(token)) == Principal(token[3:11], "acme")
    KeyRing(settings.keys_file).revoke(token[3:11])
    with pytest.raises(KeysUnusable, match="SIGHTLINE_COLLECTOR_KEYS_FILE"):
        Access(settings)


def test_key_comes_in_either_header(tmp_path: Path) -> None:
    """Bearer in any case, or x-api-key; an Authorization of another scheme belongs to a proxy."""
    settings = _settings(tmp_path)
    token = KeyRing(settings.keys_file).create("ci", "acme")
    access = Access(settings)
    for headers in (
        _bearer(token),
        {"authorization": f"bearer   {token} "},
        {"x-api-key": token},
        {"x-api-key": token, "authorization": "Basic dXNlcjpwYXNz"},
    ):
        assert access.authenticate(headers).tenant == "acme"


@given(token=st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=6, max_size=60))
def test_refusal_repeats_nothing(tmp_path_factory: pytest.TempPathFactory, token: str) -> None:
    """A 401 holds nothing of what was sent, and says the same of unknown, wrong and revoked keys."""
    settings = _settings(tmp_path_factory.mktemp("keys"), host="10.0.0.1", allow_plaintext=True)
    KeyRing(settings.keys_file).create("ci", "acme")
    access = Access(settings)
    with pytest.raises(Unauthenticated) as refused:
        access.authenticate({"x-api-key": token})
    assert str(refused.value) in {
        "this API key is not valid",
        "an API key is needed: send `Authorization: Bearer KEY` or `x-api-key: KEY`",
    }
    assert (refused.value.status, refused.value.challenge) == (401, "Bearer")


def test_rate_is_refused_with_the_time_to_wait(tmp_path: Path) -> None:
    """What is over the burst becomes debt; Retry-After says when it is paid, and then the key may send."""
    clock = Clock()
    settings = _settings(tmp_path)
    token = KeyRing(settings.keys_file).create("ci", "acme", rate_spans_per_s=10, burst_spans=100)
    access = Access(settings, KeyRing(settings.keys_file, clock), clock)
    access.charge(access.authenticate(_bearer(token)), 150)
    with pytest.raises(TooManyRequests) as refused:
        access.authenticate(_bearer(token))
    assert (refused.value.status, refused.value.retry_after_s) == (429, 6)
    clock.now_s += refused.value.retry_after_s
    access.charge(access.authenticate(_bearer(token)), 1)


def test_charge_refuses_what_another_request_used_up(tmp_path: Path) -> None:
    """Two requests that were let in together: the second is refused when the first took everything."""
    settings = _settings(tmp_path)
    token = KeyRing(settings.keys_file).create("ci", "acme", rate_spans_per_s=1, burst_spans=10)
    access = Access(settings, clock=Clock())
    one, two = access.authenticate(_bearer(token)), access.authenticate(_bearer(token))
    access.charge(one, 50)
    with pytest.raises(TooManyRequests):
        access.charge(two, 1)


def test_keys_have_buckets_of_their_own(tmp_path: Path) -> None:
    """One key's debt is no other's, and a key without a rate has none."""
    settings = _settings(tmp_path)
    ring = KeyRing(settings.keys_file)
    busy, calm, free = ring.create("a", "t", 1, 1), ring.create("b", "t", 1, 1), ring.create("c", "t")
    access = Access(settings, clock=Clock())
    access.charge(access.authenticate(_bearer(busy)), 99)
    for token in (calm, free, free):
        access.charge(access.authenticate(_bearer(token)), 10**6)
    access.charge(access.authenticate(_bearer(free)), 1)
    access.charge(ANYONE, 10**9)


class _OneKey(KeyRing):
    def __init__(self, key: Key) -> None:
        self._key = key

    def __len__(self) -> int:
        return 1

    def find(self, token: str) -> Key | None:
        return self._key


@given(
    st.floats(0.1, 1e6),
    st.floats(0.1, 1e6),
    st.lists(st.tuples(st.floats(0, 100), st.integers(1, 100_000)), min_size=1, max_size=30),
)
def test_long_run_holds_the_rate(rate: float, burst: float, sends: list[tuple[float, int]]) -> None:
    """Whatever the pattern: never more than burst, one request and the rate's share; and Retry-After is enough."""
    clock = Clock()
    key = Key(id="0" * 8, name="n", tenant="t", digest="0" * 64, created="", rate_spans_per_s=rate, burst_spans=burst)
    access = Access(CollectorSettings(), _OneKey(key), clock)
    began_s, passed = clock.now_s, 0
    for pause_s, items in sends:
        clock.now_s += pause_s
        allowed = burst + rate * (clock.now_s - began_s)
        wait_s = 0
        try:
            access.charge(access.authenticate({"x-api-key": "k"}), items)
        except TooManyRequests as exc:
            wait_s = exc.retry_after_s
        else:
            assert passed <= allowed * (1 + 1e-9) + 1e-6
            passed += items
        if wait_s and wait_s < 3600:
            clock.now_s += wait_s
            access.authenticate({"x-api-key": "k"})


@pytest.mark.parametrize(
    ("host", "allowed", "name", "is_own"),
    [
        ("127.0.0.1", (), "localhost:4318", True),
        ("127.0.0.1", (), "[::1]:4318", True),
        ("127.0.0.1", (), "10.1.2.3", False),
        ("127.0.0.1", ("10.1.2.3",), "10.1.2.3:4318", True),
        ("127.0.0.1", (), "", False),
        ("127.0.0.1", ("*",), "", True),
        ("0.0.0.0", (), "10.1.2.3:4318", True),
        ("0.0.0.0", (), "", False),
        ("127.0.0.1", (), "rebound.example", False),
        ("127.0.0.1", (), "localhost.example", False),
        ("127.0.0.1", ("proxy.internal",), "proxy.internal.", True),
        ("0.0.0.0", (), "collector.example.org", False),
        ("0.0.0.0", ("collector.example.org",), "Collector.Example.Org:4318", True),
        ("0.0.0.0", ("*.example.org",), "a.b.example.org", True),
        ("0.0.0.0", ("*.example.org",), "example.org", False),
        ("0.0.0.0", ("*.example.org",), "badexample.org", False),
        ("0.0.0.0", ("*",), "anything", True),
        ("0.0.0.0", (), "[::1", False),
        ("0.0.0.0", (), "user@10.0.0.1", False),
    ],
)
def test_host_must_be_one_of_our_names(host: str, allowed: tuple[str, ...], name: str, is_own: bool) -> None:
    """A name that was pointed at this address is refused, and none at all; beyond loopback plain addresses are not."""
    sites = Sites(CollectorSettings(host=host, allow_plaintext=True, allowed_hosts=allowed))
    for takes_pages in (True, False):
        if is_own:
            sites.check({"host": name}, takes_pages=takes_pages)
        else:
            with pytest.raises(BadRequest, match="ALLOWED_HOSTS") as refused:
                sites.check({"host": name}, takes_pages=takes_pages)
            assert refused.value.status == 403


@pytest.mark.parametrize(
    ("host", "origins", "origin", "may_send"),
    [
        ("127.0.0.1", (), "http://localhost:3000", True),
        ("127.0.0.1", (), "https://evil.example", False),
        ("127.0.0.1", (), "null", False),
        ("0.0.0.0", (), "http://localhost:3000", False),
        ("0.0.0.0", ("https://app.example.org",), "https://app.example.org", True),
        ("0.0.0.0", ("https://app.example.org",), "http://app.example.org", False),
        ("0.0.0.0", ("https://app.example.org",), "https://app.example.org.evil.example", False),
        ("0.0.0.0", ("*",), "https://any.example", True),
    ],
)
def test_only_listed_origins_may_send(host: str, origins: tuple[str, ...], origin: str, may_send: bool) -> None:
    """Pages of listed origins send and read the answer; others are refused and told nothing."""
    sites = Sites(CollectorSettings(host=host, allow_plaintext=True, cors_origins=origins))
    asked = {"host": "127.0.0.1:4318", "origin": origin}
    with pytest.raises(BadRequest, match="may not ask"):
        sites.check(asked, takes_pages=False)
    if may_send:
        sites.check(asked)
        assert ("access-control-allow-origin", origin) in sites.cors({"origin": origin})
        preflight = dict(sites.cors({"origin": origin, "access-control-request-method": "POST"}))
        assert "x-api-key" in preflight["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in preflight
    else:
        with pytest.raises(BadRequest, match="CORS_ORIGINS"):
            sites.check(asked)
        assert sites.cors({"origin": origin}) == []
    assert sites.cors({}) == []


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({"HOST": "0.0.0.0"}, "ALLOW_PLAINTEXT"),
        ({"HOST": "example.org"}, "TLS_CERT_FILE"),
        ({"TLS_CERT_FILE": "c.pem"}, "TLS_KEY_FILE"),
        ({"TLS_KEY_FILE": "k.pem"}, "TLS_CERT_FILE"),
        ({"ALLOW_PLAINTEXT": "maybe"}, "ALLOW_PLAINTEXT"),
        ({"ALLOWED_HOSTS": "https://a.example"}, "ALLOWED_HOSTS"),
        ({"ALLOWED_HOSTS": "a.*.example"}, "ALLOWED_HOSTS"),
        ({"ALLOWED_HOSTS": "*example"}, "ALLOWED_HOSTS"),
        ({"CORS_ORIGINS": "app.example.org"}, "CORS_ORIGINS"),
        ({"CORS_ORIGINS": "https://app.example.org/"}, "CORS_ORIGINS"),
        ({"GRPC_PORT": "99999"}, "GRPC_PORT"),
        ({"GRPC_PORT": "inf"}, "GRPC_PORT"),
    ],
)
def test_unsafe_settings_are_refused(env: dict[str, str], named: str) -> None:
    """What would open more than it says is refused, naming the variable and the way out."""
    with pytest.raises(ValueError, match=named):
        CollectorSettings.from_env({f"SIGHTLINE_COLLECTOR_{name}": value for name, value in env.items()})


def test_beyond_loopback_passes_with_tls_or_by_word() -> None:
    """TLS files, or the explicit word that a proxy ends TLS; 127.0.0.0/8 and ::1 need neither."""
    env = {"SIGHTLINE_COLLECTOR_HOST": "0.0.0.0"}
    assert CollectorSettings.from_env(env | {"SIGHTLINE_COLLECTOR_ALLOW_PLAINTEXT": "true"}).allow_plaintext
    files = {"SIGHTLINE_COLLECTOR_TLS_CERT_FILE": "c.pem", "SIGHTLINE_COLLECTOR_TLS_KEY_FILE": "k.pem"}
    assert CollectorSettings.from_env(env | files).tls_cert_file == Path("c.pem")
    assert all(CollectorSettings(host=host).is_loopback for host in ("127.0.0.2", "::1", "localhost"))


def test_tls_needs_files_that_belong_together(tmp_path: Path) -> None:
    """A certificate and its key make a context; anything else names the variables."""
    cert, key = tmp_path / "c.pem", tmp_path / "k.pem"
    assert tls_context(_settings(tmp_path)) is None
    settings = _settings(tmp_path, tls_cert_file=cert, tls_key_file=key)
    with pytest.raises(ValueError, match="TLS_CERT_FILE"):
        tls_context(settings)
    made = subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "1",
            "-subj",
            "/CN=localhost",
            "-keyout",
            str(key),
            "-out",
            str(cert),
        ],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("openssl makes no certificate here")
    context = tls_context(settings)
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    key.write_text("nothing")
    with pytest.raises(ValueError, match="TLS_KEY_FILE"):
        tls_context(settings)

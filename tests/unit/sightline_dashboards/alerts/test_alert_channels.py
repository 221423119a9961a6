"""The ways to people, against receivers on loopback."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from alert_journal import START, URL, later, phase
from alert_receivers import Hook, MailBox, hook, mail_server

from sightline_dashboards.alerts import channels, rules_file
from sightline_dashboards.alerts.channels.mail import MailSender
from sightline_dashboards.alerts.channels.webhook import SlackSender, WebhookSender, signature
from sightline_dashboards.alerts.errors import DeliveryFailed, SecretMissing
from sightline_dashboards.alerts.machine import Status
from sightline_dashboards.alerts.messages import LINK_WINDOWS, Message, link, message
from sightline_dashboards.alerts.rules import Rule
from sightline_dashboards.settings import AlertSettings

RULE = Rule.model_validate(
    {
        "name": "a", "about": "Look at <search>.", "metric": "ttft_p95_ms", "window": "10m", "above": 2500,
        "filters": {"tenant": "acme & co", "service": "rag-api"},
    }
)  # fmt: skip
HOSTILE = "a <!channel> & <http://evil.test|click>\nBcc: x@evil.test"


def firing(sentence: str = "ttft_p95_ms is 3.12 s.") -> Message:
    """A message of a rule that fires."""
    about = replace(phase(Status.FIRING, 0), sentence=sentence, value=3120.0, threshold=2500.0)
    return message(about, RULE, about, later(1), URL)


@pytest.fixture
def receiver() -> Iterator[Hook]:
    """A webhook on loopback."""
    with hook() as made:
        yield made


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Files of a certificate for 127.0.0.1 and of its key."""
    folder = tmp_path_factory.mktemp("certificate")
    made = (str(folder / "cert.pem"), str(folder / "key.pem"))
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", made[1], "-out", made[0]),
        ],
        check=True,
        capture_output=True,
    )
    return made


@pytest.fixture
def mail_box(certificate: tuple[str, str]) -> Iterator[MailBox]:
    """A mail server on loopback."""
    with mail_server(*certificate) as made:
        yield made


def test_a_webhook_gets_the_message_signed(receiver: Hook) -> None:
    """As the Standard Webhooks specification says; the signature covers id, time and body."""
    key = base64.b64encode(b"0123456789abcdef01234567").decode()
    WebhookSender(receiver.url, f"whsec_{key}", clock=lambda: 1_772_366_400.7).send(firing())
    (taken,) = receiver.taken
    document = json.loads(taken.body)
    assert document["type"] == "alert.firing"
    assert document["data"]["rule"] == "a"
    assert document["data"]["link"].startswith(f"{URL}/latency?window=")
    headers = {name.lower(): value for name, value in taken.headers.items()}
    assert headers["webhook-id"] == document["data"]["id"]
    assert headers["webhook-timestamp"] == "1772366400"
    signed = f"{headers['webhook-id']}.1772366400.".encode() + taken.body
    wanted = hmac.new(b"0123456789abcdef01234567", signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(wanted).decode()}"


def test_the_signature_is_that_of_the_specification() -> None:
    """Its own example: key, id, time and body, and what they give."""
    made = signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_without_a_secret_nothing_is_signed(receiver: Hook) -> None:
    """A text of any form is a secret as it is; one that says whsec_ and is no base64 is refused."""
    WebhookSender(receiver.url).send(firing())
    assert "webhook-signature" not in {name.lower() for name in receiver.taken[0].headers}
    assert (
        signature("plain", "m", 1, b"")
        == "v1," + base64.b64encode(hmac.new(b"plain", b"m.1.", hashlib.sha256).digest()).decode()
    )
    with pytest.raises(DeliveryFailed, match="no base64"):
        WebhookSender(receiver.url, "whsec_???").send(firing())


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 410, 429, 500, 503])
def test_only_success_counts_as_taken(receiver: Hook, status: int) -> None:
    """A redirect is not followed; `Retry-After` is kept; the address, which may be a secret, is not told."""
    receiver.answers, receiver.headers = [status], {"Retry-After": "120", "Location": receiver.url}
    with pytest.raises(DeliveryFailed, match=f"127.0.0.1 answered {status}") as raised:
        WebhookSender(receiver.url).send(firing())
    assert raised.value.retry_after_s == 120
    assert len(receiver.taken) == 1
    assert "k3y" not in str(raised.value)


def test_a_receiver_that_is_away_fails(receiver: Hook) -> None:
    """So does an address that is none; neither message holds it."""
    with hook() as gone:
        url = gone.url
    for address in (
        url,
        "ftp://127.0.0.1/k3y",
        "http:///k3y",
        "no address k3y",
        "http://127.0.0.1:99999/k3y",
        "http://[k3y",
    ):
        with pytest.raises(DeliveryFailed) as raised:
            WebhookSender(address).send(firing())
        assert "k3y" not in str(raised.value)


def test_slack_gets_text_and_no_markup(receiver: Hook) -> None:
    """What rules and the store say cannot mention a channel or hide a link."""
    SlackSender(receiver.url).send(firing(HOSTILE))
    document = json.loads(receiver.taken[0].body)
    text = document["attachments"][0]["text"]
    assert document["text"] == "*[FIRING] a (ticket)*"
    assert "<!channel>" not in text
    assert "&lt;!channel&gt; &amp; &lt;http://evil.test|click&gt;" in text
    assert text.count("<") == 1
    assert f"<{URL}/latency?window=1h&amp;tenant=acme+%26+co|Open the dashboards>" in text


def settings(box: MailBox, certificate: str, **more: object) -> AlertSettings:
    """Settings of the mail server."""
    given: dict[str, object] = {
        "smtp_host": "127.0.0.1", "smtp_port": box.port, "smtp_ca_file": Path(certificate), "smtp_from": "s@pages.test",
        **more,
    }  # fmt: skip
    return AlertSettings(**given)  # type: ignore[arg-type]


def test_a_mail_is_sent_encrypted_and_logged_in(mail_box: MailBox, certificate: tuple[str, str]) -> None:
    """Both messages of an episode belong together; a sentence cannot add a header."""
    sender = MailSender(
        settings(mail_box, certificate[0], smtp_user="me", smtp_password="right"), ["a@x.test", "b@x.test"]
    )
    sender.send(firing(HOSTILE))
    over = phase(Status.RESOLVED, 30)
    sender.send(message(over, RULE, None, later(31), URL))
    first, second = mail_box.mails
    assert mail_box.encrypted == [True, True]
    assert mail_box.logins == [("me", "right")] * 2
    assert mail_box.receivers == ["a@x.test", "b@x.test"] * 2
    assert first["Subject"] == "[FIRING] a (ticket)"
    assert first["Bcc"] is None
    assert "Bcc: x@evil.test" in first.get_content()
    assert first["References"] == second["References"] == "<a_1@pages.test>"
    assert first["Message-ID"] != second["Message-ID"]


def test_a_mail_server_that_is_not_trusted_gets_nothing(mail_box: MailBox) -> None:
    """Without its certificate among the trusted ones, and with a wrong password."""
    with pytest.raises(DeliveryFailed, match="certificate"):
        MailSender(AlertSettings(smtp_host="127.0.0.1", smtp_port=mail_box.port), ["a@x.test"]).send(firing())
    assert mail_box.mails == []


def test_a_mail_that_somebody_does_not_get_is_not_sent(mail_box: MailBox, certificate: tuple[str, str]) -> None:
    """Nor one by a wrong password; the reason names the server."""
    mail_box.refuses = frozenset({"b@x.test"})
    known = settings(mail_box, certificate[0])
    with pytest.raises(DeliveryFailed, match=r"127\.0\.0\.1 refused b@x\.test"):
        MailSender(known, ["a@x.test", "b@x.test"]).send(firing())
    assert mail_box.receivers == ["a@x.test"]
    with pytest.raises(DeliveryFailed, match="535"):
        MailSender(replace(known, smtp_user="me", smtp_password="wrong"), ["a@x.test"]).send(firing())


def test_who_has_taken_a_mail_does_not_get_it_again(mail_box: MailBox, certificate: tuple[str, str]) -> None:
    """One address that is refused again and again is no reason to send two hundred copies to the others."""
    mail_box.refuses = frozenset({"b@x.test"})
    sender = MailSender(settings(mail_box, certificate[0]), ["a@x.test", "b@x.test"])
    for _ in range(3):
        with pytest.raises(DeliveryFailed, match=r"b@x\.test"):
            sender.send(firing())
    assert mail_box.receivers == ["a@x.test"]
    mail_box.refuses = frozenset()
    sender.send(firing())
    assert mail_box.receivers == ["a@x.test", "b@x.test"]


RULES = """\
version: 1
channels:
  hook: {kind: webhook, url_env: HOOK_URL, secret_file: SECRET}
  team: {kind: slack, url_file: TEAM}
  mail: {kind: email, to: [a@x.test]}
  log: {kind: log}
rules: []
"""


def test_secrets_come_from_variables_and_files(tmp_path: Path) -> None:
    """One that is not there is named with its channel, and the evaluator does not start."""
    (tmp_path / "secret").write_text("s3cret\n")
    (tmp_path / "team").write_text("https://hooks.test/k3y\n")
    text = RULES.replace("SECRET", str(tmp_path / "secret")).replace("TEAM", str(tmp_path / "team"))
    file, mail = rules_file.parse(text, "a.yaml"), AlertSettings(smtp_host="mail.test")
    assert set(channels.build(file, mail, {"HOOK_URL": "http://h/"})) == {"hook", "team", "mail", "log"}
    with pytest.raises(SecretMissing, match="channel hook: url_env names HOOK_URL, which is not set"):
        channels.build(file, mail, {})
    with pytest.raises(SecretMissing, match="channel mail: kind email names SIGHTLINE_ALERTS_SMTP_HOST"):
        channels.build(file, AlertSettings(), {"HOOK_URL": "http://h/"})
    (tmp_path / "team").unlink()
    with pytest.raises(SecretMissing, match=r"channel team: url_file names .*team, which can't be read"):
        channels.build(file, mail, {"HOOK_URL": "http://h/"})


def test_the_log_gets_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """With the link."""
    sender = channels.build(rules_file.load(None), AlertSettings(), {})["log"]
    with caplog.at_level(logging.INFO, "sightline.alerts"):
        sender.send(firing("Two\nlines."))
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "Two lines. Look at <search>." in record.getMessage()
    assert f"{URL}/latency?window=1h" in record.getMessage()


@pytest.mark.parametrize(
    ("hours", "window"), [(0, "1h"), (1, "3h"), (5, "12h"), (20, "24h"), (100, "7d"), (2000, "30d")]
)
def test_a_link_shows_the_breach_and_what_the_rule_is_about(hours: int, window: str) -> None:
    """The window holds the breach's beginning; pages cannot be narrowed to a service."""
    address = link(RULE, START, START + timedelta(hours=hours), URL + "/")
    assert address == f"{URL}/latency?window={window}&tenant=acme+%26+co"
    assert window in LINK_WINDOWS
    assert link(None, START, START, URL) == f"{URL}/alerts"
    traffic = RULE.model_copy(update={"metric": "requests_per_minute"})
    assert link(traffic, START, START, URL).startswith(f"{URL}/?window=")

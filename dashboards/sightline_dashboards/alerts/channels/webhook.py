"""Messages by HTTP: a JSON document, signed where there is a secret, and the form that Slack and its kin read.

A document is sent and signed as https://www.standardwebhooks.com/ says, so receivers can check it with that project's
libraries: `webhook-id` is the same for each attempt, the signature covers id, time and body.

Only an answer of 200 to 299 counts as taken. Redirects are not followed: the address is a setting, and a message could
end up elsewhere.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from sightline_dashboards.alerts.errors import DeliveryFailed
from sightline_dashboards.alerts.messages import Message

TIMEOUT_S: Final = 15.0
_PREFIX: Final = "whsec_"
_COLOURS: Final = {"firing": "#d1242f", "resolved": "#1a7f37"}


class WebhookSender:
    """Posts a message as JSON.

    Args:
        url: where to.
        secret: signs the message; '' does not. `whsec_` and base64, or any other text, which counts as it is.
        clock: epoch seconds.
    """

    def __init__(self, url: str, secret: str = "", clock: Callable[[], float] = time.time) -> None:
        self._url = url
        self._secret = secret
        self._clock = clock

    def send(self, message: Message) -> None:
        """Post it.

        Raises:
            DeliveryFailed: the receiver did not take it.
        """
        now_s = int(self._clock())
        document = {
            "type": f"alert.{message.status}",
            "timestamp": message.since.isoformat(),
            "data": {**message.data(), "title": message.title, "text": message.text},
        }
        body = json.dumps(document, allow_nan=False).encode()
        headers = {"webhook-id": message.id, "webhook-timestamp": str(now_s)}
        if self._secret:
            headers["webhook-signature"] = signature(self._secret, message.id, now_s, body)
        _post(self._url, body, headers)


class SlackSender:
    """Posts a message in the form of Slack's incoming webhooks, which Mattermost, Rocket.Chat and Discord read too.

    Source: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def send(self, message: Message) -> None:
        """Post it.

        Raises:
            DeliveryFailed: the receiver did not take it.
        """
        _post(self._url, json.dumps(slack_document(message)).encode(), {})


def slack_document(message: Message) -> dict[str, Any]:
    """What Slack is sent: everything that rules and the store say is text and no markup."""
    text = f"{_plain(message.text)}\n<{_plain(message.link)}|Open the dashboards>"
    return {
        "text": f"*{_plain(message.title)}*",
        "attachments": [{"color": _COLOURS[message.status], "text": text, "mrkdwn_in": ["text"]}],
    }


def signature(secret: str, message_id: str, timestamp_s: int, body: bytes) -> str:
    """The header `webhook-signature` of a message.

    Raises:
        DeliveryFailed: the secret begins with `whsec_`, and no base64 follows.
    """
    if secret.startswith(_PREFIX):
        try:
            key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except binascii.Error as exc:
            raise DeliveryFailed("the secret begins with whsec_ and is no base64 after that") from exc
    else:
        key = secret.encode()
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    return f"v1,{base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()}"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER: Final = urllib.request.build_opener(_NoRedirects)


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> None:
    """Post a body. No error tells the address, which may be a secret, but for its host."""
    try:
        parts = urlsplit(url)
    except ValueError:  # its text can hold the address
        raise DeliveryFailed("its address is no http(s) address") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise DeliveryFailed("its address is no http(s) address")
    asked = urllib.request.Request(  # noqa: S310  (the scheme was checked)
        url,
        data=body,
        headers={"Content-Type": "application/json", "User-Agent": "sightline-alerts", **headers},
        method="POST",
    )
    try:
        with _OPENER.open(asked, timeout=TIMEOUT_S):
            return
    except urllib.error.HTTPError as exc:
        with exc:
            wait_s = _seconds(exc.headers.get("Retry-After"))
        raise DeliveryFailed(f"{parts.hostname} answered {exc.code}", wait_s) from None
    except urllib.error.URLError as exc:
        raise DeliveryFailed(f"{parts.hostname} does not answer: {exc.reason}") from None
    except (OSError, http.client.HTTPException, ValueError) as exc:
        raise DeliveryFailed(f"{parts.hostname} does not answer: {type(exc).__name__}") from None


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isascii() and text.isdecimal() else 0.0


def _plain(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

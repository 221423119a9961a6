"""Messages by e-mail, over SMTP with STARTTLS or TLS.

The messages of an episode are one conversation: each has a Message-ID that is made of the rule and the episode, so that
mail programs show them together and a repeated message is recognised.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from typing import Final

from sightline_dashboards.alerts.errors import DeliveryFailed
from sightline_dashboards.alerts.messages import Message
from sightline_dashboards.settings import AlertSettings

_TIMEOUT_S: Final = 15.0


class MailSender:
    """Sends messages to people; who has taken one does not get it again while the others are tried."""

    def __init__(self, settings: AlertSettings, to: Sequence[str]) -> None:
        self._settings = settings
        self._to = to
        self._refused: dict[str, tuple[str, ...]] = {}
        """Id of a message to those who have not taken it, where others have."""

    def send(self, message: Message) -> None:
        """Hand it to the mail server.

        Raises:
            DeliveryFailed: the server did not take it for every receiver.
        """
        settings = self._settings
        mail = compose(message, settings.smtp_from, self._to)
        try:
            with self._connected() as server:
                if settings.smtp_user:
                    server.login(settings.smtp_user, settings.smtp_password)
                refused = server.send_message(mail, to_addrs=self._refused.get(message.id, self._to))
        except (smtplib.SMTPException, OSError) as exc:
            raise DeliveryFailed(f"the mail server {settings.smtp_host}: {exc or type(exc).__name__}") from exc
        self._refused.pop(message.id, None)
        if refused:
            self._refused[message.id] = tuple(refused)
            raise DeliveryFailed(f"the mail server {settings.smtp_host} refused {', '.join(sorted(refused))}")

    def _connected(self) -> smtplib.SMTP:
        settings = self._settings
        trust = ssl.create_default_context(cafile=str(settings.smtp_ca_file) if settings.smtp_ca_file else None)
        if settings.smtp_security == "tls":
            return smtplib.SMTP_SSL(settings.smtp_host, settings.smtp_port, timeout=_TIMEOUT_S, context=trust)
        server = smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=_TIMEOUT_S)
        try:
            if settings.smtp_security == "starttls":
                server.starttls(context=trust)
        except BaseException:
            server.close()
            raise
        return server


def compose(message: Message, sender: str, to: Sequence[str]) -> EmailMessage:
    """The mail of a message."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, ", ".join(to), message.title
    mail["Date"] = message.since
    domain = sender.rpartition("@")[2] or "sightline"
    mail["Message-ID"] = f"<{message.id}@{domain}>"
    thread = "_".join(message.id.split("_")[:-2])
    mail["References"] = f"<{thread}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(f"{message.text}\n\n{message.link}\n")
    return mail

"""The ways to people: webhook, Slack-compatible webhook, e-mail, log. Each is a `Sender`; secrets come from outside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sightline_dashboards.alerts import rules
from sightline_dashboards.alerts.channels.log import LogSender
from sightline_dashboards.alerts.channels.mail import MailSender
from sightline_dashboards.alerts.channels.webhook import SlackSender, WebhookSender
from sightline_dashboards.alerts.errors import SecretMissing
from sightline_dashboards.alerts.outbox import Sender
from sightline_dashboards.settings import AlertSettings

__all__ = ["build"]


def build(file: rules.RulesFile, settings: AlertSettings, env: Mapping[str, str]) -> dict[str, Sender]:
    """The channels of a rules file, by name.

    Args:
        file: names them.
        settings: the mail server.
        env: where variables that channels name are read.

    Raises:
        SecretMissing: a variable or a file that a channel names is not there, or empty.
    """
    return {name: _sender(name, channel, settings, env) for name, channel in file.channels.items()}


def _sender(name: str, channel: rules.Channel, settings: AlertSettings, env: Mapping[str, str]) -> Sender:
    match channel:
        case rules.Webhook():
            url = channel.url or _secret(name, "url", channel.url_env, channel.url_file, env)
            signed = channel.secret_env or channel.secret_file
            secret = _secret(name, "secret", channel.secret_env, channel.secret_file, env) if signed else ""
            return WebhookSender(url, secret)
        case rules.Slack():
            return SlackSender(_secret(name, "url", channel.url_env, channel.url_file, env))
        case rules.Email():
            if not settings.smtp_host:
                raise SecretMissing(name, "kind email", "SIGHTLINE_ALERTS_SMTP_HOST", "which is not set")
            return MailSender(settings, channel.to)
        case rules.Log():
            return LogSender()


def _secret(channel: str, field: str, variable: str, file: str, env: Mapping[str, str]) -> str:
    source = variable or file
    place = f"{field}_env" if variable else f"{field}_file"
    try:
        text = env.get(variable, "") if variable else Path(file).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise SecretMissing(channel, place, source, f"which can't be read: {exc}") from exc
    if not text.strip():
        raise SecretMissing(channel, place, source, "which is not set" if variable else "which is empty")
    return text.strip()

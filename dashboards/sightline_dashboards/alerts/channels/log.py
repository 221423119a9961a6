"""Writes messages into the evaluator's log."""

from __future__ import annotations

import logging

from sightline_dashboards.alerts.messages import Message

_LOG = logging.getLogger("sightline.alerts")


class LogSender:
    """A channel that cannot be away."""

    def send(self, message: Message) -> None:
        """Write one line."""
        level = logging.WARNING if message.status == "firing" else logging.INFO
        _LOG.log(level, "%s %s %s", message.title, message.text.replace("\n", " "), message.link)

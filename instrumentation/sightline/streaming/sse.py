"""Counts server-sent events by name while their bytes pass by, however they are cut into chunks.

An event is delivered when its closing blank line is: that is when a browser dispatches it. Memory is
bounded: of a line that has not ended only the first bytes are kept.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from typing import Final

_MAX_LINE_BYTES: Final = 512
_DONE: Final = b"[DONE]"


class EventScanner:
    """Tells content events from framing.

    Args:
        content_events: names of the events that carry content; None means every event that has data,
            except OpenAI's closing ``[DONE]``.
    """

    __slots__ = ("_content_events", "_has_data", "_line", "_name", "_skip_newline")

    def __init__(self, content_events: frozenset[str] | None) -> None:
        self._content_events = content_events
        self._line = b""
        self._name = ""
        self._has_data = False
        self._skip_newline = False

    def feed(self, data: bytes) -> int:
        """Return how many content events the bytes complete."""
        if self._skip_newline and data:
            # The last chunk ended between the two characters of a line end.
            self._skip_newline = False
            if data[:1] == b"\n":
                data = data[1:]
        if b"\r" in data:
            self._skip_newline = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        count = 0
        lines = data.split(b"\n")
        rest = lines.pop()
        for part in lines:
            line, self._line = self._line + part, b""
            count += self._end_line(line)
        if len(self._line) < _MAX_LINE_BYTES:
            self._line += rest[:_MAX_LINE_BYTES]
        return count

    def _end_line(self, line: bytes) -> int:
        if not line:
            counts = self._has_data and (
                self._content_events is None or (self._name or "message") in self._content_events
            )
            self._name = ""
            self._has_data = False
            return int(counts)
        field, _, value = line.removeprefix(b"\xef\xbb\xbf").partition(b":")
        value = value.removeprefix(b" ")
        if field == b"event":
            self._name = value.decode("utf-8", "replace")
        elif field == b"data" and value and value != _DONE:
            self._has_data = True
        return 0

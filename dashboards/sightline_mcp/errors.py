"""What can go wrong in the MCP server.

::

    McpError
    ├── KeysUnusable   the file of keys cannot be read, trusted or written
    ├── NotStarted     the server of `--http` did not start
    └── WrongQuestion  what was asked for cannot be: the assistant reads why, and what can be
        └── OutOfReach the caller's key does not reach it
"""


class McpError(Exception):
    """Root of this package's errors. Retrying does not help."""


class KeysUnusable(McpError):
    """The file of keys cannot be used, or does not hold the key that was named."""


class NotStarted(McpError):
    """The server did not start; the log says why."""


class WrongQuestion(McpError):
    """A moment, a window, a search or an id that cannot be; the message says what can."""


class OutOfReach(WrongQuestion):
    """The caller's key does not reach what was asked for; the message says what it reaches."""

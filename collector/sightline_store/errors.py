"""What can go wrong between Sightline and ClickHouse.

::

    StoreError
    ├── StoreUnavailable   nobody answers, or the store says that it is busy: trying again can help
    ├── QueryFailed        ClickHouse refused the statement: trying again does not help
    │   └── QueryRejected  the embedded node refused it before the engine saw it
    └── SchemaError        the tables are newer than this code, or a migration was changed after it ran
"""


class StoreError(Exception):
    """Root of this package's errors."""


class StoreUnavailable(StoreError):
    """The store cannot be reached or is overloaded. Retrying can help."""

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        self.reason = reason
        super().__init__(
            f"no ClickHouse answers at SIGHTLINE_STORE_URL={url}: {reason}. "
            "Start one with `sightline up` or `sightline-store serve`, or set the URL of yours."
        )


class QueryFailed(StoreError):
    """ClickHouse refused a statement. Retrying the same statement does not help.

    Attributes:
        code: ClickHouse's error code, 0 where it told none.
        message: its own words.
    """

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(message)


class QueryRejected(QueryFailed):
    """The embedded node refused a request; `status` is the HTTP status that it answers."""

    def __init__(self, status: int, code: int, message: str) -> None:
        self.status = status
        super().__init__(code, message)


class SchemaError(StoreError):
    """The tables in the store and the migrations in this package do not fit together."""

"""What can go wrong between Sightline and ClickHouse.

::

    StoreError
    ├── StoreUnavailable   nobody answers, or the store says that it is busy: trying again can help
    ├── QueryFailed        ClickHouse refused the statement: trying again does not help
    │   └── QueryRejected  the embedded node refused it before the engine saw it
    ├── SchemaError        the tables are newer than this code, or a migration was changed after it ran
    └── PricesFileError    the user's own prices can't be read: the line and the field are told
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


class PricesFileError(StoreError):
    """The file of SIGHTLINE_PRICES_FILE can't be used; `line` is 0 and `field` '' where it is about neither."""

    def __init__(self, file: str, line: int, field: str, reason: str) -> None:
        self.file = file
        self.line = line
        self.field = field
        self.reason = reason
        place = file + (f", line {line}" if line else "") + (f", field {field}" if field else "")
        super().__init__(f"{place}: {reason}")

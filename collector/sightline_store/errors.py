"""What can go wrong between Sightline and ClickHouse.

::

    StoreError
    ├── StoreUnavailable   nobody answers: trying again can help
    │   └── StoreBusy      ClickHouse answers that it cannot do it now: trying again can help
    ├── QueryFailed        ClickHouse refused the statement: trying again does not help
    │   └── QueryRejected  the embedded node refused it before the engine saw it
    ├── SchemaError        the tables in the store and the schema of this package do not fit together
    ├── DdlError           a statement of the schema cannot be read
    └── PricesFileError    the user's own prices can't be read: the line and the field are told
"""


class StoreError(Exception):
    """Root of this package's errors."""


class StoreUnavailable(StoreError):
    """The store cannot be reached. Retrying can help."""

    def __init__(self, url: str, reason: str, message: str = "") -> None:
        self.url = url
        self.reason = reason
        super().__init__(
            message
            or f"no ClickHouse answers at SIGHTLINE_STORE_URL={url}: {reason}. "
            "Start one with `sightline up` or `sightline-store serve`, or set the URL of yours."
        )


class StoreBusy(StoreUnavailable):
    """ClickHouse answered that it cannot do it now. Retrying can help.

    Attributes:
        code: ClickHouse's error code.
        reason: its own words.
        way_out: what helps where waiting does not; '' where only waiting does.
        wants_too_much: whether this one statement wants more memory than it may take.
    """

    def __init__(self, url: str, code: int, reason: str) -> None:
        self.code = code
        self.way_out = _way_out(code, reason)
        self.wants_too_much = code == _MEMORY and _OF_ALL not in reason
        words = reason.rstrip(". ")
        message = f"the ClickHouse at SIGHTLINE_STORE_URL={url} cannot do it now (code {code}): {words}."
        super().__init__(url, reason, f"{message} {self.way_out}".rstrip())


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


class DdlError(StoreError):
    """A statement of the schema that `sightline_store.ddl` cannot read; `statement` is its text."""

    def __init__(self, statement: str, reason: str) -> None:
        self.statement = statement
        self.reason = reason
        super().__init__(f"{reason}: {' '.join(statement.split())[:120]}")


class PricesFileError(StoreError):
    """The file of SIGHTLINE_PRICES_FILE can't be used; `line` is 0 and `field` '' where it is about neither."""

    def __init__(self, file: str, line: int, field: str, reason: str) -> None:
        self.file = file
        self.line = line
        self.field = field
        self.reason = reason
        place = file + (f", line {line}" if line else "") + (f", field {field}" if field else "")
        super().__init__(f"{place}: {reason}")


def _way_out(code: int, reason: str) -> str:
    """What helps with a busy store where waiting does not."""
    if code == _MEMORY and _OF_ALL in reason:
        return (
            "All statements together have reached the server's memory limit: ask for less at once, or raise "
            "SIGHTLINE_STORE_MAX_MEMORY_BYTES of the embedded store (max_server_memory_usage of a server)."
        )
    return _WAYS_OUT.get(code, "")


_MEMORY = 241
_OF_ALL = "(total)"
_WAYS_OUT = {
    159: "The statement took longer than it may: ask for a shorter time, or raise max_execution_time.",
    202: "Fewer statements at once help, or more room for them: SIGHTLINE_STORE_MAX_CONCURRENT_QUERIES and "
    "SIGHTLINE_STORE_MAX_QUEUED_QUERIES of the embedded store (max_concurrent_queries of a server).",
    _MEMORY: "This one statement has reached its own memory limit, max_memory_usage: ask for a shorter time or fewer "
    "columns.",
    242: "The table takes no rows while its replicas cannot reach Keeper.",
    243: "The store's disk is full: make room, or let SIGHTLINE_STORE_RETENTION_MAX_GIB drop the oldest days.",
    469: "Rows wait until that is over. An upgrade that was interrupted is finished by `sightline-store migrate`.",
    252: "Rows come in more pieces than ClickHouse merges: send fewer, larger batches.",
}

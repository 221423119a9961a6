"""Settings of the embedded ClickHouse."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sightline_roles.port_settings import PortSettings
from sightline_roles.settings import names, setting


@dataclass(frozen=True, kw_only=True)
class NodeSettings(PortSettings):
    """How the embedded ClickHouse runs.

    Beyond loopback, where every request needs a key, no allowed host means that any name is taken.
    """

    prefix = "SIGHTLINE_STORE_"

    port: int = setting("SIGHTLINE_STORE_PORT", 8123, "Port of the HTTP interface", at_least=0, at_most=65535)
    data_dir: Path = setting(
        "SIGHTLINE_STORE_DATA_DIR",
        Path(".sightline/store"),
        "Folder of the data; keys and grants lie beside it, in a folder of its name with `.access`",
    )
    max_memory_bytes: int = setting(
        "SIGHTLINE_STORE_MAX_MEMORY_BYTES",
        3 * 1024**3,
        "Memory that the whole process may take, in bytes. A third of it, and at least 1 GiB, is left to the program "
        "and to what the engine's allocator keeps; the rest is for statements and their caches",
        at_least=3 * 512 * 1024**2,
    )
    max_concurrent_queries: int = setting(
        "SIGHTLINE_STORE_MAX_CONCURRENT_QUERIES",
        8,
        "Statements that run at once; with 2 one can write while one reads",
        at_least=2,
    )
    max_queued_queries: int = setting(
        "SIGHTLINE_STORE_MAX_QUEUED_QUERIES",
        128,
        "Statements that wait for a place; more are answered 503",
        at_least=0,
    )
    max_body_bytes: int = setting(
        "SIGHTLINE_STORE_MAX_BODY_BYTES",
        4 * 1024**3,
        "Largest body of a request after decompression, in bytes; a larger one is answered 413. Bodies of more than "
        "128 MiB are kept on the data folder's disk until the engine has read them",
        at_least=1024**2,
    )
    session_timeout_s: float = setting(
        "SIGHTLINE_STORE_SESSION_TIMEOUT_S", 60.0, "Seconds after which an unused session is dropped"
    )
    heartbeat_timeout_s: float = setting(
        "SIGHTLINE_STORE_HEARTBEAT_TIMEOUT_S",
        60.0,
        "Seconds without an answer from the engine after which the process ends with code 70, so that its supervisor "
        "starts a new one",
    )
    reader_databases: tuple[str, ...] = setting(
        ("SIGHTLINE_STORE_READER_DATABASES", "SIGHTLINE_STORE_DATABASE"),
        ("otel",),
        "Databases whose tables a reader's key may read",
    )
    backup_dir: Path = setting(
        "SIGHTLINE_STORE_BACKUP_DIR",
        Path(),
        "The one folder that backups are written to and restored from",
        default_text="`backups` in the data folder",
    )
    confine: str = setting(
        "SIGHTLINE_STORE_CONFINE",
        "auto",
        "Whether the kernel confines the node's process to its data, its backups and its libraries, without network: "
        "`auto` where the kernel can, with a warning where it cannot; `required` does not start without; `off` leaves "
        "an admin's statements everything that the process's user can open",
        choices=("auto", "required", "off"),
    )
    allow_read: tuple[Path, ...] = setting(
        "SIGHTLINE_STORE_ALLOW_READ",
        (),
        "More folders and files that an admin's statements may read while the node is confined",
    )
    allow_write: tuple[Path, ...] = setting(
        "SIGHTLINE_STORE_ALLOW_WRITE",
        (),
        "More folders that an admin's statements may read and write while the node is confined",
    )
    allow_connect: str = setting(
        "SIGHTLINE_STORE_ALLOW_CONNECT",
        "",
        "TCP ports, on any machine, that the node may connect to while it is confined; `*` is any. The ports of "
        "SIGHTLINE_KAFKA_BROKERS are among them",
        need="ports from 1 to 65535 with commas between, or *",
        default_text="none",
    )
    kafka_brokers: str = setting(
        "SIGHTLINE_KAFKA_BROKERS",
        "",
        "Brokers whose ports the confined node may connect to: those of `KafkaSettings`",
        default_text="none",
    )
    run_as: str = setting(
        "SIGHTLINE_STORE_RUN_AS",
        "",
        "Name or number of the user that a node started as root becomes once it has its port; the data and the backups "
        "must belong to that user",
    )

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the variable."""
        super().__post_init__()
        self.connect_ports  # noqa: B018  (refuses what is no port)

    @property
    def engine_memory_bytes(self) -> int:
        """What the engine may count: it counts neither the program nor what its allocator keeps back."""
        return self.max_memory_bytes - max(self.max_memory_bytes // 3, 1024**3)

    @property
    def backups(self) -> Path:
        """The folder of the backups, absolute."""
        return (self.data_dir / "backups" if self.backup_dir == Path() else self.backup_dir).resolve()

    @property
    def connect_ports(self) -> frozenset[int] | None:
        """TCP ports that may be connected to, None for any: those of the setting, and those of the Kafka brokers."""
        allowed = names(self.allow_connect)
        if "*" in allowed:
            return None
        brokers = [broker.rpartition(":")[2] for broker in names(self.kafka_brokers)]
        ports = [*allowed, *(port if port.isdecimal() else "9092" for port in brokers)]
        if not all(port.isdecimal() and 0 < int(port) < 65536 for port in ports):
            raise self.invalid("allow_connect")
        return frozenset(map(int, ports))

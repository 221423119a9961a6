"""Settings of the embedded ClickHouse."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sightline_roles.host_check import check_names, read_names


@dataclass(frozen=True, kw_only=True)
class NodeSettings:
    """How the embedded ClickHouse runs."""

    host: str = "127.0.0.1"
    """SIGHTLINE_STORE_HOST: address to listen on. Default: loopback only."""
    port: int = 8123
    """SIGHTLINE_STORE_PORT: port of the HTTP interface. Default: 8123."""
    allowed_hosts: tuple[str, ...] = ()
    """SIGHTLINE_STORE_ALLOWED_HOSTS: names by which clients reach the node beside its address and loopback's, comma
    separated, `*.example.org` for all below; `*` takes any Host and requests without one. Beyond loopback, where a key
    is needed, none means any name. Default: none."""
    max_connections: int = 1024
    """SIGHTLINE_STORE_MAX_CONNECTIONS: connections open at once; for a new one beyond, one that has sent no whole
    request head or is idle is closed, else the new one is answered 503. Default: 1024."""
    header_timeout_s: float = 10.0
    """SIGHTLINE_STORE_HEADER_TIMEOUT_S: seconds within which a request's head must come. Default: 10."""
    body_timeout_s: float = 30.0
    """SIGHTLINE_STORE_BODY_TIMEOUT_S: seconds in which at least 1 KiB of a request's body must come, and some of an
    answer that waits must be taken. Default: 30."""
    idle_timeout_s: float = 75.0
    """SIGHTLINE_STORE_IDLE_TIMEOUT_S: seconds that a connection may stay open between requests. Default: 75."""
    data_dir: Path = Path(".sightline/store")
    """SIGHTLINE_STORE_DATA_DIR: folder with the data. Default: .sightline/store under the current folder."""
    max_memory_bytes: int = 3 * 1024**3
    """SIGHTLINE_STORE_MAX_MEMORY_BYTES: memory that the whole process may take. A third of it, and at least 1 GiB, is
    left to the program and to what the engine's allocator keeps; the rest is for statements and their caches. Default:
    3221225472 (3 GiB)."""
    max_concurrent_queries: int = 8
    """SIGHTLINE_STORE_MAX_CONCURRENT_QUERIES: statements that run at once. Default: 8."""
    max_queued_queries: int = 128
    """SIGHTLINE_STORE_MAX_QUEUED_QUERIES: statements that wait for a place; more are answered 503. Default: 128."""
    max_body_bytes: int = 4 * 1024**3
    """SIGHTLINE_STORE_MAX_BODY_BYTES: size of a request's body, unpacked; a larger one is answered 413. Bodies of more
    than 128 MiB are kept on the data folder's disk until the engine has read them. Default: 4294967296 (4 GiB)."""
    session_timeout_s: float = 60.0
    """SIGHTLINE_STORE_SESSION_TIMEOUT_S: seconds after which an unused session is dropped. Default: 60."""
    heartbeat_timeout_s: float = 60.0
    """SIGHTLINE_STORE_HEARTBEAT_TIMEOUT_S: seconds without an answer from the engine after which the process ends
    with code 70, so that its supervisor starts a new one. Default: 60."""
    reader_databases: tuple[str, ...] = ("otel",)
    """SIGHTLINE_STORE_READER_DATABASES: databases whose tables a reader's key may read, with commas between. Default:
    SIGHTLINE_STORE_DATABASE, and that is otel."""
    backup_dir: Path = Path()
    """SIGHTLINE_STORE_BACKUP_DIR: the one folder that backups are written to and restored from. Default: `backups` in
    the data folder."""
    confine: str = "auto"
    """SIGHTLINE_STORE_CONFINE: whether the kernel keeps the node's process to its data, its backups and its libraries,
    and off the network: `auto` where the kernel can, with a warning where it cannot; `required` does not start
    without; `off` leaves statements of an admin all that the process's user can open. Default: auto."""
    allow_read: tuple[Path, ...] = ()
    """SIGHTLINE_STORE_ALLOW_READ: more folders and files that an admin's statements may read while the node is
    confined, with colons between. Default: none."""
    allow_write: tuple[Path, ...] = ()
    """SIGHTLINE_STORE_ALLOW_WRITE: more folders that an admin's statements may read and write, written alike.
    Default: none."""
    allow_connect: str = ""
    """SIGHTLINE_STORE_ALLOW_CONNECT: TCP ports that the node may connect to while it is confined, on any machine, with
    commas between; `*` is any. The ports of SIGHTLINE_KAFKA_BROKERS are among them. Default: none."""
    kafka_brokers: str = ""
    """Those of KafkaSettings, whose ports the node may connect to."""
    run_as: str = ""
    """SIGHTLINE_STORE_RUN_AS: name or number of the user that a node started as root becomes once it has its port; the
    data and the backups must belong to it. Default: none."""

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the variable."""
        if not 0 <= self.port < 65536:
            raise ValueError(f"SIGHTLINE_STORE_PORT is {self.port}; needs 0 to 65535")
        if self.max_memory_bytes < 3 * 512 * 1024**2:
            raise ValueError(
                f"SIGHTLINE_STORE_MAX_MEMORY_BYTES is {self.max_memory_bytes}; needs at least 1610612736 (1.5 GiB)"
            )
        if self.max_concurrent_queries < 2:
            raise ValueError("SIGHTLINE_STORE_MAX_CONCURRENT_QUERIES must be at least 2: one writes while one reads")
        if self.max_body_bytes < 1024**2:
            raise ValueError(f"SIGHTLINE_STORE_MAX_BODY_BYTES is {self.max_body_bytes}; needs at least 1048576 (1 MiB)")
        if self.confine not in {"auto", "required", "off"}:
            raise ValueError(f"SIGHTLINE_STORE_CONFINE is {self.confine!r}; needs auto, required or off")
        self.connect_ports  # noqa: B018  (reads what is no number)
        if self.max_queued_queries < 0:
            raise ValueError(f"SIGHTLINE_STORE_MAX_QUEUED_QUERIES is {self.max_queued_queries}; needs 0 or more")
        check_names("SIGHTLINE_STORE_ALLOWED_HOSTS", self.allowed_hosts)
        for name in ("max_connections", "header_timeout_s", "body_timeout_s", "idle_timeout_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"SIGHTLINE_STORE_{name.upper()} is {getattr(self, name):g}; needs more than 0")

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
        """TCP ports that may be connected to, None for any: those that are named, and those of the Kafka brokers."""
        named = _names(self.allow_connect)
        if "*" in named:
            return None
        brokers = [broker.rpartition(":")[2] for broker in _names(self.kafka_brokers)]
        ports = [*named, *(port if port.isdecimal() else "9092" for port in brokers)]
        if wrong := [port for port in ports if not port.isdecimal() or not 0 < int(port) < 65536]:
            raise ValueError(f"SIGHTLINE_STORE_ALLOW_CONNECT has {wrong[0]!r}; needs ports from 1 to 65535, or *")
        return frozenset(map(int, ports))

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> NodeSettings:
        """Read the variables named above; what is absent keeps its default."""
        return cls(
            host=env.get("SIGHTLINE_STORE_HOST", cls.host),
            port=int(_number(env, "SIGHTLINE_STORE_PORT", cls.port)),
            allowed_hosts=read_names("SIGHTLINE_STORE_ALLOWED_HOSTS", env.get("SIGHTLINE_STORE_ALLOWED_HOSTS", "")),
            max_connections=int(_number(env, "SIGHTLINE_STORE_MAX_CONNECTIONS", cls.max_connections)),
            header_timeout_s=_number(env, "SIGHTLINE_STORE_HEADER_TIMEOUT_S", cls.header_timeout_s),
            body_timeout_s=_number(env, "SIGHTLINE_STORE_BODY_TIMEOUT_S", cls.body_timeout_s),
            idle_timeout_s=_number(env, "SIGHTLINE_STORE_IDLE_TIMEOUT_S", cls.idle_timeout_s),
            data_dir=Path(env.get("SIGHTLINE_STORE_DATA_DIR", str(cls.data_dir))),
            max_memory_bytes=int(_number(env, "SIGHTLINE_STORE_MAX_MEMORY_BYTES", cls.max_memory_bytes)),
            max_concurrent_queries=int(
                _number(env, "SIGHTLINE_STORE_MAX_CONCURRENT_QUERIES", cls.max_concurrent_queries)
            ),
            max_queued_queries=int(_number(env, "SIGHTLINE_STORE_MAX_QUEUED_QUERIES", cls.max_queued_queries)),
            max_body_bytes=int(_number(env, "SIGHTLINE_STORE_MAX_BODY_BYTES", cls.max_body_bytes)),
            session_timeout_s=_number(env, "SIGHTLINE_STORE_SESSION_TIMEOUT_S", cls.session_timeout_s),
            heartbeat_timeout_s=_number(env, "SIGHTLINE_STORE_HEARTBEAT_TIMEOUT_S", cls.heartbeat_timeout_s),
            reader_databases=_names(
                env.get("SIGHTLINE_STORE_READER_DATABASES") or env.get("SIGHTLINE_STORE_DATABASE") or "otel"
            ),
            backup_dir=Path(env.get("SIGHTLINE_STORE_BACKUP_DIR", "")),
            confine=env.get("SIGHTLINE_STORE_CONFINE", "").strip() or cls.confine,
            allow_read=_paths(env.get("SIGHTLINE_STORE_ALLOW_READ", "")),
            allow_write=_paths(env.get("SIGHTLINE_STORE_ALLOW_WRITE", "")),
            allow_connect=env.get("SIGHTLINE_STORE_ALLOW_CONNECT", ""),
            kafka_brokers=env.get("SIGHTLINE_KAFKA_BROKERS", ""),
            run_as=env.get("SIGHTLINE_STORE_RUN_AS", "").strip(),
        )


def _number(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name)
    if text is None or not text.strip():
        return default
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}; needs a number, default {default:g}") from None


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))


def _paths(text: str) -> tuple[Path, ...]:
    return tuple(Path(path).expanduser().resolve() for part in text.split(os.pathsep) if (path := part.strip()))

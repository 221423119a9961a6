"""Applies `sql/ddl/*.sql` in order, once each, and keeps what was applied in `sightline_schema`.

A file's number is its version. Files are forward-only: what has run is never edited, a change is a new file. In a file
a statement ends with `;` at the end of a line. Every statement is idempotent (IF NOT EXISTS), so a crash between a
file's statements and the note of its version is mended by the next start.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib import resources

from sightline_store.client import Client
from sightline_store.errors import QueryFailed, SchemaError
from sightline_store.schema import drift, retention
from sightline_store.settings import RetentionSettings

_VERSIONS = """CREATE TABLE IF NOT EXISTS sightline_schema
(version UInt32, name String, checksum String, applied_at DateTime DEFAULT now())
ENGINE = MergeTree ORDER BY version SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"""
_NO_SUCH_DATABASE = 81
_NO_SUCH_TABLE = 60


@dataclass(frozen=True)
class Migration:
    """One file of `sql/ddl`: its number, its name and its statements."""

    version: int
    name: str
    statements: tuple[str, ...]
    checksum: str


def migrations() -> list[Migration]:
    """Every file of `sql/ddl`, in order."""
    found = []
    for entry in sorted(resources.files("sightline_store.sql").joinpath("ddl").iterdir(), key=lambda e: e.name):
        match = re.fullmatch(r"(\d{3})_(\w+)\.sql", entry.name)
        if match:
            text = entry.read_text(encoding="utf-8")
            found.append(Migration(int(match[1]), match[2], tuple(split_statements(text)), checksum_of(text)))
    return found


def checksum_of(text: str) -> str:
    """What says whether a file was changed: 16 hex digits of its lines but for comments, which may be put better."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def split_statements(text: str) -> list[str]:
    """The statements of a file: each ends with `;` at the end of a line; comment lines before one are dropped."""
    statements = []
    for piece in re.split(r";[ \t]*(?:\n|\Z)", text):
        statement = re.sub(r"\A(?:\s*--[^\n]*\n|\s+)+", "", piece).strip()
        if statement and not re.fullmatch(r"(?:\s*--[^\n]*)+", statement):
            statements.append(statement)
    return statements


def applied(client: Client) -> dict[int, str]:
    """Version to checksum of what the store has; empty where it has nothing."""
    try:
        rows = client.query_rows("SELECT version, any(checksum) AS checksum FROM sightline_schema GROUP BY version")
    except QueryFailed as exc:
        if exc.code in {_NO_SUCH_DATABASE, _NO_SUCH_TABLE}:
            return {}
        raise
    return {int(row["version"]): str(row["checksum"]) for row in rows}


def pending(client: Client) -> list[Migration]:
    """What `apply` would run.

    Raises:
        SchemaError: the store is newer than this code, or a file was edited after it had run.
    """
    have, known = applied(client), migrations()
    newest = known[-1].version
    if have and max(have) > newest:
        raise SchemaError(
            f"the store's tables have version {max(have)}, this Sightline knows up to {newest}: "
            "install the newer sightline-platform, or point SIGHTLINE_STORE_DATABASE at another database"
        )
    for migration in known:
        if have.get(migration.version, migration.checksum) != migration.checksum:
            raise SchemaError(
                f"sql/ddl/{migration.version:03}_{migration.name}.sql was changed after it had been applied: "
                "put the change into a new file"
            )
    return [migration for migration in known if migration.version not in have]


def apply(client: Client) -> list[Migration]:
    """Bring the store's tables up to date and return what ran. Runs again without effect."""
    client.command(f"CREATE DATABASE IF NOT EXISTS {client.settings.database}", database="")
    missing = pending(client)
    if missing:
        client.command(_VERSIONS)
    for migration in missing:
        for statement in migration.statements:
            client.command(statement)
        client.insert_rows(
            "sightline_schema",
            ["version", "name", "checksum"],
            [[migration.version, migration.name, migration.checksum]],
        )
    return missing


@dataclass(frozen=True)
class Plan:
    """What would change, before it changes.

    Attributes:
        migrations: files that would run.
        ttls: changes of the tables' TTL.
        differences: what was changed by another hand, or is missing. `migrate` does not touch it.
        dropping: days that the cap would drop now.
    """

    migrations: list[Migration]
    ttls: list[retention.Change]
    differences: list[drift.Difference]
    dropping: list[retention.Dropped]

    def lines(self) -> list[str]:
        """The plan as SQL with its reasons in comments; empty where nothing would change."""
        found: list[str] = []
        for migration in self.migrations:
            found.append(f"-- {migration.version:03} {migration.name}")
            found += [f"{statement};\n" for statement in migration.statements]
        found += [f"-- {change.table} {change.why}\n{change.statement};\n" for change in self.ttls]
        found += [
            f"-- over the cap: {day.rows} rows, {day.size_bytes} bytes\n"
            f"ALTER TABLE {day.table} DROP PARTITION '{day.day}';\n"
            for day in self.dropping
        ]
        for difference in self.differences:
            found.append(f"-- differs, and is left as it is: {difference.table}: {difference.what}")
            if difference.statement:
                found += [f"--   {line}" for line in f"{difference.statement};".splitlines()]
        return found


def plan(client: Client, settings: RetentionSettings | None = None) -> Plan:
    """What `apply` and `retention.enforce` would do, and where the real tables differ from the files that have run.

    Raises:
        SchemaError: as `pending` does.
    """
    wanted = settings or RetentionSettings()
    missing = pending(client)
    versions = {migration.version for migration in missing}
    ran = [statement for m in migrations() if m.version not in versions for statement in m.statements]
    return Plan(
        missing,
        retention.plan(client, wanted) if ran else [],
        drift.differences(client, ran) if ran else [],
        retention.over_cap(client, wanted) if ran else [],
    )

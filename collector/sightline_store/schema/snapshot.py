"""A backup before an upgrade, that `sightline-store restore` takes back."""

from __future__ import annotations

from datetime import UTC, datetime

from sightline_store import backup
from sightline_store.backup import BackupReport
from sightline_store.client import Client
from sightline_store.errors import SchemaError, StoreError, StoreUnavailable
from sightline_store.schema.plan import Plan


def take(client: Client, plan: Plan, now: datetime | None = None) -> BackupReport | None:
    """Back the database up into a folder whose name says why.

    None where there are no rows, and where the plan goes on with an interrupted upgrade: that one took its snapshot
    before it changed anything.

    Raises:
        SchemaError: the store may not write a backup; the message names the way out.
        StoreUnavailable: try again.
    """
    if not plan or not plan.has_rows or plan.reopens:
        return None
    moment = (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H-%M-%SZ")
    name = f"before-upgrade-from-version-{plan.version}-{moment}"
    try:
        return backup.backup(client, name)
    except StoreUnavailable:
        raise
    except StoreError as exc:
        raise SchemaError(
            f"no snapshot could be taken before the upgrade, and nothing was changed ({exc}). Let the server write "
            "backups (backups.allowed_path in its configuration; SIGHTLINE_STORE_BACKUP_DIR of the embedded node), or "
            "back the store up in your own way and run `sightline-store migrate --no-snapshot`"
        ) from exc

"""Settings of the documents that clients upload."""

from __future__ import annotations

from dataclasses import dataclass

from sightline_app.settings.base import OwnSettings
from sightline_roles.settings import setting


@dataclass(frozen=True, kw_only=True)
class UploadSettings(OwnSettings):
    """Documents that clients of `sightline-app` upload, beside the corpus of `sightline-app ingest`."""

    max_bytes: int = setting(
        "SIGHTLINE_APP_UPLOAD_MAX_BYTES", 5_000_000, "Largest document that is taken, in bytes", at_least=1
    )
    max_documents: int = setting(
        "SIGHTLINE_APP_UPLOAD_MAX_DOCUMENTS", 1000, "Uploaded documents that a tenant may have", at_least=0
    )
    wait_s: float = setting(
        "SIGHTLINE_APP_UPLOAD_WAIT_S",
        2.0,
        "Seconds that a request waits until its document is stored or deleted; what takes longer goes on behind it",
        at_least=0,
        at_most=60,
    )

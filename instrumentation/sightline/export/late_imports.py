"""Imports that the exporting thread makes, kept apart from forks.

The HTTP client, TLS and what few processes need (gzip, protobuf) would double this library's import time, so the
exporting thread imports them, not the application's start. A fork in the middle of an import would leave the child a
module's lock that nobody gives back.
"""

from __future__ import annotations

import os
import threading

LATE_IMPORTS = threading.Lock()
"""Held around such an import; a fork waits for it."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=LATE_IMPORTS.acquire, after_in_parent=LATE_IMPORTS.release, after_in_child=LATE_IMPORTS.release
    )

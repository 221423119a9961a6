"""API keys of the collector: a file of them, and the commands that create, list and revoke them.

A key reads `sl_<id>_<secret>` and is bound to a tenant and a rate; see `sightline_roles.key_file` for what is kept of
it and how.
"""

from __future__ import annotations

import argparse
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sightline_collector.errors import KeysUnusable
from sightline_roles import key_commands
from sightline_roles.key_file import HashedKey, KeyFile, Wording, check_label

_BURST_S = 5.0
_WORDING = Wording(
    prefix="sl",
    error=KeysUnusable,
    log=logging.getLogger("sightline.collector"),
    list_command="keys list",
    setting="SIGHTLINE_COLLECTOR_KEYS_FILE",
)


@dataclass(frozen=True, kw_only=True)
class Key(HashedKey):
    """What is known of an API key."""

    tenant: str
    """Stamped on everything that is sent with the key, 1 to 128 characters."""
    rate_spans_per_s: float = 0.0
    """Spans, log records or data points a second in the long run; 0 is no limit."""
    burst_spans: float = 0.0
    """How many may come at once after a rest; 0 only without a rate."""

    def __post_init__(self) -> None:
        """Refuse what no key can be, whether from a command or from a file."""
        super().__post_init__()
        check_label("tenant", self.tenant)
        for what in ("rate_spans_per_s", "burst_spans"):
            value = getattr(self, what)
            if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
                raise ValueError(f"{what.partition('_')[0]} is {value!r}; needs a number, 0 or more")
        if bool(self.rate_spans_per_s) != bool(self.burst_spans):
            raise ValueError("a burst goes with a rate: neither is 0 without the other")


class KeyRing(KeyFile[Key]):
    """The keys of SIGHTLINE_COLLECTOR_KEYS_FILE."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the file, whose folder is made with the first key.

        Raises:
            KeysUnusable: it is there and cannot be read, is no such file, or others than its owner may write to it.
        """
        super().__init__(path, Key, _WORDING, clock)

    def create(self, name: str, tenant: str, rate_spans_per_s: float = 0.0, burst_spans: float = 0.0) -> str:
        """Add a key and return its token, which is kept nowhere.

        Args:
            name: what the key is for.
            tenant: stamped on what is sent with it.
            rate_spans_per_s: limit in the long run; 0 is none.
            burst_spans: how many may come at once; 0 is 5 s of the rate, since an SDK sends every 5 s.

        Raises:
            ValueError: a value cannot be.
            KeysUnusable: the file cannot be read or written.
        """
        return self._add(
            name=name,
            tenant=tenant,
            rate_spans_per_s=rate_spans_per_s,
            burst_spans=burst_spans or rate_spans_per_s * _BURST_S,
        )


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `keys` and what it can do to the commands of the console script."""
    create = key_commands.add_parser(commands, _WORDING.setting)
    create.add_argument("--tenant", required=True, help="stamped on everything that is sent with the key")
    create.add_argument("--rate", type=float, default=0.0, metavar="SPANS_PER_S", help="limit; default: none")
    create.add_argument("--burst", type=float, default=0.0, metavar="SPANS", help="at once; default: 5 s of the rate")


def run(args: argparse.Namespace, path: Path) -> None:
    """Do what `keys` was asked to do with the file at `path`.

    Raises:
        ValueError: an argument cannot be.
        KeysUnusable: the file cannot be used, or there is no such key.
    """
    ring = KeyRing(path)
    key_commands.run(
        args,
        ring,
        lambda: ring.create(args.name, args.tenant, args.rate, args.burst),
        "OTEL_EXPORTER_OTLP_HEADERS=x-api-key=KEY",
    )

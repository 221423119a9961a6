"""All harms, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sightline_app.chaos.burst import Burst
from sightline_app.chaos.content_harms import InjectedDocument, PassagesLost
from sightline_app.chaos.fault_harms import FAULTS, ModelSwapped
from sightline_app.chaos.harm import Harm
from sightline_app.chaos.process_harms import RedisAway, WeaviateAway

HARMS: Final[Mapping[str, Harm]] = {
    harm.name: harm
    for harm in (
        PassagesLost(),
        *FAULTS,
        ModelSwapped(),
        Burst(),
        InjectedDocument(),
        RedisAway(),
        WeaviateAway(),
    )
}

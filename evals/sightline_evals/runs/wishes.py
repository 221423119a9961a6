"""What a run is asked to do. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sightline_evals.errors import UsageError
from sightline_evals.gate import Rules
from sightline_store.questions.sampled import SampleBy


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a run may use.

    Attributes:
        deadline_s: seconds for all scores; None for no limit.
        usd: most US dollars of the judge; None for no limit.
        tokens: most tokens of the judge; None for no limit.
        use_cache: take answers that the judge gave before.
    """

    deadline_s: float | None = 3600.0
    usd: float | None = None
    tokens: int | None = None
    use_cache: bool = True


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What a run is asked to do; `cli.run` explains each.

    Of a run that goes on, source, judge and metrics are those of the journal, all else is as wished now.
    """

    since: str | None = None
    dataset: Path | None = None
    ask: str | None = None
    resume: str | None = None
    limit: int | None = None
    strategy: SampleBy = "stratified"
    seed: int = 0
    rescore: bool = False
    metrics: tuple[str, ...] = ()
    judges: tuple[str, ...] = ("offline",)
    disagreement: float = 0.2
    concurrency: int = 4
    run_id: str | None = None
    send: bool | None = None
    json_path: str | None = None
    floors: Mapping[str, float] = field(default_factory=dict)
    rules: Rules = field(default_factory=Rules)
    limits: Limits = field(default_factory=Limits)

    @property
    def sends(self) -> bool:
        """Whether scores are sent: as wished, else where they belong to traces."""
        return bool(self.since or self.ask) if self.send is None else self.send

    def kept(self) -> dict[str, Any]:
        """What a run that goes on takes over, as JSON values."""
        return {
            "since": self.since,
            "dataset": None if self.dataset is None else str(self.dataset.resolve()),
            "ask": self.ask,
            "limit": self.limit,
            "strategy": self.strategy,
            "seed": self.seed,
            "rescore": self.rescore,
            "judges": list(self.judges),
            "disagreement": self.disagreement,
            "send": self.sends,
        }

    def resumed(self, kept: Mapping[str, Any], metrics: tuple[str, ...]) -> Wishes:
        """These wishes with what another run kept.

        Raises:
            UsageError: a source is wished that is not the one of that run.
        """
        dataset = None if kept["dataset"] is None else Path(kept["dataset"])
        for name, mine, theirs in (
            ("--since", self.since, kept["since"]),
            ("--ask", self.ask, kept["ask"]),
            ("--dataset", self.dataset and self.dataset.resolve(), dataset),
        ):
            if mine is not None and mine != theirs:
                raise UsageError(f"{name} is {mine}, but the run to go on with has {theirs}; leave it out")
        if self.metrics and self.metrics != metrics:
            raise UsageError(f"the run to go on with measures {', '.join(metrics)}; leave --metrics out")
        taken = {
            **kept,
            "judges": tuple(kept["judges"]),
            "dataset": dataset,
            "send": kept["send"] if self.send is None else self.send,
        }
        return replace(self, **taken, metrics=metrics)

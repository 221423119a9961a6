"""The judges that `--judge` names, made into one."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sightline_evals.calibration.maps import read_calibration
from sightline_evals.errors import UsageError
from sightline_evals.judges import Judge
from sightline_evals.judges.answer_cache import AnswerCache
from sightline_evals.judges.budget import Budget
from sightline_evals.judges.cross_encoder import CrossEncoderJudge
from sightline_evals.judges.offline import VERSION, OfflineJudge
from sightline_evals.judges.panel import DISAGREEMENT, PanelJudge
from sightline_evals.judges.remote import RemoteJudge, price_of
from sightline_evals.runs.wishes import Limits
from sightline_evals.settings import JudgeSettings, RunSettings

OFFLINE: Final = "offline"
ONNX: Final = "onnx"
REMOTE: Final = "remote"
NEEDED: Final = f"{OFFLINE}, {ONNX}, {REMOTE} or {REMOTE}:MODEL"
"""What a judge's name may be."""


def add_judges(group: argparse._ActionsContainer) -> None:
    """Add the flags that name judges."""
    group.add_argument(
        "--judge",
        action="append",
        metavar="NAME",
        help=f"the judge: {NEEDED} (default: remote if SIGHTLINE_JUDGE_MODEL is set); given again, a panel of judges",
    )
    group.add_argument(
        "--disagreement",
        type=float,
        default=DISAGREEMENT,
        metavar="D",
        help="difference of the first two judges' scores of an answer beyond which the others are asked "
        f"(default: {DISAGREEMENT:g})",
    )


def named_judges(names: Sequence[str] | None, settings: JudgeSettings) -> tuple[str, ...]:
    """The judges that a command line names; without one a model where the settings have one, else the offline judge.

    Raises:
        UsageError: there is no judge of a name.
    """
    for name in names or ():
        kind, sign, model = name.partition(":")
        if kind not in {OFFLINE, ONNX, REMOTE} or (sign and (kind != REMOTE or not model)):
            raise UsageError(f"--judge {name!r}: needs {NEEDED}")
    return tuple(names or [REMOTE if settings.model else OFFLINE])


def have_no_model(names: Sequence[str]) -> bool:
    """Whether all judges give probabilities, and none is a model that writes text."""
    return not any(name.partition(":")[0] == REMOTE for name in names)


def judge_of(
    names: Sequence[str],
    settings: JudgeSettings,
    places: RunSettings,
    *,
    limits: Limits | None = None,
    concurrency: int = 4,
    disagreement: float = DISAGREEMENT,
) -> Judge:
    """The judge of some names: one, or a panel of several in that order.

    What a run may spend is divided equally among the models of a panel.

    Args:
        names: of `named_judges`.
        settings: model, address, files.
        places: where answers of models are kept.
        limits: what may be spent.
        concurrency: calls of a model at once, at most.
        disagreement: see `PanelJudge`.

    Raises:
        UsageError: it cannot be had, or a budget in dollars has no price.
    """
    limits = limits or Limits()
    models = max(1, sum(not have_no_model([name]) for name in names))
    share = replace(
        limits,
        usd=None if limits.usd is None else limits.usd / models,
        tokens=None if limits.tokens is None else limits.tokens // models,
    )
    members = [_member(name, settings, places, share, concurrency) for name in names]
    return members[0] if len(members) == 1 else PanelJudge(members, disagreement)


def _member(name: str, settings: JudgeSettings, places: RunSettings, limits: Limits, concurrency: int) -> Judge:
    kind, _, model = name.partition(":")
    if kind == OFFLINE:
        path = settings.calibration
        return OfflineJudge(settings.threshold, None if path is None else read_calibration(path, VERSION))
    if kind == ONNX:
        return CrossEncoderJudge.read(settings)
    if model:  # the prices of the settings are those of their own model
        settings = replace(settings, model=model, input_price_usd=None, output_price_usd=None)
    price = price_of(settings)
    if limits.usd is not None and price is None:
        way_out = "use --budget-tokens"
        if not model:
            way_out = f"set SIGHTLINE_JUDGE_INPUT_PRICE_USD and SIGHTLINE_JUDGE_OUTPUT_PRICE_USD, or {way_out}"
        raise UsageError(f"--budget-usd needs a price, and none is known of {settings.model}: {way_out}")
    cache = AnswerCache(places.folder / "judge-answers.sqlite") if limits.use_cache else None
    return RemoteJudge(settings, Budget(price, usd=limits.usd, tokens=limits.tokens), cache, concurrency)

"""Evidently and NannyML on the windows of the drift benchmark: run by the benchmark in environments of their own.

Evidently: the methods for embeddings as they come (`model`, `distance`, `ratio`, `mmd`) on the sketches, and for best
score and tokens the test that it chooses itself. NannyML: PCA reconstruction on the sketches and univariate
Jensen-Shannon on best score and tokens, fitted on the first windows without drift, with the thresholds that it derives
from them; its domain classifier takes over ten CPU-seconds a window and is left out.
"""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

VERSIONS = {"evidently": "0.7.23", "nannyml": "0.13.1"}
_REFERENCE = 2
_MOST_NULL = 100
_FITTED_ON = 10
SILENT = {"NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1"}
"""Environment in which they tell nobody that they were used."""
_NEEDED = {"evidently": ["pandas<3"], "nannyml": ["statsmodels"]}
"""What they need and do not say."""


def interpreter(peer: str) -> str:
    """Python of an environment that has the peer; made where it is absent."""
    import peers

    venv = peers.CACHE / f"drift-{peer}-{VERSIONS[peer]}"
    if not (venv / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
        subprocess.run(
            [str(venv / "bin" / "pip"), "install", "-q", f"{peer}=={VERSIONS[peer]}", *_NEEDED[peer]], check=True
        )
        (venv / "installed").touch()
    return str(venv / "bin" / "python")


def evidently(windows: dict[str, Any]) -> dict[str, Any]:
    """Alarm rates of each method."""
    import pandas
    from evidently.legacy.calculations.stattests import get_stattest
    from evidently.legacy.metrics.data_drift import embedding_drift_methods as methods

    frame = pandas.DataFrame
    of_sketches = {
        "model": methods.model(),
        "distance": methods.distance(),
        "ratio": methods.ratio(),
        "mmd": methods.mmd(),
    }

    def alarms(reference: Any, current: Any) -> dict[str, bool]:
        # Frames of its own for each method: `model` adds a column to those that it gets.
        found = {
            name: bool(method(frame(current[:, :32]), frame(reference[:, :32]))[1])
            for name, method in of_sketches.items()
        }
        for name, column in (("top_score", 32), ("tokens", 33)):
            was, now = pandas.Series(reference[:, column]), pandas.Series(current[:, column])
            test = get_stattest(was, now, "num", None)
            found[name] = bool(test(was, now, "num", threshold=None).drifted)
        return found | {"any": any(found.values())}

    null = windows["null"][: _MOST_NULL + _REFERENCE + 1]
    return _rates(
        windows,
        [alarms(_joined(null[i - 3 : i - 1]), null[i]) for i in range(_REFERENCE + 1, len(null))],
        lambda reference, current: [alarms(before, after) for before, after in zip(reference, current, strict=True)],
    )


def nannyml(windows: dict[str, Any]) -> dict[str, Any]:
    """Alarm rates of each method."""
    import nannyml as library
    import pandas

    names = [*(f"s{i}" for i in range(32)), "top_score", "tokens"]
    size = windows["null"].shape[1]

    def frame(each: Any) -> Any:
        return pandas.DataFrame(_joined(each), columns=names)

    null = windows["null"]
    fitted = frame(null[:_FITTED_ON])
    reconstruction = library.DataReconstructionDriftCalculator(column_names=names[:32], chunk_size=size).fit(fitted)
    univariate = library.UnivariateDriftCalculator(
        column_names=names[32:], continuous_methods=["jensen_shannon"], chunk_size=size
    ).fit(fitted)

    def alarms(each: Any) -> list[dict[str, bool]]:
        told = reconstruction.calculate(frame(each)).filter(period="analysis").to_df()
        found = [{"reconstruction": bool(flag)} for flag in told[("reconstruction_error", "alert")]]
        one = univariate.calculate(frame(each)).filter(period="analysis").to_df()
        for name in names[32:]:
            for chunk, flag in zip(found, one[(name, "jensen_shannon", "alert")], strict=True):
                chunk[name] = bool(flag)
        return [chunk | {"any": any(chunk.values())} for chunk in found]

    return _rates(
        windows,
        alarms(null[_FITTED_ON : _FITTED_ON + _MOST_NULL]),
        lambda reference, current: alarms(current),
    )


def _rates(windows: dict[str, Any], null: list[dict[str, bool]], shifted: Any) -> dict[str, Any]:
    names = [name.removesuffix(".current") for name in windows if name.endswith(".current")]
    quiet = _shares(null)
    moved = {name: _shares(shifted(windows[f"{name}.reference"], windows[f"{name}.current"])) for name in names}
    return {
        "false_alarm_rate": quiet["any"],
        "power": {name: shares["any"] for name, shares in moved.items()},
        "false_alarm_rate_by_method": quiet,
        "power_by_method": moved,
        "null_windows": len(null),
    }


def _shares(each: list[dict[str, bool]]) -> dict[str, float]:
    return {name: round(sum(one[name] for one in each) / len(each), 3) for name in each[0]}


def _joined(each: Any) -> Any:
    return each.reshape(-1, each.shape[-1])


if __name__ == "__main__":
    import numpy

    warnings.filterwarnings("ignore")
    with numpy.load(Path(sys.argv[2])) as stored:
        arrays = {name: stored[name] for name in stored.files}
    print(json.dumps({"evidently": evidently, "nannyml": nannyml}[sys.argv[1]](arrays)))

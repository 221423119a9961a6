"""The report at the end of a run: what was sent, how it ended, what clients waited, and what the platform shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sightline_app.load.client import percentile
from sightline_app.load.platform import Held
from sightline_app.load.sender import Outcome, Run, Sent

BEHIND_S: Final = 0.1
"""A request that is sent later than this counts as behind schedule."""
_SHARES: Final = (0.5, 0.95, 0.99, 1.0)
_MAX_ERRORS: Final = 3


def as_json(run: Run, held: Mapping[str, Held] | None) -> dict[str, Any]:
    """Return the numbers; times in milliseconds, None where nothing was measured.

    Args:
        run: what was sent.
        held: what the store holds, by trace id; None where it was not asked.
    """
    good = run.of(Outcome.OK)
    told: dict[str, Any] = {
        "sent": len(run.sent),
        **{outcome.value: len(run.of(outcome)) for outcome in Outcome},
        "took_s": round(run.took_s, 3),
        "behind_schedule": sum(each.behind_s > BEHIND_S for each in run.sent),
        "behind_max_ms": percentile([1000 * each.behind_s for each in run.sent], 1.0),
        "ttft_ms": _of([each.waited_s for each in good]),
        "total_ms": _of([each.took_s for each in good]),
        "ttft_since_sent_ms": _of([each.ttft_s for each in good]),
        "errors": dict(Counter(each.error for each in run.sent if each.error).most_common(_MAX_ERRORS)),
    }
    if held is not None:
        told["platform"] = _platform(good, held)
    return told


def _of(seconds: Sequence[float | None]) -> dict[str, float | None]:
    values = [1000 * each for each in seconds if each is not None]
    return {_name(share): percentile(values, share) for share in _SHARES}


def _name(share: float) -> str:
    return "max" if share == 1.0 else f"p{round(100 * share)}"


def _platform(good: Sequence[Sent], held: Mapping[str, Held]) -> dict[str, Any]:
    """Compare answers that both sides measured: the client from its sending, the platform from the request's span."""
    pairs = [
        (1000 * each.ttft_s, theirs.ttft_ms)
        for each in good
        if (theirs := held.get(each.trace_id)) is not None and theirs.ttft_ms is not None and each.ttft_s is not None
    ]
    client, platform = ([pair[side] for pair in pairs] for side in (0, 1))
    return {
        "answers": len(good),
        "held": sum(each.trace_id in held for each in good),
        "compared": len(pairs),
        "client_ttft_ms": {_name(share): percentile(client, share) for share in _SHARES},
        "platform_ttft_ms": {_name(share): percentile(platform, share) for share in _SHARES},
        "difference_ms": {
            _name(share): percentile([mine - theirs for mine, theirs in pairs], share) for share in _SHARES
        },
    }


def table(run: Run, held: Mapping[str, Held] | None) -> str:
    """Return the report for a terminal."""
    told = as_json(run, held)
    rate = len(run.sent) / run.took_s if run.took_s else 0.0
    what = "1 request" if told["sent"] == 1 else f"{told['sent']} requests"
    lines = [f"{what} in {run.took_s:.1f} s, {rate:.2f} a second{' (stopped)' if run.stopped else ''}"]
    names = {"ok": "ok", "429": "429 (limit reached)", "503": "503 (unavailable)", "error": "errors"}
    for name, title in {**names, "unfinished": "unfinished"}.items():
        share = told[name] / told["sent"] if told["sent"] else 0.0
        lines.append(f"  {title:<22}{told[name]:>8}{share:>9.1%}")
    late = f"{told['behind_schedule']} sent more than {1000 * BEHIND_S:.0f} ms late"
    lines += [f"  behind schedule: {late}, at most {_ms(told['behind_max_ms'])} ms", ""]
    lines.append(f"{'milliseconds':<40}" + "".join(f"{_name(share):>10}" for share in _SHARES))
    lines += [
        _row("TTFT, from when it was due", told["ttft_ms"]),
        _row("total, from when it was due", told["total_ms"]),
        _row("TTFT, from when it was sent", told["ttft_since_sent_ms"]),
    ]
    if held is not None:
        both = told["platform"]
        lines += [
            "",
            f"the platform holds {both['held']} of {both['answers']} answers, {both['compared']} with a time to the "
            "first token; of these",
            _row("TTFT, client, from when it was sent", both["client_ttft_ms"]),
            _row("TTFT, platform", both["platform_ttft_ms"]),
            _row("difference, answer by answer", both["difference_ms"]),
        ]
    if told["errors"]:
        lines += ["", "most frequent errors"]
        lines += [f"  {count:>6}  {error}" for error, count in told["errors"].items()]
    return "\n".join(lines) + "\n"


def _row(title: str, values: Mapping[str, float | None]) -> str:
    return f"{title:<40}" + "".join(f"{_ms(values[_name(share)]):>10}" for share in _SHARES)


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"

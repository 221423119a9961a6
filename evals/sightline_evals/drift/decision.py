"""Two windows, measured and judged: what a run says, and what the benchmark counts alarms of."""

from __future__ import annotations

from sightline_evals.drift import battery, judged, windows
from sightline_store.questions import drift
from sightline_store.questions.asking import Asks


def decide(
    client: Asks, compared: drift.Windows, reference: windows.Reference, options: battery.Options
) -> tuple[battery.Battery, tuple[judged.Judged, ...]]:
    """Measure two windows and judge what they show; the window before is measured where it can confirm a suspicion.

    Args:
        client: the store.
        compared: the two windows.
        reference: by which they were chosen, and the windows before them are.
        options: of the battery.

    Raises:
        StoreError: the store is away, or refuses.
    """
    measured = battery.measure(client, compared, options)
    states = judged.judge(measured)
    earlier = windows.before(compared, reference)
    if earlier is not None and judged.needs_confirmation(states):
        states = judged.judge(measured, battery.measure(client, earlier, options, measured))
    return measured, states

"""Drift: whether retrieval, answers or traffic changed between two windows, with a bound on false alarms.

`windows` chooses what is compared, `comparisons` by which keys and segments, `battery` asks the store and `signals`
turns its rows into measurements, `significance` says what chance explains, `sequence` when it is an alarm, `verdict`
says it in a sentence; `decision` is the way from windows to alarms. `canaries` asks known questions; `results` sends
what was found to the collector.
"""

"""Drift: whether retrieval, answers or traffic changed between two windows, with a stated false-alarm rate.

`windows` chooses what is compared, `comparisons` by which keys and segments, `battery` asks the store and `signals`
turns its rows into measurements, `significance` says what chance explains, `sequence` when it is an alarm, `verdict`
says it in a sentence. `canaries` asks known questions; `results` sends what was found to the collector.
"""

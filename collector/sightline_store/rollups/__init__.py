"""Rollups: what typed tables hold, added up by the minute, hour and day, so that a long window reads sums and not rows.

`fold` makes them and keeps them right, `plan` says which part of a window they answer, `keeping` drops old ones
(docs/adr/018-rollups.md).
"""

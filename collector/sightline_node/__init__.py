"""The embedded ClickHouse: chDB in this process, which owns the data folder, behind ClickHouse's HTTP interface.

Never import chdb anywhere else and never fork after importing it: the engine's threads do not survive a fork.
"""

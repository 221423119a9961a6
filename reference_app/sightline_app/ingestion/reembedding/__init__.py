"""A whole collection embedded again: in steps that can each be done again, in an order that Temporal keeps.

==========  ====================================================
steps       a new version of the index, made and switched to
workflow    their order, as Temporal replays it
activities  carry the steps out, with heartbeats
command     `sightline-app reembed`
==========  ====================================================
"""

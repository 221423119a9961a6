"""``sightline-app chaos``: one real harm for a while, with marks of when, and its end however the command ends.

`faults` and `board` are the side of the app: what can be wrong in its pipeline, and for how long. The `*_harms` are the
side of the command: faults that it asks the app for, passages that it deletes, servers that it stops, traffic.
`journal` remembers on the disk what must be undone.
"""

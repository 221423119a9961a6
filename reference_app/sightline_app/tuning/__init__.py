"""``sightline-app tune``: builds vector indexes on one's own passages, measures them, and recommends one.

`variants` says which indexes, `workload` what they are asked, `places` builds them in each store, `measuring` asks,
`recommendation` chooses, `layouts` compares tenants in one collection with multi-tenancy, `charts` draws, `telling`
sends the result to the collector. `command` puts them together.
"""

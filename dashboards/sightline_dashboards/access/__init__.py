"""Who sees what in the dashboards: sign-in, roles, tenants and the right to content (docs/access.md).

What a viewer sees is decided by the store, which is asked with a key that has the same limits: `store_keys`.
"""

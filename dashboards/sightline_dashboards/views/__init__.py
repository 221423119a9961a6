"""Saved views: a page with its range, filters and search, under a name."""

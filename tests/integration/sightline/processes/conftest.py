"""Fixtures for tests of the library that start processes."""

from library_fixtures import collector, no_context_errors, spans

__all__ = ["collector", "no_context_errors", "spans"]

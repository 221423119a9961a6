"""Fixtures for the library's tests."""

from library_fixtures import collector, no_context_errors, spans

__all__ = ["collector", "no_context_errors", "spans"]

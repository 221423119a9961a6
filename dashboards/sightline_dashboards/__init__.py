"""Sightline's pages: the store's answers as a person sees them. They ask `sightline_store.questions` only."""

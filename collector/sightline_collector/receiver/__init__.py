"""OTLP in: answers success only after the spool has the request on disk."""

"""Spans, scores and metrics out of the process: bounded queues, OTLP bytes, HTTP."""

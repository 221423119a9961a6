"""The collector: OTLP requests in, durable in the spool before the answer, exactly once in the store."""

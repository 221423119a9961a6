"""What is done to an OTLP request before it is durable: checked, stamped, redacted. Pure: no I/O."""

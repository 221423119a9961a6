"""What autoscalers read of a process, and how it stops: `signals` are its metrics, `drain` its last seconds."""

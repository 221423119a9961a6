"""The server that keeps what outlives a request: how it is reached, and the command that runs a local one."""

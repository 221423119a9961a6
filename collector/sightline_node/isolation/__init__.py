"""Confinement of the node's process by the kernel, and an environment without secrets."""

"""What the node's process may open: walls of the kernel and an environment without secrets."""

"""What all roles share: settings, the port (hosts and limits of its clients), and the file of API keys."""

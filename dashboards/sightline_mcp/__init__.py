"""Sightline for assistants: an MCP server with the questions that the pages ask, read-only."""

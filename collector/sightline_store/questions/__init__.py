"""The shipped questions: a typed function each, and their list for a command line."""

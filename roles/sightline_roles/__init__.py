"""What every role has in common: who may ask its port, how long and how many may hold it, and the file of keys."""

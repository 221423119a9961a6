"""From the spool into the store: which segments, in which INSERT, when again, and what went to dead-letter."""

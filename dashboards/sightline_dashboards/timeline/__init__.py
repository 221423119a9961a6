"""Time on the pages: the range that is shown, the ticks of its axis, clicks and drags on it, and marks of changes."""

"""Charts: what each draws, how they look, and what a click or a drag on one leads to."""

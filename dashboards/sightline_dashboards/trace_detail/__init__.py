"""One trace in detail: what is read of it, its waterfall, and what was asked, found and answered."""

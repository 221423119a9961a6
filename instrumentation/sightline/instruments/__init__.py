"""Other people's instrumentations: which are turned on, what is corrected in them, and what is masked."""

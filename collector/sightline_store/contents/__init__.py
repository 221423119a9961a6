"""What people and models wrote, read out of stored spans in every convention: the one reader of pages and evals."""

"""QUESTION to SCORE to EVENT: judges answers of stored traces and of datasets, and passes or fails a run."""

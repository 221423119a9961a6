"""Controls whose values are in the address: the filter bar, the search, the pages of a list."""

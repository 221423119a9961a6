-- The traces in the first places of the random order: one in `one_in`.
cityHash64(TraceHash, 'review') <= intDiv(18446744073709551615, one_in)

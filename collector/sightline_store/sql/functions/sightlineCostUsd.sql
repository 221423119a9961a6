-- What a call cost, in USD: the one place where cost is computed. Cached and spoken tokens are inside input (and output), the
-- hour's cache writes inside the cache writes, reasoning inside output.
CREATE FUNCTION sightlineCostUsd AS
    (rate, input, cache_read, cache_write, cache_write_1h, input_audio, output, output_audio, reasoning) ->
    (greatest(0, input - cache_read - cache_write - input_audio * bitTest(tupleElement(rate, 10), 2)) * tupleElement(rate, 1)
        + cache_read * tupleElement(rate, 2)
        + (cache_write - least(cache_write, cache_write_1h)) * tupleElement(rate, 3)
        + least(cache_write, cache_write_1h) * tupleElement(rate, 4)
        + input_audio * tupleElement(rate, 5)
        + greatest(0, output - output_audio * bitTest(tupleElement(rate, 10), 3) - reasoning * bitTest(tupleElement(rate, 10), 4))
            * tupleElement(rate, 6)
        + output_audio * tupleElement(rate, 7)
        + reasoning * tupleElement(rate, 8)) / 1e6
    + tupleElement(rate, 9);

-- What the calls of rolled_calls.sql spent; NULL where it is known of none.
sum(Calls) - sum(priced) AS unpriced_calls,
if(sum(InputCount) = 0, NULL, sum(InputSum)) AS input_tokens,
if(sum(OutputCount) = 0, NULL, sum(OutputSum)) AS output_tokens,
if(sum(priced) = 0, NULL, sum(cost)) AS cost_usd

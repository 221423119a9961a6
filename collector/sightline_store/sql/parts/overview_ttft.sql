-- Of ttft_counts, a number for each definition of the time to first token: which one is shown, and how many requests have it.
arrayMax(ttft_counts) AS ttft_n,
if(ttft_n = 0, '', ['delivered', 'first_token', 'first_chunk'][indexOf(ttft_counts, ttft_n)]) AS ttft_definition,
arraySum(ttft_counts) - ttft_n AS ttft_others,

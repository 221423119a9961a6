-- The columns of latency_over_time, of rows and of rollups. ttft and ttft_counts have a place for each definition of the time to
-- first token, shown is the place of the one that most requests of the window have.
bucket, requests, errors,
if(arrayMax(window_counts) = 0, '', ['delivered', 'first_token', 'first_chunk'][shown]) AS ttft_definition,
ttft_counts[shown] AS ttft_n,
arraySum(ttft_counts) - ttft_n AS ttft_others,
if(ttft_n = 0, NULL, ttft[shown][1]) AS ttft_p50_ms,
if(ttft_n = 0, NULL, ttft[shown][2]) AS ttft_p95_ms,
if(ttft_n = 0, NULL, ttft[shown][3]) AS ttft_p99_ms,
total[1] AS total_p50_ms,
total[2] AS total_p95_ms,
total[3] AS total_p99_ms

if(ttft_n = 0, NULL, ttft[1]) AS ttft_p50_ms,
if(ttft_n = 0, NULL, ttft[2]) AS ttft_p95_ms,
if(requests = 0, NULL, total[1]) AS total_p50_ms,
if(requests = 0, NULL, total[2]) AS total_p95_ms

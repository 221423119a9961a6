[sum(ttft_counts[1]) OVER (), sum(ttft_counts[2]) OVER (), sum(ttft_counts[3]) OVER ()] AS window_counts,
indexOf(window_counts, arrayMax(window_counts)) AS shown

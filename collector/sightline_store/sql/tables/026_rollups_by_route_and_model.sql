-- Rollups by route and by model, RowsFormat 3. Rows with By = 'model' have the model in Model, those with By = 'route' the route in Route;
-- both are '' in all others, but for Model of calls and embeddings, which divides every set of theirs. Cut has one more bit: 8 model.
ALTER TABLE rollup_requests ADD COLUMN IF NOT EXISTS Model LowCardinality(String);
ALTER TABLE rollup_scores ADD COLUMN IF NOT EXISTS Model LowCardinality(String);
ALTER TABLE rollup_calls ADD COLUMN IF NOT EXISTS Route LowCardinality(String);
ALTER TABLE rollup_callers ADD COLUMN IF NOT EXISTS Route LowCardinality(String);
ALTER TABLE rollup_embeddings ADD COLUMN IF NOT EXISTS Route LowCardinality(String);
ALTER TABLE rollup_stages
    ADD COLUMN IF NOT EXISTS Route LowCardinality(String),
    ADD COLUMN IF NOT EXISTS Model LowCardinality(String);
ALTER TABLE rollup_retrievals
    ADD COLUMN IF NOT EXISTS Route LowCardinality(String),
    ADD COLUMN IF NOT EXISTS Model LowCardinality(String);

-- FirstHour and LastHour are prints of the requests and calls in the first and the last hour of the day, Around is made of those of its
-- neighbours: a trace over midnight has its route or model in another day.
ALTER TABLE rollup_looks
    ADD COLUMN IF NOT EXISTS FirstHour UInt64,
    ADD COLUMN IF NOT EXISTS LastHour UInt64,
    ADD COLUMN IF NOT EXISTS Around UInt64;

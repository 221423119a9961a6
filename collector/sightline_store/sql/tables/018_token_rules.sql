-- Which rule decided whether a call's cached (and spoken) tokens are inside its input tokens, and its reasoning tokens inside
-- its output tokens: 'total', the total is a sum that only one answer makes; 'larger', a part is larger than the whole;
-- 'convention', nothing in the numbers proves it, and the rule of the convention and the provider holds; '' where there is
-- nothing to decide.
ALTER TABLE llm_calls ADD COLUMN IF NOT EXISTS TokenRule LowCardinality(String) AFTER CacheAdded;

-- What a second of a call costs beside its tokens, where it is computed on machines of one's own; NULL for all else.
ALTER TABLE model_prices ADD COLUMN IF NOT EXISTS SecondUsd Nullable(Float64) AFTER RequestUsd;

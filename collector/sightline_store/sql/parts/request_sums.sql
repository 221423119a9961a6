-- What rollups keep of requests, and what questions that read rollups make of the rows beside them.
-- include: request_counts.sql
countIf(TtftDefinition = 'delivered') AS DeliveredCount,
countIf(TtftDefinition = 'first_token') AS FirstTokenCount,
countIf(TtftDefinition = 'first_chunk') AS FirstChunkCount,
quantilesTDigestStateIf(0.5, 0.95, 0.99)(ifNull(TtftMs, 0.), TtftDefinition = 'delivered' AND isNotNull(TtftMs)) AS Delivered,
quantilesTDigestStateIf(0.5, 0.95, 0.99)(ifNull(TtftMs, 0.), TtftDefinition = 'first_token' AND isNotNull(TtftMs)) AS FirstToken,
quantilesTDigestStateIf(0.5, 0.95, 0.99)(ifNull(TtftMs, 0.), TtftDefinition = 'first_chunk' AND isNotNull(TtftMs)) AS FirstChunk,
quantilesTDigestState(0.5, 0.95, 0.99)(DurationMs) AS Total

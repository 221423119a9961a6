-- How many canaries of a run have a search in the store?
SELECT uniqExact(TraceHash) AS stored
FROM retrievals
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND TraceHash IN (
    SELECT TraceHash FROM scores
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Name = 'drift.canary' AND RunId = {run_id:String} AND Value = 1)

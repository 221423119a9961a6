-- Where a question is narrowed to a model: requests beside rollups of the traces of its calls, as of_requests.sql has them.
AND ({model:String} = '' OR TraceHash IN (
    SELECT TraceHash FROM llm_calls
    WHERE
        -- include: around_beside_rollups.sql
        AND Timestamp >= {from:DateTime64(3, 'UTC')} AND {model:String} != ''
        AND (ResponseModel = {model:String} OR (ResponseModel = '' AND RequestModel = {model:String}))))

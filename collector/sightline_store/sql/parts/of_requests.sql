-- The requests of a window, and of what it is narrowed to. A model's are those with a call of it, by the tenant or by none; a
-- question that is about few traces says at `among` which (questions/conditions.py), so that the calls of others are not looked through.
-- include: of_requests_of_all_models.sql
    AND ({model:String} = '' OR TraceHash IN (
        SELECT TraceHash FROM llm_calls
        WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR
            AND {model:String} != '' AND ({tenant:String} = '' OR Tenant IN ('', {tenant:String}))
            -- condition: among
            AND (ResponseModel = {model:String} OR (ResponseModel = '' AND RequestModel = {model:String}))))

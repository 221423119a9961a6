-- The stages, or searches, of the window that no rollup holds, of what it is narrowed to, as of_stages.sql has them.
-- include: beside_rollups.sql
    -- include: of_route_beside_rollups.sql
    AND ({model:String} = '' OR TraceHash IN (
        SELECT TraceHash FROM llm_calls
        WHERE
            -- include: around_beside_rollups.sql
            AND {model:String} != '' AND (ResponseModel = {model:String} OR (ResponseModel = '' AND RequestModel = {model:String}))))

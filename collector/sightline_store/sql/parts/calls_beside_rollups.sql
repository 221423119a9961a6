-- The calls of the window that no rollup holds, of what it is narrowed to.
-- include: beside_rollups.sql
    AND ({model:String} = '' OR ResponseModel = {model:String} OR (ResponseModel = '' AND RequestModel = {model:String}))
    -- include: of_route_beside_rollups.sql

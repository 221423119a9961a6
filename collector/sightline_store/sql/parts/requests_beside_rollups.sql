-- The requests of the window that no rollup holds, of what it is narrowed to.
-- include: beside_rollups.sql
    AND ({route:String} = '' OR Route = {route:String})
    -- include: of_model_beside_rollups.sql

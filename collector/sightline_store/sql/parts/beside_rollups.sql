-- The rows of the window that no rollup holds: those before the first period and behind the last one.
-- include: beside_rollups_of_all.sql
    AND ({tenant:String} = '' OR Tenant = {tenant:String})

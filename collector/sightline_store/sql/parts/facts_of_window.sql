-- The facts of the requests of a window, and of what it is narrowed to. Its hours choose the partitions; of which of them a row is,
-- Made says.
Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    AND indexHint(Start >= toStartOfHour({from:DateTime64(3, 'UTC')}) AND Start < {to:DateTime64(3, 'UTC')})
    AND Made IN (
        SELECT max(Made) FROM rollup_facts_made
        WHERE Start >= toStartOfHour({from:DateTime64(3, 'UTC')}) AND Start < {to:DateTime64(3, 'UTC')}
        GROUP BY Start)
    AND Whose != if({tenant:String} = '', 2, 1)
    AND ({tenant:String} = '' OR Tenant = {tenant:String})
    AND ({route:String} = '' OR Route = {route:String})
    AND ({model:String} = '' OR has(Models, {model:String}))
    AND ({only_errors:UInt8} = 0 OR Failed)
    -- condition: search

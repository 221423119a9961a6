-- What the calls of whole hours spent, of what a question is narrowed to. The hours choose the partitions; of which of them a row is,
-- Made says.
indexHint(Start >= {rolled_from:DateTime64(3, 'UTC')} AND Start < {rolled_to:DateTime64(3, 'UTC')})
    AND Made IN (
        SELECT toString(max(Made)) FROM rollup_facts_made
        WHERE Start >= {rolled_from:DateTime64(3, 'UTC')} AND Start < {rolled_to:DateTime64(3, 'UTC')}
        GROUP BY Start)
    AND ({tenant:String} = '' OR Tenant = {tenant:String})
    AND ({model:String} = '' OR Model = {model:String})
    AND ({route:String} = '' OR has(Routes, {route:String}))

-- The rows of the window that no rollup holds: those before the first period and behind the last one.
((Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {rolled_from:DateTime64(3, 'UTC')})
    OR (Timestamp >= {rolled_to:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}))
    AND ({tenant:String} = '' OR Tenant = {tenant:String})

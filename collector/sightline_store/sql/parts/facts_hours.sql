-- The marks and partitions in which facts of a window may lie.
indexHint(
    Start >= toStartOfHour({from:DateTime64(3, 'UTC')}) AND Start < {to:DateTime64(3, 'UTC')}
    AND Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    AND ({tenant:String} = '' OR Tenant = {tenant:String}))

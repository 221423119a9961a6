-- The requests of a window, and of the tenant and the route that it is narrowed to. What is asked of traces that are known to be of the
-- model that it is narrowed to need not look for these again.
Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
    AND ({tenant:String} = '' OR Tenant = {tenant:String})
    AND ({route:String} = '' OR Route = {route:String})

-- The rows of calls of those periods, of all traffic or of what the question is narrowed to.
By = {call_set:String} AND ({tenant:String} = '' OR Tenant = {tenant:String}) AND ({model:String} = '' OR Model = {model:String})
    AND Route = {route:String} AND
    -- include: chosen_periods.sql

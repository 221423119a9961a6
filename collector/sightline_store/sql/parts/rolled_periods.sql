-- The rows of those periods, of all traffic or of what the question is narrowed to.
By = {set:String} AND ({tenant:String} = '' OR Tenant = {tenant:String}) AND
    -- include: chosen_periods.sql

-- The rows of those periods, of all traffic or of what the question is narrowed to.
By = {by:String} AND Tenant = {tenant:String} AND
    -- include: chosen_periods.sql

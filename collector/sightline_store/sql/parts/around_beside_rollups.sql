-- What lies up to an hour before or behind the rows of the window that no rollup holds: there the traces of these rows are looked up.
((Timestamp >= {from:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR AND Timestamp < {rolled_from:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR)
    OR (Timestamp >= {rolled_to:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR AND Timestamp < {to:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR))

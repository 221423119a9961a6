-- The rows of the window, of all tenants, that no rollup holds; rolled_from = rolled_to is a window without rollups.
((Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {rolled_from:DateTime64(3, 'UTC')})
    OR (Timestamp >= {rolled_to:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}))

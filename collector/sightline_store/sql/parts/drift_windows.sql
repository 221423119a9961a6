-- The rows of the two windows that are compared.
((Timestamp >= {reference_from:DateTime64(3, 'UTC')} AND Timestamp < {reference_to:DateTime64(3, 'UTC')})
    OR (Timestamp >= {current_from:DateTime64(3, 'UTC')} AND Timestamp < {current_to:DateTime64(3, 'UTC')}))

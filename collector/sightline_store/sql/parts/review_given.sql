-- The traces with a review that a person gave since the beginning of the window.
TraceHash IN (SELECT TraceHash FROM scores WHERE Name = 'review' AND Source = 'human' AND Timestamp >= {from:DateTime64(3, 'UTC')})

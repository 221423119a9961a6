-- Whether what a row is of failed: by its status, or because its model stopped for a failure while no status was set.
(StatusCode = 'Error' OR startsWith(ErrorType, 'finish_reason:'))

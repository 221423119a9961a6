-- The bucket of a row, as epoch seconds of its beginning: buckets are counted from the beginning of the window.
toUnixTimestamp({from:DateTime64(3, 'UTC')})
    + intDiv(toInt64(toUnixTimestamp(Timestamp)) - toUnixTimestamp({from:DateTime64(3, 'UTC')}), {bucket_s:UInt32}) * {bucket_s:UInt32}

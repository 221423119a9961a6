-- What such a list says of a score.
TraceHash, TraceId, Value AS value, toString(Label) AS label, if({content:UInt8}, Explanation, 'hidden') AS explanation,
toString(Judge) AS judge, toString(JudgeVersion) AS judge_version, toString(ErrorType) AS error_type

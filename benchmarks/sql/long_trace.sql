-- One trace of very many spans: an agent that ran for long, a tree four deep.
INSERT INTO otel_traces (Timestamp, TraceId, SpanId, ParentSpanId, SpanName, SpanKind, ServiceName, ResourceAttributes, ScopeName, SpanAttributes, Duration, StatusCode)
SELECT
    fromUnixTimestamp64Nano(toUnixTimestamp64Nano({start:DateTime64(3, 'UTC')}) + number * 1000000, 'UTC'),
    {trace_id:String},
    leftPad(lower(hex(number + 1)), 16, '0'),
    if(number = 0, '', leftPad(lower(hex(intDiv(number - 1, 40) + 1)), 16, '0')),
    if(number = 0, 'run agent', ['execute_tool search', 'chat in-house-7b', 'plan'][number % 3 + 1]),
    'Internal',
    'agent-runner',
    map('service.name', 'agent-runner'),
    'sightline',
    mapFilter((k, v) -> v != '', map('sightline.stage', ['tool', 'model', 'agent'][number % 3 + 1], 'tenant.id', 'tenant-03', 'gen_ai.request.model', if(number % 3 = 1, 'in-house-7b', ''),
        'gen_ai.usage.input_tokens', if(number % 3 = 1, '1000', ''))),
    if(number = 0, 60000000000, 900000),
    'Unset'
FROM numbers({spans:UInt64})

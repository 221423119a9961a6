-- A span's content as far as a question may stand in it, in the shape that `sightline_store.contents` reads.
TraceId AS trace_id, SpanId AS span_id, '' AS parent_id, toUnixTimestamp64Nano(Timestamp) AS start_ns, start_ns + toInt64(Duration) AS end_ns,
false AS is_log,
CAST(mapApply((key, value) -> (key, leftUTF8(value, {max_chars:UInt32})), mapFilter((key, value) -> has({keys:Array(String)}, key) OR match(key, {prefixes:String}), SpanAttributes)), 'Map(String, String)') AS attributes,
CAST(arrayFilter(name -> has({events:Array(String)}, name), Events.Name), 'Array(String)') AS event_names,
CAST(arrayFilter((event, name) -> has({events:Array(String)}, name), Events.Attributes, Events.Name), 'Array(Map(String, String))') AS event_attributes,

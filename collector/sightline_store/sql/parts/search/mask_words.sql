(arrayExists(
    (key, text) -> multiSearchAnyCaseInsensitiveUTF8(text, {spellings:Array(String)}) AND (has({text_keys:Array(String)}, key) OR match(key, {text_prefixes:String})),
    mapKeys(SpanAttributes), mapValues(SpanAttributes))
    OR arrayExists(event -> arrayExists(text -> multiSearchAnyCaseInsensitiveUTF8(text, {spellings:Array(String)}), mapValues(event)), Events.Attributes))

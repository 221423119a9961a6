-- How content is read from the attributes of every convention: messages, texts and passages, in JSON or in attributes with an index.
-- Python's repr of an object, which is no content.
'^<[\\w.]+( object.*|[(].*[)]|.* at 0x[0-9a-f]+)>$' AS shown_object,
-- The first string in a list of JSON values; any other value is none.
jsons -> arrayFirst(text -> text != '' AND NOT match(text, shown_object), arrayMap(json -> if(startsWith(json, '"'), JSONExtractString(json), ''), jsons)) AS first_string,
-- What a message holds, in JSON, as text: a string, or the texts of a list of parts.
json -> arrayStringConcat(arrayFilter(text -> text NOT IN ('', '__REDACTED__'), arrayMap(
    part -> first_string(if(
        JSONExtractString(part, 'type') IN ('text', '', 'output_text', 'input_text'),
        [part, JSONExtractRaw(part, 'content'), JSONExtractRaw(part, 'text')],
        [part])),
    if(startsWith(json, '['), JSONExtractArrayRaw(json), [json]))), '\n') AS text_of,
-- An attribute's value as such JSON: it may be plain text, or a list of parts already.
value -> if(startsWith(value, '[\x7B') AND isValidJSON(value), value, toJSONString(value)) AS json_of,
-- A JSON list of messages, as (role, content).
json -> arrayMap(
    message -> (
        lower(if(JSONHas(message, 'role'), JSONExtractString(message, 'role'), JSONExtractString(message, 'type'))),
        JSONExtractRaw(message, if(JSONHas(message, 'parts'), 'parts', 'content'))),
    JSONExtractArrayRaw(json)) AS messages_of,
-- The beginnings PREFIX.N of keys, in the order of N.
(keys, prefix) -> arrayMap(n -> concat(prefix, '.', toString(n)), arraySort(arrayDistinct(arrayMap(
    key -> toUInt32OrZero(extract(substring(key, length(prefix) + 1), '^[.]([0-9]+)')),
    arrayFilter(key -> startsWith(key, prefix), keys))))) AS numbered,
-- OpenInference's messages PREFIX.N, as (role, content): one content, or several.
(attributes, prefix) -> arrayMap(
    place -> (lower(attributes[concat(place, '.message.role')]), if(
        attributes[concat(place, '.message.content')] != '',
        json_of(attributes[concat(place, '.message.content')]),
        toJSONString(arrayMap(part -> attributes[concat(part, '.message_content.text')], numbered(mapKeys(attributes), concat(place, '.message.contents')))))),
    numbered(mapKeys(attributes), prefix)) AS messages_at,
-- Passages in the JSON that a search or a reranker gave back: objects in a list, or in a list of lists; each may be a string
-- that holds JSON or is a passage.
json -> arrayMap(
    item -> multiIf(
        NOT startsWith(item, '\x7B'), if(match(item, shown_object), '', item),
        first_string(arrayConcat(
            arrayMap(name -> JSONExtractRaw(item, name), ['content', 'page_content', 'text', 'document']),
            [
                JSONExtractRaw(item, 'node', 'text'), JSONExtractRaw(item, 'node', 'text_resource', 'text'),
                JSONExtractRaw(item, 'kwargs', 'page_content')
            ]))),
    arrayMap(item -> multiIf(startsWith(item, '"'), JSONExtractString(item), startsWith(item, '\x7B'), item, ''), arrayFlatten(arrayMap(
        item -> if(startsWith(item, '['), JSONExtractArrayRaw(item), [item]),
        if(startsWith(json, '['), JSONExtractArrayRaw(json), arrayFirst(list -> notEmpty(list),
            arrayMap(name -> JSONExtractArrayRaw(json, name), ['documents', 'outputs', 'output', 'nodes', 'matches', 'results'])))))))
    AS passages_of,

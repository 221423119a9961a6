// Asks an embedded node with @clickhouse/client. Writes a line a check; any failure ends it with 1.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'

const { createClient } = createRequire(process.argv[4] + '/')('@clickhouse/client')

const client = createClient({ url: process.argv[2], username: 'default', password: process.argv[3], database: 'otel' })
const ok = (name) => console.log('ok', name)
const rows = async (query, more = {}) => (await client.query({ query, format: 'JSONEachRow', ...more })).json()

assert.equal((await client.ping()).success, true)
assert.equal((await client.ping({ select: true })).success, true)
ok('ping')
assert.equal((await rows('SELECT count() AS n FROM otel_traces')).length, 1)
ok('count')
const query_params = { n: 7, list: ['a', "it's"], at: new Date(1767225600000), pairs: { k: 1 } }
const bound = await rows(
  'SELECT {n:UInt8} AS n, {list:Array(String)} AS list, toUnixTimestamp({at:DateTime}) AS at, {pairs:Map(String, UInt8)} AS pairs',
  { query_params },
)
assert.deepEqual(bound, [{ n: 7, list: ['a', "it's"], at: 1767225600, pairs: { k: 1 } }])
ok('parameters')
const whole = await (await client.query({ query: 'SELECT number FROM numbers(3)', format: 'JSON' })).json()
assert.equal(whole.rows, 3)
ok('JSON')
let count = 0
const stream = await client.query({
  query: 'SELECT number, toString(number) AS s FROM numbers(200000)',
  format: 'JSONCompactEachRow',
  clickhouse_settings: { max_block_size: '10000', output_format_json_quote_64bit_integers: 1 },
})
for await (const chunk of stream.stream()) count += chunk.length
assert.equal(count, 200000)
ok('stream')
const compressed = createClient({
  url: process.argv[2],
  username: 'default',
  password: process.argv[3],
  compression: { response: true },
  clickhouse_settings: { wait_end_of_query: 1, max_execution_time: 30 },
})
assert.equal((await (await compressed.query({ query: 'SELECT 1 AS x', format: 'JSONEachRow' })).json())[0].x, 1)
ok('compression')
await assert.rejects(rows('SELECT nothing'), (error) => error.code === '47')
await assert.rejects(client.command({ query: 'DROP TABLE otel_traces' }), (error) => error.code === '497')
ok('errors')
await assert.rejects(async () => {
  const broken = await client.query({
    query: 'SELECT number, throwIf(number = 3000000) FROM numbers(4000000)',
    format: 'JSONEachRow',
  })
  for await (const chunk of broken.stream()) count += chunk.length
})
ok('an error in mid-stream')
const session = createClient({ url: process.argv[2], username: 'default', password: process.argv[3], session_id: 'js' })
assert.equal((await (await session.query({ query: 'SELECT 1 AS x', format: 'JSONEachRow' })).json())[0].x, 1)
ok('session')
await Promise.all([client, compressed, session].map((each) => each.close()))

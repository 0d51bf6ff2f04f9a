import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { aNode, freePort } from '../kit/nodes.ts'
import { eventually, send } from '../kit/traffic.ts'

test('admin_access_log has a line for each request, which no client can forge', async t => {
  const port = await freePort()
  const node = aNode(t, {
    role: 'admin',
    admin_listen: `127.0.0.1:${port}`,
    cluster_listen: '127.0.0.1:0',
    status_listen: 'off',
  })
  await node.start()
  await send(`http://127.0.0.1:${port}/services?x="y`, { headers: { 'user-agent': 'probe "1"' } })
  const log = await eventually('the line', async () => readFileSync(join(node.prefix, 'logs/admin_access.log'), 'utf8'))
  assert.match(
    log,
    /^127\.0\.0\.1 - - \[[^\]]+\] "GET \/services\?x=%22y HTTP\/1\.1" 200 \d+ "-" "probe \\x221\\x22"$/m,
  )
})

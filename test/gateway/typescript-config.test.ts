/** A node whose `declarative_config` is a program. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { aNode, freePort, temporaryFolder } from '../kit/nodes.ts'
import { send } from '../kit/traffic.ts'

test('kong start and kong reload -c run a kong.config.ts; one with errors changes nothing', async t => {
  const folder = temporaryFolder(t)
  const file = join(folder, 'kong.config.ts')
  const write = (status: string) =>
    writeFileSync(
      file,
      `import { defineConfig } from 'silverback/config'
export default defineConfig(async () => ({
  routes: [{ name: 'r', paths: ['/r'], plugins: [{ name: 'request-termination', config: { status_code: ${status} } }] }],
}))
`,
    )
  const port = await freePort()
  const settings = {
    storage: 'memory',
    declarative_config: file,
    proxy_listen: `127.0.0.1:${port}`,
    admin_listen: 'off',
    status_listen: 'off',
    nginx_worker_processes: '1',
  }
  const status = async () => (await send(`http://127.0.0.1:${port}/r`)).status
  write('1000')
  const refused = await aNode(t, settings).kong('start')
  assert.equal(refused.status, 1)
  assert.match(refused.stderr, /in 'status_code': value should be between 100 and 599/)
  write('418')
  const node = await aNode(t, settings).start()
  assert.equal(await status(), 418)
  write("'many'")
  const conf = join(folder, 'kong.conf')
  writeFileSync(conf, `declarative_config = ${file}\n`)
  const failed = await node.kong('reload', '-c', conf)
  assert.equal(failed.status, 1)
  assert.match(failed.stderr, /in 'status_code': expected an integer/)
  assert.equal(await status(), 418)
  write('420')
  const done = await node.kong('reload', '-c', conf)
  assert.equal(done.status, 0, done.stderr)
  assert.equal(await status(), 420)
  await node.stop()
})

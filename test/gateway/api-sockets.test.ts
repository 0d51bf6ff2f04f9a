/** The Admin and Status APIs on unix sockets. */
import assert from 'node:assert/strict'
import { existsSync, statSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { aNode, freePort, temporaryFolder } from '../kit/nodes.ts'

function statusOf(socketPath: string, path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, path }, incoming => resolve(incoming.resume().statusCode))
    outgoing.on('error', reject).end()
  })
}

test('the Admin and Status APIs answer on sockets, commands find them there, and they go with the node', async t => {
  const folder = temporaryFolder(t)
  const [admin, status] = [join(folder, 'admin.sock'), join(folder, 'status.sock')]
  const node = aNode(t, {
    database: 'off',
    admin_listen: `unix:${admin}`,
    status_listen: `unix:${status}`,
    proxy_listen: `127.0.0.1:${await freePort()}`,
    nginx_worker_processes: '1',
  })
  await node.start()
  assert.equal(await statusOf(admin, '/services'), 200)
  assert.equal(statSync(admin).mode & 0o777, 0o660)
  assert.notEqual(await statusOf(status, '/status/ready'), 404)
  assert.match((await node.kong('drain')).stdout, /successfully changed to 'draining'/)
  assert.equal(await statusOf(status, '/status/ready'), 503)

  node.killAll()
  assert.ok(existsSync(admin))
  await node.start()
  assert.equal(await statusOf(admin, '/'), 200, 'a socket that a killed node left behind is taken over')
  assert.equal((await node.stop()).status, 0)
  assert.ok(!existsSync(admin) && !existsSync(status))

  node.environment['KONG_PROXY_LISTEN'] = 'unix:/x'
  assert.match(
    (await node.kong('start')).stderr,
    /proxy_listen has an invalid value: 'unix:\/x' \(it takes no unix sockets\)/,
  )
})

/** The Admin and Status APIs on unix sockets, over HTTP/2, and behind a balancer that speaks the PROXY protocol. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { once } from 'node:events'
import { request } from 'node:http'
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { until } from '../kit/kong-command.ts'
import { aNode, freePort, temporaryFolder } from '../kit/nodes.ts'

function statusOf(socketPath: string, path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, path }, incoming => resolve(incoming.resume().statusCode))
    outgoing.on('error', reject).end()
  })
}

async function ask(session: ClientHttp2Session, headers: object, body?: string): Promise<[number, string]> {
  const stream = session.request({ ':path': '/', ...headers }, { endStream: body === undefined })
  if (body !== undefined) stream.end(body)
  const [answer] = await once(stream, 'response')
  let text = ''
  for await (const chunk of stream.setEncoding('utf8')) text += chunk
  return [answer[':status'], text]
}

test('the Admin and Status APIs answer on sockets, commands find them there, and they go with the node', async t => {
  const folder = temporaryFolder(t)
  const [admin, status] = [join(folder, 'admin.sock'), join(folder, 'status.sock')]
  const [securePort, proxiedPort] = [await freePort(), await freePort()]
  const node = aNode(t, {
    database: 'off',
    admin_listen: `unix:${admin}, 127.0.0.1:${securePort} http2 ssl`,
    status_listen: `unix:${status}, 127.0.0.1:${proxiedPort} http2 proxy_protocol`,
    status_access_log: 'logs/status_access.log',
    trusted_ips: '127.0.0.1',
    real_ip_header: 'proxy_protocol',
    proxy_listen: `127.0.0.1:${await freePort()}`,
    nginx_worker_processes: '1',
  })
  await node.start()
  assert.equal(await statusOf(admin, '/services'), 200)
  assert.equal(statSync(admin).mode & 0o777, 0o660)
  assert.notEqual(await statusOf(status, '/status/ready'), 404)
  assert.match((await node.kong('drain')).stdout, /successfully changed to 'draining'/)
  assert.equal(await statusOf(status, '/status/ready'), 503)

  const secure = connectHttp2(`https://127.0.0.1:${securePort}`, { rejectUnauthorized: false })
  t.after(() => secure.destroy())
  const config = { ':method': 'POST', ':path': '/config' }
  assert.equal((await ask(secure, config, 'x'))[0], 415, 'a body without a type, and without a length')
  const json = { ...config, 'content-type': 'application/json' }
  const file = JSON.stringify({ _format_version: '3.0', services: [{ name: 'two', host: 'a.test' }] })
  assert.equal((await ask(secure, json, file))[0], 201)
  const [code, services] = await ask(secure, { ':path': '/services' })
  assert.deepEqual([code, JSON.parse(services).data[0].name], [200, 'two'])
  assert.equal((await ask(secure, json, 'x'.repeat(11 * 1024 * 1024)))[0], 413)
  assert.equal(
    (await ask(secure, { ':path': '/services' }))[0],
    200,
    'the connection outlives a body that was too large',
  )
  secure.destroy()

  const behind = connect(proxiedPort, '127.0.0.1')
  behind.write('PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n')
  const plain = connectHttp2('http://localhost', { createConnection: () => behind })
  t.after(() => plain.destroy())
  assert.equal((await ask(plain, { ':path': '/status' }))[0], 200)
  plain.destroy()
  const line = /^192\.0\.2\.7 .*"GET \/status HTTP\/2\.0" 200/m
  const logFile = join(node.prefix, 'logs/status_access.log')
  await until('the access log has the address of the PROXY header', () => line.test(readFileSync(logFile, 'utf8')))

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

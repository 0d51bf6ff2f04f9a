/** The router's flavours in whole nodes: at the Admin API, over the wire to a data plane, and from a file. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { aCluster, aNode, freePort, temporaryFolder } from '../kit/nodes.ts'
import { admin, anUpstream, eventually, send } from '../kit/traffic.ts'

test('expressions are judged at the Admin API and routed by on a data plane', async t => {
  const upstream = await anUpstream(t)
  const flavor = { router_flavor: 'expressions' }
  const { controlPlane, dataPlanes } = await aCluster(t, { cp: flavor, dp: flavor })
  const proxy = `http://127.0.0.1:${dataPlanes[0]!.proxyPort}`
  const routes = `${controlPlane.admin}/services/s/routes`
  const post = (body: object) => send(routes, { method: 'POST', body })
  await admin(controlPlane.admin, 'POST', '/services', { name: 's', url: upstream.url })

  await t.test('what cannot be read or does not fit is refused, with place and reason', async () => {
    const refusals: readonly (readonly [route: object, message: RegExp])[] = [
      [{ expression: 'http.path ==' }, /failed validation: {2}--> 1:13\n.*expected rhs$/s],
      [{ expression: 'http.path == "/a" &&\n! b' }, /--> 2:1\n.*expected term$/s],
      [{ expression: 'http.nowhere == 1' }, /Unknown LHS field \('http.nowhere' at line 1, column 1\)$/],
      [{ expression: 'http.path ~ "(?=x)"' }, /--> 1:13\n.*look-around/s],
      [{ expression: 'http.path == "/a"', protocols: ['tcp'] }, /Unknown LHS field/],
      [{ expression: 'http.path == "/a"', paths: ['/a'] }, /cannot set 'expression' with 'methods'/],
      [{ paths: ['/a'], priority: 1 }, /cannot set 'priority' with 'methods'/],
    ]
    for (const [route, message] of refusals) {
      const answer = await post(route)
      assert.equal(answer.status, 400, JSON.stringify(route))
      const { code, name, fields } = answer.json()
      assert.deepEqual([code, name], [2, 'schema violation'])
      assert.match(fields['@entity'][0], message)
    }
    const tooLarge = await post({ expression: 'http.path == "/a"', priority: 2 ** 46 })
    assert.deepEqual(tooLarge.json().fields, { priority: 'value should be between 0 and 70368744177663' })
  })

  await t.test('routes in either form serve the data plane, expressions first', async () => {
    const expression = 'http.path ^= "/a" && any(http.queries.q) == "1" && net.src.ip in 127.0.0.0/8'
    const made = await post({ name: 'expression', expression, priority: 2 ** 46 - 1, strip_path: true })
    assert.equal(made.status, 201, made.body)
    assert.equal(made.json().priority, 2 ** 46 - 1)
    assert.equal((await post({ name: 'plain', paths: ['/a/b'], strip_path: false })).status, 201)
    await eventually('both to be served', async () => (await send(`${proxy}/a/b`)).status === 200)
    assert.equal((await send(`${proxy}/a/b?q=2&q=1`)).json().url, '/b?q=2&q=1')
    assert.equal((await send(`${proxy}/a/b?q=2`)).json().url, '/a/b?q=2')
    assert.equal((await send(`${proxy}/a?q=2`)).status, 404)
  })
})

test('the traditional router serves a file by its own rules, hostile paths included', async t => {
  const upstream = await anUpstream(t)
  const file = join(temporaryFolder(t), 'kong.json')
  const route = (name: string, fields: object) => ({ name, strip_path: false, ...fields })
  const routes = [
    route('old', { paths: ['~/(a+)+x'], regex_priority: 1, created_at: 1 }),
    route('new', { paths: ['~/a+x'], regex_priority: 1, created_at: 2, strip_path: true }),
    route('v1', { paths: ['/v1'], path_handling: 'v1', strip_path: true }),
    route('expensive', { paths: ['~/(b{1,17})+$'] }),
  ]
  const services = [{ name: 's', url: `${upstream.url}/s`, routes }]
  writeFileSync(file, JSON.stringify({ _format_version: '3.0', services }))
  const port = await freePort()
  const node = aNode(t, {
    router_flavor: 'traditional',
    storage: 'memory',
    declarative_config: file,
    proxy_listen: `127.0.0.1:${port}`,
    admin_listen: 'off',
    status_listen: 'off',
    nginx_worker_processes: 1,
  })
  await node.start()
  const proxy = `http://127.0.0.1:${port}`
  await eventually('the file to be served', async () => (await send(`${proxy}/aax`)).status === 200)
  assert.equal((await send(`${proxy}/aax`)).json().url, '/s/aax', 'the older of two alike')
  assert.equal((await send(`${proxy}/v1q`)).json().url, '/sq', 'joined as of old')
  // A backtracking engine would not come back from these.
  assert.equal((await send(`${proxy}/${'b'.repeat(7000)}!`)).status, 404)
  assert.equal((await send(`${proxy}/${'a'.repeat(7000)}!`)).status, 404)
})

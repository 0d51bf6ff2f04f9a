/** A node on a shared database is given another router_flavor, and back: what its user sees. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { aNode, freePort } from './nodes.ts'
import { admin, anUpstream, eventually, send } from './traffic.ts'

export async function switchRouterFlavor(t: TestContext, settings: Record<string, string>): Promise<void> {
  const upstream = await anUpstream(t)
  const [adminPort, proxyPort] = [await freePort(), await freePort()]
  const node = aNode(t, {
    ...settings,
    admin_listen: `127.0.0.1:${adminPort}`,
    proxy_listen: `127.0.0.1:${proxyPort}`,
    status_listen: 'off',
    nginx_worker_processes: 1,
  })
  const api = `http://127.0.0.1:${adminPort}`
  const kong = async (flavor: string, ...args: string[]) => {
    node.environment['KONG_ROUTER_FLAVOR'] = flavor
    const { status, stdout, stderr } = await node.kong(...args)
    return { status, text: stdout + stderr }
  }
  const succeeds = async (flavor: string, ...args: string[]) => {
    const { status, text } = await kong(flavor, ...args)
    assert.equal(status, 0, text)
  }
  const isServed = (path: string) =>
    eventually(`${path} to be served`, async () => (await send(`http://127.0.0.1:${proxyPort}${path}`)).status === 200)

  await succeeds('traditional', 'start', '--run-migrations')
  await admin(api, 'POST', '/services', { name: 's', url: upstream.url })
  await admin(api, 'POST', '/services/s/routes', { name: 'old', paths: ['/old'] })
  await isServed('/old')
  await node.stop()

  const refused = await kong('expressions', 'start')
  assert.equal(refused.status, 1, refused.text)
  assert.match(
    refused.text,
    /lacks preparation for expression, priority of routes .*router_flavor\); run 'kong migrations up'/,
  )
  assert.equal((await kong('expressions', 'migrations', 'list')).status, 5)
  await succeeds('expressions', 'migrations', 'up')
  await succeeds('expressions', 'start')
  await isServed('/old')
  await admin(api, 'POST', '/services/s/routes', { name: 'new', expression: 'http.path ^= "/new"', priority: 5 })
  await isServed('/new')
  await node.stop()

  // A route that the other flavor could not run stops the change of flavor, not the node that has it.
  const unfit = await kong('traditional_compatible', 'migrations', 'up')
  assert.equal(unfit.status, 1, unfit.text)
  assert.match(
    unfit.text,
    /does not fit the router_flavor .*: routes 'new': schema violation \(must set one of 'methods'/,
  )
  await succeeds('expressions', 'start')
  await isServed('/new')
  await admin(api, 'DELETE', '/routes/new')
  await node.stop()
  await succeeds('traditional_compatible', 'start', '--run-migrations')
  await isServed('/old')
  await node.stop()
}

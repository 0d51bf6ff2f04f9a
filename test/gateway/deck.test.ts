/** decK against a node: what a team that keeps its Kong in files does every day. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { generateKey, selfSigned } from '../../src/base/certificates.ts'
import { parseYaml, toYaml } from '../../src/declarative/yaml.ts'
import { bundledPlugins } from '../../src/plugins/bundled.ts'
import { selfSignedPair } from '../kit/certificate-pair.ts'
import { deck as run, deckIsMissing } from '../kit/deck.ts'
import { aNode, freePort, runKong, temporaryFolder } from '../kit/nodes.ts'

test('decK works with a node as with Kong', { skip: deckIsMissing(), timeout: 300_000 }, async t => {
  const folder = temporaryFolder(t)
  const adminPort = await freePort()
  const admin = `http://127.0.0.1:${adminPort}`
  const node = aNode(t, {
    admin_listen: `127.0.0.1:${adminPort}`,
    proxy_listen: `127.0.0.1:${await freePort()}`,
    status_listen: 'off',
    nginx_worker_processes: '1',
  })
  await node.start()

  const deck = (...args: string[]) => run(args, { admin, folder })
  async function works(...args: string[]): Promise<string> {
    const { code, out, err } = await deck(...args)
    assert.equal(code, 0, `deck ${args.join(' ')}\n${out}${err}`)
    return out + err
  }
  const summary = (text: string) => {
    const count = (word: string) => Number(new RegExp(`${word}: (\\d+)`).exec(text)?.[1])
    return { created: count('Created'), updated: count('Updated'), deleted: count('Deleted') }
  }
  const sync = async (...args: string[]) => summary(await works('gateway', 'sync', ...args))
  const write = (name: string, value: unknown) => writeFileSync(join(folder, name), toYaml(value))
  const nothing = { created: 0, updated: 0, deleted: 0 }

  const everything = await everyEntity()
  write('all.yaml', everything)

  await t.test('ping, file validate, validate', async () => {
    assert.match(await works('gateway', 'ping'), /Kong version: {2}3\.9\./)
    await works('file', 'validate', 'all.yaml')
    await works('gateway', 'validate', 'all.yaml')
    write('wrong.yaml', { _format_version: '3.0', services: [{ name: 's', host: 'a.test', retries: 100_000 }] })
    const wrong = await deck('gateway', 'validate', 'wrong.yaml')
    assert.notEqual(wrong.code, 0)
    assert.match(wrong.out + wrong.err, /retries: value should be between 0 and 32767/)
  })

  await t.test('diff tells what sync does; a second sync does nothing', async () => {
    const planned = await deck('gateway', 'diff', 'all.yaml', '--non-zero-exit-code')
    assert.equal(planned.code, 2, planned.err)
    const done = await sync('all.yaml')
    assert.deepEqual(done, summary(planned.out + planned.err))
    assert.ok(done.created > 2 * bundledPlugins.length, JSON.stringify(done))
    assert.deepEqual(await sync('all.yaml'), nothing)
    assert.equal((await deck('gateway', 'diff', 'all.yaml', '--non-zero-exit-code')).code, 0)
  })

  await t.test('one changed field is one update', async () => {
    const changed = structuredClone(everything)
    changed.services[0]!.retries = 9
    write('changed.yaml', changed)
    assert.deepEqual(await sync('changed.yaml'), { created: 0, updated: 1, deleted: 0 })
    assert.deepEqual(await sync('all.yaml'), { created: 0, updated: 1, deleted: 0 })
  })

  await t.test('reset empties it, and a dump brings all of it back', async () => {
    await works('gateway', 'dump', '--yes', '-o', 'dump.yaml')
    await works('gateway', 'dump', '--yes', '--with-id', '-o', 'ids.yaml')
    await works('gateway', 'reset', '--force')
    const { data } = (await (await fetch(`${admin}/services`)).json()) as { data: unknown[] }
    assert.deepEqual(data, [])
    assert.ok((await sync('ids.yaml')).created > 0)
    assert.deepEqual(await sync('dump.yaml'), nothing)
    assert.equal((await deck('gateway', 'diff', 'all.yaml', '--non-zero-exit-code')).code, 0)
  })

  await t.test('with --select-tag it leaves to others what is theirs', async () => {
    const before = (await (await fetch(`${admin}/consumers`)).json()) as { data: unknown[] }
    const mine = (...names: string[]) => ({
      _format_version: '3.0',
      consumers: names.map(username => ({ username, tags: ['team-b'] })),
    })
    write('b.yaml', mine('bob', 'bea'))
    assert.deepEqual(await sync('b.yaml', '--select-tag', 'team-b'), { created: 2, updated: 0, deleted: 0 })
    write('b.yaml', mine('bob'))
    assert.deepEqual(await sync('b.yaml', '--select-tag', 'team-b'), { created: 0, updated: 0, deleted: 1 })
    const asked = ['config', 'diff', join(folder, 'b.yaml'), '--select-tag', 'team-b', '--admin-url', admin]
    const same = await runKong(asked, node.environment)
    assert.deepEqual([same.status, same.stdout], [0, 'no changes\n'], same.stderr)
    const dumped = await works('gateway', 'dump', '--yes', '--select-tag', 'team-b', '-o', '-')
    assert.match(dumped, /username: bob/)
    assert.doesNotMatch(dumped, /alice/)
    const after = (await (await fetch(`${admin}/consumers`)).json()) as { data: unknown[] }
    assert.equal(after.data.length, before.data.length + 1)
  })

  await t.test('a file that was written for Kong 3.x goes in as it is', async () => {
    copyFileSync(join(import.meta.dirname, 'deck/kong-3.yaml'), join(folder, 'kong-3.yaml'))
    await works('gateway', 'validate', 'kong-3.yaml')
    assert.ok((await sync('kong-3.yaml')).created >= 20)
    assert.deepEqual(await sync('kong-3.yaml'), nothing)
    const route = (await (await fetch(`${admin}/routes/orders-read`)).json()) as Record<string, unknown>
    assert.deepEqual(
      [route['https_redirect_status_code'], route['preserve_host'], route['tags']],
      [308, true, ['shop']],
    )
  })

  await t.test('what `deck file` makes, kong takes, and from-openapi makes the same', async () => {
    write('api.yaml', description)
    await run(['file', 'openapi2kong', '-s', 'api.yaml', '-o', 'deck-made.yaml'], { admin: null, folder })
    const at = (name: string) => join(folder, name)
    const made = await runKong(['config', 'from-openapi', at('api.yaml'), '-o', at('own.yml')], node.environment)
    assert.equal(made.status, 0, made.stderr)
    const same = await runKong(['config', 'diff', at('deck-made.yaml'), at('own.yml')], node.environment)
    assert.deepEqual([same.status, same.stdout], [0, 'no changes\n'], same.stderr)
    await works('file', 'render', 'b.yaml', 'deck-made.yaml', '-o', 'rendered.yaml')
    const rendered = parseYaml(readFileSync(at('rendered.yaml'), 'utf8')) as Record<string, unknown[]>
    assert.deepEqual([rendered['consumers']!.length, rendered['services']!.length], [1, 1])
    const parsed = await runKong(['config', 'parse', at('rendered.yaml')], node.environment)
    assert.equal(parsed.status, 0, parsed.stderr)
  })
})

const description = {
  openapi: '3.1.0',
  info: { title: 'Pet Store', version: '1' },
  servers: [
    { url: 'https://pets.test/v1' },
    { url: 'https://{env}.pets.test/v1', variables: { env: { default: 'b' } } },
  ],
  'x-kong-tags': ['pets'],
  'x-kong-plugin-key-auth': {},
  paths: {
    '/pets': {
      get: { operationId: 'listPets', responses: {} },
      post: { 'x-kong-plugin-rate-limiting': { config: { minute: 5 } }, responses: {} },
    },
    '/pets/{pet-id}.json': { get: { responses: {} } },
  },
}

/** One of each entity with what it refers to, and each bundled plugin with the example of its documentation. */
async function everyEntity() {
  const { cert, key } = selfSignedPair('a.test')
  const authority = selfSigned({
    subject: { CN: 'authority' },
    key: await generateKey('P-256'),
    notBefore: new Date('2020-01-01'),
    notAfter: new Date('2090-01-01'),
    isAuthority: true,
  })
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwk = JSON.stringify({ ...publicKey.export({ format: 'jwk' }), kid: 'first' })
  const ids = { certificate: '1c1d5c4e-0000-4000-8000-000000000001', ca: '1c1d5c4e-0000-4000-8000-000000000002' }
  const onRoutes = bundledPlugins.filter(({ scopes }) => scopes.includes('route'))
  return {
    _format_version: '3.0',
    services: [
      {
        name: 'everything',
        url: 'https://u.test:8443/base',
        retries: 3,
        tags: ['a', 'b'],
        client_certificate: ids.certificate,
        ca_certificates: [ids.ca],
        tls_verify: true,
        routes: onRoutes.map(({ name, docs }) => ({
          name: `with-${name}`,
          paths: [`/${name}`],
          plugins: [{ name, config: docs.example }],
        })),
        plugins: [{ name: 'cors', config: { origins: ['https://a.test'] } }],
      },
    ],
    upstreams: [{ name: 'u.test', targets: [{ target: '10.0.0.1:8443', weight: 7 }, { target: '10.0.0.2:8443' }] }],
    certificates: [{ id: ids.certificate, cert, key, snis: [{ name: 'a.test' }, { name: '*.b.test' }] }],
    ca_certificates: [{ id: ids.ca, cert: authority }],
    key_sets: [{ name: 'set' }],
    keys: [{ name: 'first', kid: 'first', set: { name: 'set' }, jwk }],
    vaults: [{ name: 'env', prefix: 'my-env', description: 'of the node', config: { prefix: 'X_' } }],
    consumers: [
      {
        username: 'alice',
        custom_id: 'a-1',
        keyauth_credentials: [{ key: 'alice-key' }],
        plugins: [{ name: 'rate-limiting', config: { minute: 9 } }],
      },
    ],
    plugins: [
      ...bundledPlugins
        .filter(({ scopes }) => !scopes.includes('route'))
        .map(({ name, docs }) => ({ name, config: docs.example })),
    ],
  }
}

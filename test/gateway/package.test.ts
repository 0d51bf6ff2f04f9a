import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { freePort, temporaryFolder } from '../kit/nodes.ts'
import { eventually, send } from '../kit/traffic.ts'

const ROOT = join(import.meta.dirname, '../..')

/** What a checkout has, and a build and `npm pack` need. */
const SOURCES = ['bin', 'src', 'LICENSE', 'README.md', 'kong.conf.default', 'package.json'].concat([
  'schemas',
  'tsconfig.json',
  'tsconfig.build.json',
])

/** A project that has the package installed from its tarball, with the dependencies that package.json names. */
function anInstallation(t: TestContext): string {
  const folder = temporaryFolder(t)
  const source = join(folder, 'source')
  for (const name of SOURCES) cpSync(join(ROOT, name), join(source, name), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(source, 'node_modules'))
  execFileSync('npm', ['pack', '--pack-destination', folder], { cwd: source, stdio: 'pipe' })
  const { name, version, dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const modules = join(folder, 'app/node_modules')
  const installed = join(modules, name)
  mkdirSync(installed, { recursive: true })
  execFileSync('tar', ['-xzf', join(folder, `${name}-${version}.tgz`), '-C', installed, '--strip-components=1'])
  for (const dependency of Object.keys(dependencies)) {
    mkdirSync(dirname(join(modules, dependency)), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules', dependency), join(modules, dependency))
  }
  return join(folder, 'app')
}

test('the published package works without sources: versions, a node, and the SDK with its types', async t => {
  const app = anInstallation(t)
  const installed = join(app, 'node_modules/silverback')
  const PATH = [dirname(process.execPath), process.env['PATH']].join(delimiter)
  const [proxyPort, adminPort] = [await freePort(), await freePort()]
  const env = {
    PATH,
    HOME: app,
    KONG_PREFIX: join(app, 'prefix'),
    KONG_STORAGE: 'memory',
    KONG_PROXY_LISTEN: `127.0.0.1:${proxyPort}`,
    KONG_ADMIN_LISTEN: `127.0.0.1:${adminPort}`,
    KONG_STATUS_LISTEN: 'off',
    KONG_NGINX_WORKER_PROCESSES: '1',
  }
  // As npm links it.
  for (const name of ['kong', 'kong-health']) symlinkSync(`silverback/bin/${name}`, join(app, 'node_modules', name))
  const kong = (...args: string[]) =>
    spawnSync(join(app, 'node_modules/kong'), args, { env, cwd: app, encoding: 'utf8' })

  await t.test('it holds what it needs, and no sources or tests', () => {
    assert.ok(!existsSync(join(installed, 'src')))
    for (const file of ['LICENSE', 'README.md', 'kong.conf.default', 'dist/main.js', 'dist/worker.js']) {
      assert.ok(existsSync(join(installed, file)), file)
    }
    assert.deepEqual(
      execFileSync('find', [installed, '-name', '*.test.*'], { encoding: 'utf8' }).split('\n').filter(Boolean),
      [],
    )
  })

  await t.test('kong version', () => {
    assert.deepEqual([kong('version').stdout, kong('version').status], ['3.9.1\n', 0])
  })

  await t.test('a node starts, proxies with its workers, reloads and stops', async () => {
    t.after(() => kong('stop'))
    const started = kong('start')
    assert.equal(started.status, 0, started.stderr)
    assert.equal((await send(`http://127.0.0.1:${proxyPort}/`)).status, 404)
    assert.equal((await send(`http://127.0.0.1:${adminPort}/status`)).status, 200)
    const health = spawnSync(join(app, 'node_modules/kong-health'), { env, encoding: 'utf8' })
    assert.match(health.stdout, /\nKong is healthy at .*prefix\n$/, health.stderr)
    assert.deepEqual([kong('reload').stdout, kong('stop').stdout], ['Kong reloaded\n', 'Kong stopped\n'])
    await eventually('the port to be free', () =>
      send(`http://127.0.0.1:${proxyPort}/`).then(
        () => false,
        () => true,
      ),
    )
  })

  await t.test('a plugin can be written against silverback/sdk', () => {
    const plugin = `import { definePlugin, field } from 'silverback/sdk'
export default definePlugin({
  name: 'greeting', priority: 5, protocols: ['http'], scopes: ['route'],
  docs: { summary: 'Greets.', details: '', example: { text: 'hi' } },
  config: { text: field.string({ required: true, description: 'Greeting.' }) },
  prepare: config => ({ access: () => ({ status: 200, body: { message: config.text.toUpperCase() } }) }),
})
`
    writeFileSync(join(app, 'greeting.ts'), plugin)
    writeFileSync(join(app, 'package.json'), '{ "type": "module" }')
    const flags = '--noEmit --strict --module nodenext --target es2024 --types node --typeRoots'.split(' ')
    const types = join(ROOT, 'node_modules/@types')
    const tsc = spawnSync(join(ROOT, 'node_modules/.bin/tsc'), [...flags, types, 'greeting.ts'], {
      cwd: app,
      encoding: 'utf8',
    })
    assert.equal(tsc.status, 0, tsc.stdout)
    const program = "console.log((await import('./greeting.ts')).default.name)"
    assert.equal(
      execFileSync(process.execPath, ['--input-type=module', '-e', program], { cwd: app, encoding: 'utf8' }),
      'greeting\n',
    )
  })

  await t.test('a configuration and a client can be written in TypeScript, and editors find the schema', () => {
    const program = `import { defineConfig } from 'silverback/config'
import { createAdminClient } from 'silverback/client'
export default defineConfig({ services: [{ url: 'http://a.test', plugins: [{ name: 'rate-limiting', config: { minute: 5 } }] }] })
export const made = () => createAdminClient({ url: 'http://localhost:8001' }).services.create({ url: 'http://a.test' })
// @ts-expect-error no such plugin
defineConfig({ plugins: [{ name: 'rate-limit' }] })
`
    writeFileSync(join(app, 'kong.config.ts'), program)
    const flags = '--noEmit --strict --module nodenext --target es2024 --types node --typeRoots'.split(' ')
    const types = join(ROOT, 'node_modules/@types')
    const tsc = spawnSync(join(ROOT, 'node_modules/.bin/tsc'), [...flags, types, 'kong.config.ts'], {
      cwd: app,
      encoding: 'utf8',
    })
    assert.equal(tsc.status, 0, tsc.stdout)
    assert.equal(kong('config', 'parse', 'kong.config.ts').stdout, 'parse successful\n')
    const schema = "console.log(import.meta.resolve('silverback/kong.schema.json'))"
    const found = execFileSync(process.execPath, ['--input-type=module', '-e', schema], { cwd: app, encoding: 'utf8' })
    assert.ok(existsSync(new URL(found.trim())), found)
  })

  await t.test('it says which Node it needs when there is an older one, or none', () => {
    const old = join(app, 'old')
    mkdirSync(old)
    writeFileSync(join(old, 'node'), '#!/bin/sh\necho v20.20.2\n')
    chmodSync(join(old, 'node'), 0o755)
    const run = (path: string) =>
      spawnSync('/bin/sh', [join(installed, 'bin/kong'), 'version'], { env: { PATH: path }, encoding: 'utf8' })
    const { status, stderr } = run(`${old}:/usr/bin:/bin`)
    assert.equal(status, 1)
    assert.equal(stderr, `Error: kong needs Node.js 24 or later, but ${old}/node is v20.20.2\n`)
    // Only what the script itself needs.
    const tools = join(app, 'tools')
    mkdirSync(tools)
    symlinkSync('/usr/bin/dirname', join(tools, 'dirname'))
    const none = run(tools)
    assert.equal(none.status, 1)
    assert.equal(none.stderr, 'Error: kong needs Node.js 24 or later, and PATH has no node\n')
  })
})

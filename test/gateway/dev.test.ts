/** `kong dev` as a user sees it: saves, errors, requests; and the commands that ask its node. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { freePorts, kong, spawnKong } from '../kit/kong-command.ts'
import { send } from '../kit/traffic.ts'

test('kong dev serves a file in TypeScript, takes each save, and keeps what is good', { timeout: 120_000 }, async t => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'kong-')))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const upstream = createServer((request, response) => response.end(`hello from ${request.url}`))
  await once(upstream.listen(0, '127.0.0.1'), 'listening')
  t.after(() => upstream.close())
  const url = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`
  const [proxy, admin] = await freePorts(2)
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text)
  write('paths.ts', "export const paths = ['/hello']\n")
  write(
    'kong.config.ts',
    `import { defineConfig } from 'silverback/config'
import { paths } from './paths.ts'
export default defineConfig({
  services: [{ name: 'sample', url: '${url}', routes: [{ name: 'hello', paths }] }],
})
`,
  )
  const settings = { proxy_listen: `127.0.0.1:${proxy}`, admin_listen: `127.0.0.1:${admin}` }
  const child = spawnKong(['dev', 'kong.config.ts'], { folder, settings, env: { TMPDIR: folder } })
  t.after(() => child.kill('SIGKILL'))
  let output = ''
  let told = () => {}
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.on('data', chunk => {
      output += chunk
      told()
    })
  }
  /** What the program says since it was asked last, up to this. */
  async function says(what: RegExp): Promise<string> {
    for (;;) {
      const found = what.exec(output)
      if (found !== null) {
        const text = output.slice(0, found.index + found[0].length)
        output = output.slice(text.length)
        return text
      }
      assert.equal(child.exitCode, null, output)
      await new Promise<void>(resolve => (told = resolve))
    }
  }
  const get = (path: string) => send(`http://127.0.0.1:${proxy}${path}`)

  await says(/loaded: 1 service, 1 route\n/)
  assert.deepEqual([(await get('/hello/you')).status, (await get('/nope')).status], [200, 404])
  await says(
    /^\S+ GET \/hello\/you 200 in \d\.\d+ s, route hello, service sample, upstream 127\.0\.0\.1:\d+ in \d\.\d+ s$/m,
  )
  await says(/^\S+ GET \/nope 404 in \d\.\d+ s, route -, service -, /m)

  await t.test('a change of what it imports is taken, without a restart', async () => {
    write('paths.ts', "export const paths = ['/hi']\n")
    await says(/reloaded: 1 service, 1 route\n {2}~ route hello \(service sample\): paths\n/)
    assert.deepEqual([(await get('/hi')).status, (await get('/hello')).status], [200, 404])
  })

  await t.test('a save with errors is told with its place, and changes nothing', async () => {
    write('paths.ts', "export const paths = ['/hi'\n")
    await says(/not loaded, what was loaded last serves on:\n.*paths\.ts:\d+(:\d+)?: /)
    assert.equal((await get('/hi')).status, 200)
    write('paths.ts', "export const paths = ['hi']\n")
    await says(/not loaded, what was loaded last serves on:\n(?:.|\n)*should start with: \/ \(fixed path\)/)
    assert.equal((await get('/hi')).status, 200)
    write('paths.ts', "export const paths = ['/hey']\n")
    await says(/reloaded: /)
    assert.equal((await get('/hey')).status, 200)
  })

  await t.test('its node can be asked for the way of a request, and compared with a file', async () => {
    const ask = (...args: string[]) => kong([...args, '--admin-url', `http://127.0.0.1:${admin}`], { folder })
    const way = await ask('route', 'test', 'GET', 'http://a.test/hey/you')
    assert.equal(way.code, 0, way.err)
    assert.match(way.out, new RegExp(`^service {2}sample -> ${url}/you$`, 'm'))
    const same = await ask('config', 'diff', 'kong.config.ts')
    assert.deepEqual([same.code, same.out], [0, 'no changes\n'], same.err)
    write('other.yml', '_format_version: "3.0"\nservices: [{ name: sample, host: b.test }]\n')
    const other = await ask('config', 'diff', 'other.yml')
    assert.equal(other.code, 2)
    assert.match(other.out, /^- route hello \(service sample\)$/m)
  })

  child.kill('SIGINT')
  const [code] = await once(child, 'exit')
  assert.equal(code, 0)
  assert.deepEqual(
    readdirSync(folder).filter(name => name.startsWith('kong-dev-')),
    [],
  )
})

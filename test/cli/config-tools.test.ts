/** `kong config`, `kong route test` and `kong completion` on files: no node runs. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parseYaml } from '../../src/declarative/yaml.ts'
import { kong as run } from '../kit/kong-command.ts'

const service = (part: string) => `export default { services: [{ name: 's', host: 'a.test', ${part} }] }\n`
const FILES: Readonly<Record<string, string>> = {
  'kong.yml': `
_format_version: "3.0"
services:
- name: sample
  host: u.test
  path: /base
  routes:
  - name: hello
    paths: [/hello]
  - name: versioned
    hosts: ["*.example.com"]
    paths: ['~/v(?<v>\\d+)/x']
    methods: [GET]
    headers: { x-version: ["2"] }
    strip_path: false
    plugins: [{ name: key-auth }]
upstreams:
- name: u.test
  targets: [{ target: "10.0.0.1:8080" }]
plugins:
- name: cors
- name: rate-limiting
  config: { minute: 5 }
- name: rate-limiting
  consumer: alice
  instance_name: for-alice
  config: { minute: 9 }
consumers:
- username: alice
  keyauth_credentials: [{ key: secret }]
`,
  'hosts.ts': "export const hosts: readonly string[] = ['a.test', 'b.test']\n",
  'kong.config.ts': `
import { defineConfig } from 'silverback/config'
import { hosts } from './hosts.ts'
console.log('the config speaks')
export default defineConfig(async () => ({
  services: hosts.map(host => ({ name: host, host, routes: [{ name: host, paths: ['/' + host] }] })),
}))
`,
  'same.config.ts': service("routes: [{ name: 'r', paths: ['/r'] }]"),
  'enum.config.ts': 'const a = 1\n  enum Kind { A }\nexport default {}\n',
  'syntax.config.ts': 'export default {\n  services: [ a b ]\n}\n',
  'throws.config.ts': 'const none: any = null\nexport default {\n  services: [{ host: none.host }],\n}\n',
  'import.config.ts': "import { x } from './nowhere.ts'\nexport default x\n",
  'empty.config.ts': 'export const services = []\n',
  'function.config.ts': service('path: () => 5'),
  'list.config.ts': 'export default []\n',
  'exits.config.ts': 'process.exit(7)\n',
  'invalid.config.ts': service("retries: 'many'"),
  'api.json': JSON.stringify({
    openapi: '3.1.0',
    info: { title: 'Pets' },
    servers: [{ url: 'https://pets.test/v1' }],
    paths: { '/pets/{id}': { get: { operationId: 'getPet' } } },
  }),
}

let folder = ''
before(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'kong-')))
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(folder, name), text)
})
after(() => rmSync(folder, { recursive: true }))

const kong = (...args: string[]) => run(args, { folder, settings: { prefix: join(folder, 'prefix') } })

test('a configuration in TypeScript is parsed; what it prints stays out of the output', async () => {
  const { code, out, err } = await kong('config', 'parse', 'kong.config.ts')
  assert.deepEqual([code, out], [0, 'parse successful\n'])
  assert.match(err, /the config speaks/)
})

const refused: Record<string, RegExp> = {
  enum: /enum\.config\.ts:2:3: TypeScript enum is not supported.*use an object or a union/,
  syntax: /syntax\.config\.ts:2:\d+: /,
  throws: /throws\.config\.ts:3:27: TypeError: Cannot read properties of null/,
  import: /Cannot find module '.*nowhere\.ts' imported from .*import\.config\.ts/,
  empty: /empty\.config\.ts: it has no default export; write `export default defineConfig/,
  function: /function\.config\.ts: services\[0\]\.path is a function/,
  list: /list\.config\.ts: its default export is an array, not a configuration/,
  exits: /exits\.config\.ts: it ended the process \(exit code 7\)/,
  invalid: /in entry 1 of 'services':\n +in 'retries': expected an integer\n/,
}
for (const [name, reason] of Object.entries(refused)) {
  test(`what is wrong in a file in TypeScript is told with its place: ${name}`, async () => {
    const { code, out, err } = await kong('config', 'parse', `${name}.config.ts`)
    assert.deepEqual([code, out], [1, ''])
    assert.match(err, reason)
    assert.doesNotMatch(err, /evaluate-config/)
  })
}

test('kong config lint ends with 0, 1 or 2, and names rule and entity', async () => {
  const clean = await kong('config', 'lint', 'kong.yml')
  assert.deepEqual([clean.code, clean.out], [0, 'kong.yml: nothing to say\n'])
  assert.equal((await kong('config', 'lint', 'invalid.config.ts')).code, 1)
  writeFileSync(join(folder, 'lint.yml'), '_format_version: "3.0"\nupstreams: [{ name: u.test }]\n')
  const found = await kong('config', 'lint', 'lint.yml')
  assert.equal(found.code, 2)
  assert.match(found.out, /^upstream u\.test: has no targets, so its services answer 503 \[empty-upstream\]\n/)
  const json = await kong('config', 'lint', 'lint.yml', '--json')
  assert.deepEqual(
    JSON.parse(json.out).findings.map(({ rule }: { rule: string }) => rule),
    ['empty-upstream', 'unused-upstream'],
  )
})

test('kong config diff of two files tells + ~ -, and ends with 2 when they differ', async () => {
  const same = await kong('config', 'diff', 'kong.yml', 'kong.yml')
  assert.deepEqual([same.code, same.out], [0, 'no changes\n'])
  writeFileSync(
    join(folder, 'changed.yml'),
    FILES['kong.yml']!.replace('/hello]', '/hi]')
      .replace('name: cors', 'name: correlation-id')
      .replace('secret', 'other'),
  )
  const { code, out } = await kong('config', 'diff', 'kong.yml', 'changed.yml')
  assert.equal(code, 2)
  const lines = out.split('\n')
  assert.deepEqual(lines.slice(0, 4), [
    '~ route hello (service sample)',
    '    paths: ["/hello"] -> ["/hi"]',
    '+ plugin correlation-id',
    '- plugin cors',
  ])
  assert.match(lines[4]!, /^\+ keyauth credential #[0-9a-f]{6} \(consumer alice\)$/)
  assert.doesNotMatch(out, /secret|other/)
  assert.equal(lines.at(-2), '2 to add, 1 to change, 2 to remove')
  const json = JSON.parse((await kong('config', 'diff', 'kong.yml', 'changed.yml', '--json')).out)
  assert.equal(json.changes.length, 5)
  assert.equal((await kong('config', 'diff', 'kong.yml', 'nowhere.yml')).code, 1)
  const nobody = await kong('config', 'diff', 'kong.yml', '--admin-url', 'http://127.0.0.1:1')
  assert.equal(nobody.code, 1)
  assert.match(nobody.err, /no answer from http:\/\/127\.0\.0\.1:1/)
})

test('kong config from-openapi makes a configuration that the gateway takes', async () => {
  const { code, out } = await kong('config', 'from-openapi', 'api.json')
  assert.equal(code, 0)
  const { services } = parseYaml(out) as any
  assert.deepEqual([services[0].host, services[0].path], ['pets.test', '/v1'])
  assert.deepEqual(services[0].routes[0].paths, ['~/pets/(?<id>[^#?/]+)$'])
  assert.equal((await kong('config', 'from-openapi', 'api.json', '-o', 'pets.yml')).code, 0)
  assert.equal((await kong('config', 'parse', 'pets.yml')).out, 'parse successful\n')
  assert.match((await kong('config', 'from-openapi', 'api.json', '-o', 'pets.yml')).err, /already exists/)
  assert.match((await kong('config', 'from_openapi', 'kong.yml')).err, /no OpenAPI 3 description/)
})

test('kong config schema prints the JSON Schema that is published', async () => {
  const { out } = await kong('config', 'schema')
  const published = readFileSync(new URL('../../schemas/kong.schema.json', import.meta.url), 'utf8')
  assert.deepEqual(Object.keys(JSON.parse(out).$defs), Object.keys(JSON.parse(published).$defs))
})

test('kong route test tells route, service, target and plugins, and why', async () => {
  const url = 'https://a.example.com/v2/x?q=1'
  const { code, out } = await kong('route', 'test', 'get', url, '-H', 'X-Version: 2', '-f', 'kong.yml')
  assert.equal(code, 0)
  for (const line of [
    `GET ${url}`,
    'service  sample -> http://u.test:80/base/v2/x?q=1',
    'target   10.0.0.1:8080 weight 100',
    'plugins  in this order, for a request without consumer',
    'captures 1=2, v=2',
    '      yes headers {"x-version":["2"]}, the request has x-version: 2',
  ]) {
    assert.ok(out.split('\n').includes(line), `${line}\n---\n${out}`)
  }
  const plugins = (text: string) => [...text.matchAll(/^ {9}(\S.*)$/gm)].map(([, name]) => name)
  assert.deepEqual(plugins(out), ['cors (global)', 'key-auth (route versioned)', 'rate-limiting (global)'])
  const alice = await kong('route', 'test', 'GET', '/hello/you', '--consumer', 'alice', '-f', 'kong.yml')
  assert.match(alice.out, /^service {2}sample -> http:\/\/u\.test:80\/base\/you$/m)
  assert.deepEqual(plugins(alice.out), ['cors (global)', 'rate-limiting: for-alice (consumer alice)'])
})

test('kong route test ends with 2 when no route fits, and shows what each lacks', async () => {
  const { code, out } = await kong('route', 'test', 'POST', 'http://a.example.com/v2/x', '-f', 'kong.yml')
  assert.equal(code, 2)
  assert.match(out, /^route {4}none: the gateway answers 404$/m)
  assert.match(
    out,
    /no {2}methods \["GET"\], the request has POST\n +no {2}headers .*, the request has x-version: nothing$|no {2}methods/m,
  )
  const json = JSON.parse((await kong('route', 'test', 'GET', '/', '-f', 'kong.yml', '--json')).out)
  assert.equal(json.chosen, null)
  for (const args of [
    ['GET'],
    ['GET', 'ftp://a.test/'],
    ['G T', '/'],
    ['GET', '/', '-H', 'nothing'],
    ['GET', '/', '--consumer', 'bob'],
    ['GET', '/', '--client-ip', 'here'],
  ]) {
    const { code, err } = await kong('route', 'test', ...args, '-f', 'kong.yml')
    assert.equal(code, 1, args.join(' '))
    assert.match(err, /^Error: /)
  }
})

/** What bash offers for a line, by the words so far. */
function bashCompletes(script: string, ...words: string[]): string[] {
  const ask = `${script}\nCOMP_WORDS=(${words.map(word => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _kong; printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout, stderr } = spawnSync('bash', ['-c', ask], { encoding: 'utf8', cwd: folder })
  assert.equal(stderr, '')
  return stdout.split('\n').filter(Boolean)
}

test('kong completion bash completes commands, sub-commands, options and files', async () => {
  const { out: script } = await kong('completion', 'bash')
  assert.deepEqual(bashCompletes(script, 'kong', 'mig'), ['migrations'])
  assert.deepEqual(bashCompletes(script, 'kong', 'route', ''), ['test'])
  assert.ok(bashCompletes(script, 'kong', 'config', '').includes('from-openapi'))
  assert.deepEqual(bashCompletes(script, 'kong', 'start', '--fore'), ['--foreground'])
  assert.deepEqual(bashCompletes(script, 'kong', 'config', 'parse', 'kong.y'), ['kong.yml'])
  assert.deepEqual(bashCompletes(script, 'kong', 'completion', 'f'), ['fish'])
})

const isMissing = (program: string) =>
  process.env['KONG_TEST_REQUIRE'] !== 'all' && spawnSync(program, ['--version']).error !== undefined
    ? `needs ${program}: apt-get install ${program}`
    : false

test('kong completion fish completes commands, sub-commands and options', { skip: isMissing('fish') }, async () => {
  const { out: script } = await kong('completion', 'fish')
  const completes = (line: string) => {
    const { stdout, stderr } = spawnSync('fish', ['--no-config', '-c', `${script}\ncomplete -C '${line}'`], {
      encoding: 'utf8',
      cwd: folder,
    })
    assert.equal(stderr, '')
    return stdout.split('\n').map(one => one.split('\t')[0]!)
  }
  assert.ok(completes('kong mig').includes('migrations'))
  assert.ok(completes('kong route ').includes('test'))
  assert.ok(completes('kong config from').includes('from-openapi'))
  assert.ok(completes('kong start --fore').includes('--foreground'))
})

test('kong completion zsh is a completion function that zsh takes', { skip: isMissing('zsh') }, async () => {
  const { out: script } = await kong('completion', 'zsh')
  writeFileSync(join(folder, '_kong'), script)
  const load = 'autoload -U compinit && compinit -D -u && source ./_kong && whence -w _kong && print $_comps[kong]'
  const { stdout, stderr } = spawnSync('zsh', ['-f', '-c', load], { encoding: 'utf8', cwd: folder })
  assert.equal(stderr, '')
  assert.equal(stdout, '_kong: function\n_kong\n')
})

test('an unknown shell is refused with those that there are', async () => {
  const { code, err } = await kong('completion', 'tcsh')
  assert.equal(code, 1)
  assert.match(err, /'tcsh' is none of the shells: bash, zsh, fish/)
})

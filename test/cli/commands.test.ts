/** `bin/kong` from outside, for all that needs no running node: texts, exit codes, files. */
import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { KONG_VERSION } from '../../src/base/version.ts'
import { kong as run } from '../kit/kong-command.ts'

let folder = ''
before(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'kong-')))
})
after(() => rmSync(folder, { recursive: true }))

const kong = (line: string, settings: Record<string, string> = {}, env: Record<string, string> = {}) =>
  run(line.split(' ').filter(Boolean), { folder, settings: { prefix: join(folder, 'prefix'), ...settings }, env })

const failure = (message: string) => `Error: ${message}\n\n  Run with --v (verbose) or --vv (debug) for more details\n`

test('kong prints its usage when called without a command or with --help', async () => {
  for (const line of ['', '--help', '-h']) {
    const { code, out, err } = await kong(line)
    assert.equal(code, 1)
    assert.match(err, /^Usage: kong COMMAND \[OPTIONS\]\n\nThe available commands are:\n(.|\n)* start (.|\n)*--vv/)
    assert.equal(out, '')
  }
})

test('kong names unknown commands, sub-commands and options, and what was probably meant', async () => {
  const unknown = await kong('strat')
  assert.equal(unknown.code, 1)
  assert.match(unknown.err, /^No such command: strat \(did you mean 'start'\?\)\n\nUsage: kong/)
  const subcommand = await kong('config prase')
  assert.equal(subcommand.code, 1)
  assert.match(subcommand.err, /^No such command for config: prase\n\nUsage: kong config COMMAND/)
  const option = await kong('start --prefx x')
  assert.deepEqual([option.code, option.out], [1, ''])
  assert.equal(option.err, failure("unknown option '--prefx' for 'kong start'; did you mean --prefix?"))
})

test('kong <command> --help lists the options of every command', async () => {
  const { err } = await kong('--help')
  const names = [...err.matchAll(/^ ([a-z]+) {2}/gm)].map(match => match[1]!)
  assert.ok(names.length >= 14)
  const texts = await Promise.all(names.map(async name => [name, await kong(`${name} --help`)] as const))
  for (const [name, { code, err: text }] of texts) {
    assert.equal(code, 1)
    assert.match(text, new RegExp(`^Usage: kong ${name} (.|\\n)*\\[OPTIONS\\](.|\\n)*--vv`))
  }
})

test('kong version prints versions', async () => {
  assert.deepEqual(await kong('version'), { code: 0, out: `${KONG_VERSION}\n`, err: '' })
  assert.match((await kong('version -a')).out, /^Kong: \d+\.\d+\.\d+\nSilverback: \d+\.\d+\.\d+\nNode\.js: \d+/)
  assert.equal(JSON.parse((await kong('version --json')).out).kong, KONG_VERSION)
})

test('bin/kong works through a symbolic link', async () => {
  mkdirSync(join(folder, 'bin'))
  symlinkSync(fileURLToPath(new URL('../../bin/kong', import.meta.url)), join(folder, 'bin', 'silverback'))
  const { spawnSync } = await import('node:child_process')
  const { stdout } = spawnSync(join(folder, 'bin', 'silverback'), ['version'], { encoding: 'utf8', cwd: folder })
  assert.equal(stdout, `${KONG_VERSION}\n`)
})

test('kong check tells all errors of a file with their places, and that a good one is valid', async () => {
  writeFileSync(join(folder, 'bad.conf'), 'log_level = zz\ndatabase = mysql\nproxy_lisen = 1.2.3.4:80\n')
  const bad = await kong('check bad.conf')
  assert.equal(bad.code, 1)
  assert.equal(bad.out, '')
  const lines = bad.err.replace(/^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d /gm, '').split('\n')
  assert.deepEqual(lines, [
    "[warn] unknown property 'proxy_lisen' in bad.conf:3 is ignored; did you mean 'proxy_listen'?",
    "[error] log_level has an invalid value: 'zz' (debug, info, notice, warn, error, crit, alert, emerg) (bad.conf:1)",
    "[error] database has an invalid value: 'mysql' (embedded, memory, postgres, cassandra, off) (bad.conf:2)",
    '',
  ])
  assert.match((await kong('check none.conf')).err, /\[error\] no file at: none\.conf\n$/)
  writeFileSync(join(folder, 'good.conf'), 'log_level = warn\n')
  assert.deepEqual(await kong('check good.conf'), { code: 0, out: 'configuration at good.conf is valid\n', err: '' })
  const json = JSON.parse((await kong('check bad.conf --json')).out)
  assert.deepEqual([json.valid, json.errors.length, json.warnings.length], [false, 2, 1])
})

test('kong health, stop, quit and reload say when there is no prefix, and when nothing runs in it', async () => {
  const prefix = join(folder, 'nothing')
  for (const command of ['health', 'stop', 'quit', 'reload']) {
    const { code, err } = await kong(`${command} -p nothing`)
    assert.deepEqual([code, err], [1, failure(`no such prefix: ${prefix}`)], command)
  }
  mkdirSync(prefix)
  for (const command of ['stop', 'quit', 'reload']) {
    assert.equal((await kong(`${command} -p nothing`)).err, failure(`nginx not running in prefix: ${prefix}`), command)
  }
  assert.equal((await kong('health -p nothing')).err, failure(`Kong is not running at ${prefix}`))
  const json = await kong('health -p nothing --json')
  assert.deepEqual([json.code, JSON.parse(json.out)], [1, { prefix, running: false, pid: null }])
})

test('kong hybrid gen_cert writes a certificate that Kong accepts, and never overwrites', async () => {
  const [cert, key] = [join(folder, 'c.crt'), join(folder, 'c.key')]
  const made = await kong('hybrid gen_cert c.crt c.key')
  const where = `they have been written to: '${cert}' and '${key}'.`
  assert.deepEqual(made, { code: 0, out: `Successfully generated certificate/key pairs, ${where}\n`, err: '' })
  assert.equal(statSync(cert).mode & 0o777, 0o644)
  assert.equal(statSync(key).mode & 0o777, 0o600)
  const certificate = new X509Certificate(readFileSync(cert))
  assert.equal(certificate.subject, 'CN=kong_clustering')
  assert.equal(certificate.issuer, 'CN=kong_clustering')
  assert.equal(certificate.subjectAltName, undefined)
  assert.equal(certificate.publicKey.asymmetricKeyDetails?.namedCurve, 'secp384r1')
  assert.ok(certificate.checkPrivateKey(createPrivateKey(readFileSync(key))))
  const days = (certificate.validToDate.getTime() - certificate.validFromDate.getTime()) / 86_400_000
  assert.equal(days, 1095)
  const again = await kong('hybrid gen_cert c.crt c.key')
  assert.deepEqual([again.code, again.err], [1, failure(`${cert} already exists.\nWill not overwrite it.`)])
  assert.equal((await kong('hybrid gen_cert one')).err, failure('both cert and key path needs to be provided'))
  await kong('hybrid gen_cert d.crt d.key -d 7')
  const short = new X509Certificate(readFileSync(join(folder, 'd.crt')))
  assert.equal((short.validToDate.getTime() - short.validFromDate.getTime()) / 86_400_000, 7)
})

test('kong config parses, imports and exports declarative files', async () => {
  assert.equal((await kong('config init first.yml')).code, 0)
  assert.equal((await kong('config parse first.yml')).out, 'parse successful\n')
  assert.match((await kong('config init first.yml')).err, /first\.yml already exists\.\nWill not overwrite it\./)
  writeFileSync(join(folder, 'bad.yml'), '_format_version: "3.0"\nservices:\n- name: a\n')
  assert.equal(
    (await kong('config parse bad.yml')).err,
    failure(
      "Failed parsing:\nin 'services':\n  - in entry 1 of 'services':\n    in 'host': required field missing\n\n" +
        'bad.yml:3:3: services[1].host: required field missing',
    ),
  )
  assert.match((await kong('config parse none.yml')).err, /none\.yml: No such file or directory/)
  writeFileSync(
    join(folder, 'kong.yml'),
    '_format_version: "3.0"\nservices:\n- name: up\n  url: http://127.0.0.1:9\n  routes:\n  - name: r\n    paths: ["/"]\n',
  )
  const imported = await kong('config db_import kong.yml')
  assert.deepEqual(imported, { code: 0, out: 'parse successful, beginning import\nimport successful\n', err: '' })
  assert.equal((await kong('config db-export out.yml')).code, 0)
  assert.match(readFileSync(join(folder, 'out.yml'), 'utf8'), /_format_version: ['"]3\.0['"](.|\n)*name: up/)
  assert.match((await kong('config db_export out.yml')).err, /out\.yml already exists\. Will not overwrite it\./)
  assert.match((await kong('config db_import out.yml')).out, /import successful/)
  const memory = await kong('config db_import kong.yml', { database: 'off', prefix: join(folder, 'other') })
  assert.match(memory.err, /^Error: 'kong config db_import' only works with a database\.\nWhen using database=off/)
})

test('kong migrations answers as Kong does for its database when the store is embedded', async () => {
  const settings = { prefix: join(folder, 'store') }
  assert.equal((await kong('migrations list', settings)).code, 3)
  assert.match(
    (await kong('migrations bootstrap', settings)).out,
    /^Bootstrapping database\.{3}\nmigrating core on store 'embedded'\.{3}\ncore migrated up to: 001_store \(executed\)\n(.*\n)+\d migrations processed\nDatabase is up-to-date\n$/,
  )
  assert.match(
    (await kong('migrations bootstrap --force', settings)).out,
    /0 migrations processed\nDatabase is up-to-date/,
  )
  assert.equal((await kong('migrations bootstrap', settings)).out, 'Database already bootstrapped\n')
  assert.equal((await kong('migrations up', settings)).out, 'Database is already up-to-date\n')
  assert.equal((await kong('migrations finish', settings)).out, 'No pending migrations to finish\n')
  assert.match((await kong('migrations list', settings)).out, /^Executed migrations:\n {2}core: 001_/)
  assert.deepEqual((await kong('migrations up -q', settings)).out, '')
  assert.match((await kong('migrations reset', settings)).err, /not a tty/)
  assert.equal((await kong('migrations reset --yes', settings)).code, 0)
  assert.equal((await kong('migrations reset --yes', settings)).code, 1)
})

test('kong vault get prints a secret by reference or short form, and says why there is none', async () => {
  const env = { MY_SECRET: '{"a":"b"}' }
  assert.deepEqual(await kong('vault get env/my-secret/a', {}, env), { code: 0, out: 'b\n', err: '' })
  assert.equal((await kong('vault get {vault://env/my-secret}', {}, env)).out, '{"a":"b"}\n')
  assert.match((await kong('vault get env/none')).err, /could not get value from external vault \(no value found\)/)
  assert.match((await kong('vault get hcv/none')).err, /could not find vault \(hcv\)/)
  const file = '_format_version: "3.0"\nvaults:\n- name: env\n  prefix: mine\n  config:\n    prefix: MY_\n'
  writeFileSync(join(folder, 'vaults.yml'), file)
  const declared = { database: 'off', declarative_config: join(folder, 'vaults.yml') }
  assert.equal((await kong('vault get mine/secret/a', declared, env)).out, 'b\n')
  await kong('config db_import vaults.yml')
  assert.equal((await kong('vault get {vault://mine/secret/a}', {}, env)).out, 'b\n')
  assert.match((await kong('vault get mine/none')).err, /could not get value from external vault/)
})

test('kong --vv prints the environment that counts and every setting, without secrets', async () => {
  const { out } = await kong('prepare --vv', { prefix: join(folder, 'verbose'), pg_password: 'hush' })
  assert.match(out, /\[verbose\] prefix in use: /)
  assert.match(out, /\[debug\] KONG_PG_PASSWORD ENV found with "\*{6}"/)
  assert.match(
    out,
    /\[debug\] admin_listen = \{"127\.0\.0\.1:8001 (.|\n)*\[debug\] pg_password = "\*{6}"(.|\n)*\[debug\] prefix = "/,
  )
  assert.doesNotMatch(out, /hush/)
})

test('kong prepare makes a prefix, with certificates only for listeners that use TLS', async () => {
  const prefix = join(folder, 'prepared')
  assert.equal((await kong('prepare -p prepared')).code, 0)
  const mode = (...path: string[]) => statSync(join(prefix, ...path)).mode & 0o777
  assert.equal(mode('.kong_env'), 0o600)
  for (const name of ['kong-default', 'kong-default-ecdsa', 'admin-kong-default']) {
    assert.equal(mode('ssl', `${name}.key`), 0o600)
    assert.ok(new X509Certificate(readFileSync(join(prefix, 'ssl', `${name}.crt`))).checkHost('localhost'))
  }
  assert.throws(() => statSync(join(prefix, 'ssl', 'status-kong-default.crt')))
  for (const name of ['error', 'access', 'admin_access'])
    assert.equal(statSync(join(prefix, 'logs', `${name}.log`)).size, 0)
  const rsa = readFileSync(join(prefix, 'ssl', 'kong-default.crt'), 'utf8')
  await kong('prepare -p prepared')
  assert.equal(readFileSync(join(prefix, 'ssl', 'kong-default.crt'), 'utf8'), rsa, 'kept when there already')
})

test('kong start fails with all reasons, and leaves nothing, when settings are wrong', async () => {
  const { code, err } = await kong('start -p never', { role: 'proxy', storage: 'embedded', pg_port: 'x' })
  assert.equal(code, 1)
  assert.match(err, /pg_port is not a number: 'x' \(environment variable KONG_PG_PORT\)/)
  assert.match(err, /only in-memory storage can be used when role = "data_plane"\nHint: set database = off/)
  assert.throws(() => statSync(join(folder, 'never')))
})

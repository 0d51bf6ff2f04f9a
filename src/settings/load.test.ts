/** Loading settings as a whole: precedence, aliases, references, defaults that depend, messages. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { properties, type Settings } from './definition.ts'
import { defaultValue, type LoadOptions, type LoadOutcome, loadSettings } from './load.ts'
import type { SettingsFiles } from './settings-files.ts'

function fakeFiles(contents: Readonly<Record<string, string>> = {}, writable = true): SettingsFiles {
  return {
    folder: '/folder',
    read(path) {
      const text = contents[path]
      if (text === undefined) throw new Error('ENOENT')
      return text
    },
    exists: path => contents[path] !== undefined || path === '/etc/hosts',
    isWritableFolder: () => writable,
  }
}

interface Given extends Partial<Omit<LoadOptions, 'files' | 'file'>> {
  readonly conf?: string
  readonly contents?: Readonly<Record<string, string>>
}

function load({ conf, contents = {}, ...options }: Given): LoadOutcome {
  const files = fakeFiles(conf === undefined ? contents : { ...contents, '/folder/kong.conf': conf })
  return loadSettings({
    searchedFiles: [],
    env: {},
    ...(conf === undefined ? {} : { file: 'kong.conf' }),
    ...options,
    files,
  })
}

function settingsOf(given: Given): Settings {
  const loaded = load(given)
  assert.ok(loaded.ok, loaded.ok ? '' : loaded.errors.join('\n'))
  return loaded.settings
}

function errorsOf(given: Given): readonly string[] {
  const loaded = load(given)
  assert.ok(!loaded.ok, 'expected errors')
  return loaded.errors
}

test('loadSettings() gives every property its default when nothing is set', () => {
  const settings = settingsOf({})
  for (const [name, property] of Object.entries(properties)) {
    const value = settings[name as keyof Settings]
    assert.notEqual(value, undefined, name)
    const isDerived = property.alias_of !== undefined || ['prefix', 'cluster_mtls', 'nginx_daemon'].includes(name)
    if (!isDerived) assert.deepEqual(value, defaultValue(name, property, fakeFiles()), name)
    if (property.default !== null && !isDerived) assert.notEqual(value, null, `${name}: its own default is wrong`)
  }
  assert.equal(settings.role, 'traditional')
  assert.equal(settings.storage, 'embedded')
  assert.equal(settings.cluster_mtls, 'enroll')
  assert.deepEqual(settings.cluster_control_plane, [{ host: '127.0.0.1', port: 8002 }])
  assert.deepEqual(
    settings.cluster_listen.map(({ host, port }) => `${host}:${port}`),
    ['0.0.0.0:8002'],
  )
  assert.deepEqual(settings.admin_gui_listen, [])
})

test('loadSettings() lets arguments win over environment over file over defaults', () => {
  const conf = 'log_level = info\npg_host = file\npg_user = file\n'
  const loaded = load({
    conf,
    env: { KONG_LOG_LEVEL: 'warn', KONG_PG_HOST: 'env', KONG_PREFIX: '/env' },
    overrides: { prefix: 'argument', log_level: undefined },
  })
  assert.ok(loaded.ok)
  const { settings, sources } = loaded
  assert.equal(settings.log_level, 'warn')
  assert.equal(settings.pg_host, 'env')
  assert.equal(settings.pg_user, 'file')
  assert.equal(settings.pg_database, 'kong')
  assert.equal(settings.prefix, '/folder/argument')
  assert.deepEqual(sources.get('pg_user'), { kind: 'file', path: 'kong.conf', line: 3 })
  assert.deepEqual(sources.get('pg_host'), { kind: 'environment', variable: 'KONG_PG_HOST' })
  assert.deepEqual(sources.get('prefix'), { kind: 'argument', name: '--prefix' })
  assert.equal(sources.has('pg_database'), false)
})

test('loadSettings() takes an empty value for none when a property is given one', () => {
  assert.equal(settingsOf({ conf: 'log_level =\n', env: { KONG_PG_HOST: '' } }).log_level, 'notice')
})

test('loadSettings() searches the usual places in order when no file is named', () => {
  const files = fakeFiles({ '/etc/kong.conf': 'log_level = crit' })
  const loaded = loadSettings({ env: {}, files })
  assert.ok(loaded.ok)
  assert.equal(loaded.settings.log_level, 'crit')
  assert.equal(loaded.file, '/etc/kong.conf')
  assert.deepEqual(loadSettings({ env: {}, files, file: 'none.conf' }), {
    ok: false,
    errors: ['no file at: none.conf'],
    warnings: [],
  })
})

test('loadSettings() takes the state folder of the user when the usual prefix cannot be written', () => {
  const prefixOf = (env: Record<string, string>) => {
    const loaded = loadSettings({ env, searchedFiles: [], files: fakeFiles({}, false) })
    assert.ok(loaded.ok)
    return loaded.settings.prefix
  }
  assert.equal(prefixOf({ XDG_STATE_HOME: '/state' }), '/state/silverback')
  assert.match(prefixOf({ XDG_STATE_HOME: 'relative' }), /\/\.local\/state\/silverback$/)
  assert.equal(settingsOf({}).prefix, '/usr/local/kong')
})

const NAMES: readonly [env: Record<string, string>, expected: Partial<Settings>][] = [
  [{ KONG_ROLE: 'admin' }, { role: 'admin', storage: 'embedded', status_listen: [] }],
  [
    { KONG_ROLE: 'control_plane', KONG_DATABASE: 'embedded' },
    { role: 'admin', storage: 'embedded' },
  ],
  [{ KONG_ROLE: 'proxy' }, { role: 'proxy', storage: 'memory' }],
  [
    { KONG_ROLE: 'proxy', KONG_STORAGE: 'memory' },
    { role: 'proxy', storage: 'memory', database: 'memory' },
  ],
  [
    { KONG_ROLE: 'data_plane', KONG_DATABASE: 'off' },
    { role: 'proxy', storage: 'memory' },
  ],
  [{ KONG_DATABASE: 'off', KONG_STORAGE: 'memory' }, { storage: 'memory' }],
  [{ KONG_NGINX_DAEMON: 'off' }, { foreground: true, nginx_daemon: false, nginx_main_daemon: false }],
  [{ KONG_NGINX_MAIN_DAEMON: 'off' }, { foreground: true }],
  [{ KONG_FOREGROUND: 'on' }, { foreground: true, nginx_daemon: false }],
  [{ KONG_NGINX_MAIN_WORKER_PROCESSES: '3' }, { nginx_worker_processes: 3 }],
  [{ KONG_NGINX_PROXY_REAL_IP_HEADER: 'X-Forwarded-For' }, { real_ip_header: 'X-Forwarded-For' }],
  [{ KONG_PG_PASSWORD: '12345' }, { pg_password: '12345' }],
  [{ KONG_NGINX_HTTP_CLIENT_MAX_BODY_SIZE: '8M' }, { nginx_http_client_max_body_size: 8 * 1024 * 1024 }],
  [{ KONG_SSL_SESSION_TIMEOUT: '2h' }, { ssl_session_timeout: 7200 }],
  [
    { KONG_PORT_MAPS: '80:8000, 443:8443' },
    {
      port_maps: [
        { external: 80, internal: 8000 },
        { external: 443, internal: 8443 },
      ],
    },
  ],
  [
    { KONG_CLUSTER_CONTROL_PLANE: 'a.example:8002, [::1]:9000,10.0.0.1:1' },
    {
      cluster_control_plane: [
        { host: 'a.example', port: 8002 },
        { host: '::1', port: 9000 },
        { host: '10.0.0.1', port: 1 },
      ],
    },
  ],
  [{ KONG_PROXY_LISTEN: 'off', KONG_ROLE: 'admin' }, { proxy_listen: [] }],
  [{ KONG_ADMIN_LISTEN: 'off', KONG_ROLE: 'proxy' }, { admin_listen: [] }],
]

for (const [env, expected] of NAMES) {
  const given = Object.entries(env).map(([name, value]) => `${name}=${value}`)
  test(`loadSettings() understands ${given.join(' ')}`, () => {
    const settings = settingsOf({ env })
    for (const [name, value] of Object.entries(expected))
      assert.deepEqual(settings[name as keyof Settings], value, name)
  })
}

test('loadSettings() lets the higher source decide when two names of a property differ, and refuses both in one', () => {
  assert.equal(settingsOf({ conf: 'database = off\n', env: { KONG_STORAGE: 'embedded' } }).storage, 'embedded')
  assert.deepEqual(errorsOf({ conf: 'database = off\nstorage = embedded\n' }), [
    'database (kong.conf:1) and storage (kong.conf:2) set the same property to different values',
  ])
})

test('loadSettings() collects all errors, each with place, value and what is accepted', () => {
  const conf = 'log_level = zz\ndatabase = mysql\nproxy_listen = nonsense\npg_ssl = maybe\n'
  const errors = errorsOf({ conf, env: { KONG_PG_PORT: 'abc', KONG_NGINX_WORKER_PROCESSES: '0' } })
  const expected = [
    "log_level has an invalid value: 'zz' (debug, info, notice, warn, error, crit, alert, emerg) (kong.conf:1)",
    "database has an invalid value: 'mysql' (embedded, memory, postgres, cassandra, off) (kong.conf:2)",
    "pg_port is not a number: 'abc' (environment variable KONG_PG_PORT)",
    "pg_ssl is not a boolean: 'maybe'; accepted: on, off, true, false (kong.conf:4)",
    "nginx_worker_processes has an invalid value: '0' (auto, or a number from 1) (environment variable KONG_NGINX_WORKER_PROCESSES)",
  ]
  for (const text of expected) assert.ok(errors.includes(text), `${text}\nnot in\n${errors.join('\n')}`)
  const listen = errors.find(text => text.startsWith('proxy_listen'))
  assert.match(
    listen!,
    /^proxy_listen must be of form: \[off\] \| <ip>:<port> \[ssl\] .*, \[\.\.\. next entry \.\.\.\], got 'nonsense' \(kong\.conf:3\)$/,
  )
  assert.equal(errors.length, expected.length + 1)
})

test('loadSettings() warns of unknown properties with the nearest name, and keeps the dynamic families', () => {
  const loaded = load({
    conf: 'proxy_lisen = 1.2.3.4:80\nsomething_else = 1\nnginx_http_foo = bar\nvault_env_prefix = X_\nbad-name = 1\n',
    env: { KONG_LOGLEVEL: 'debug', KONG_SERVICE_HOST: '10.0.0.1' },
  })
  assert.ok(loaded.ok)
  assert.deepEqual(loaded.warnings, [
    "unknown property 'proxy_lisen' in kong.conf:1 is ignored; did you mean 'proxy_listen'?",
    "unknown property 'something_else' in kong.conf:2 is ignored",
    "unknown property 'bad-name' in kong.conf:5 is ignored",
    'environment variable KONG_LOGLEVEL is ignored; did you mean KONG_LOG_LEVEL?',
  ])
  assert.deepEqual(loaded.settings.dynamic, { nginx_http_foo: 'bar', vault_env_prefix: 'X_' })
})

test('loadSettings() says when a setting has no effect or an old name, but not when it only switches something off', () => {
  const loaded = load({ env: { KONG_WASM: 'on', KONG_ANONYMOUS_REPORTS: 'off', KONG_PRIVILEGED_WORKER: 'off' } })
  assert.ok(loaded.ok)
  assert.deepEqual(loaded.warnings, [
    "the 'privileged_worker' configuration property is deprecated, use 'dedicated_config_processing' instead (environment variable KONG_PRIVILEGED_WORKER)",
    'wasm has no effect: WebAssembly filters are not supported (environment variable KONG_WASM)',
  ])
})

test('loadSettings() reads values out of files when a property is given with _FILE', () => {
  const contents = { '/run/secret': 'pass=word#1\n', '/folder/token': 'token' }
  const settings = settingsOf({
    contents,
    conf: 'cluster_join_token_file = token\n',
    env: { KONG_PG_PASSWORD_FILE: '/run/secret' },
  })
  assert.equal(settings.pg_password, 'pass=word#1')
  assert.equal(settings.cluster_join_token, 'token')
  assert.deepEqual(errorsOf({ env: { KONG_PG_PASSWORD_FILE: '/none' } }), [
    "pg_password_file: could not read '/none' (ENOENT), environment variable KONG_PG_PASSWORD_FILE",
  ])
  assert.match(
    errorsOf({ contents, env: { KONG_PG_PASSWORD: 'x', KONG_PG_PASSWORD_FILE: '/run/secret' } })[0]!,
    /set the same property/,
  )
})

test('loadSettings() resolves vault references in values and list items, and keeps them as given', () => {
  const loaded = load({
    conf: 'pg_password = {vault://env/db-secret/password}\nplugins = bundled,{vault://env/more}\nvault_env_prefix = my_\n',
    env: {
      MY_DB_SECRET: '{"password":"p"}',
      MY_MORE: 'key-auth',
      LEVEL: 'debug',
      KONG_LOG_LEVEL: '{vault://env/level?prefix=}',
    },
  })
  assert.ok(loaded.ok, JSON.stringify(loaded))
  assert.equal(loaded.settings.pg_password, 'p')
  assert.deepEqual(loaded.settings.plugins, ['bundled', 'key-auth'])
  assert.equal(loaded.settings.log_level, 'debug')
  assert.equal(loaded.texts.get('pg_password'), '{vault://env/db-secret/password}')
  assert.deepEqual(errorsOf({ env: { KONG_PG_USER: '{vault://env/none}', KONG_PLUGINS: 'a,{vault://hcv/x}' } }), [
    "failed to dereference '{vault://hcv/x}': could not find vault (hcv) for config option 'plugins[2]'",
    "failed to dereference '{vault://env/none}': could not get value from external vault (no value found) for config option 'pg_user'",
  ])
  assert.match(
    errorsOf({ env: { KONG_VAULTS: 'off', X: '1', KONG_PG_USER: '{vault://env/x}' } })[0]!,
    /could not find vault \(env\)/,
  )
})

test('loadSettings() names no secret in its messages', () => {
  const secret = 'topsecretvalue'
  const env = {
    KONG_ROLE: 'proxy',
    KONG_CLUSTER_CERT: secret,
    KONG_CLUSTER_CERT_KEY: secret,
    KONG_PROXY_SERVER: `ftp://user:${secret}@proxy`,
    KONG_SAVED_CONFIG_ENCRYPTION_KEY: secret,
  }
  const errors = errorsOf({ env })
  assert.ok(errors.length >= 3)
  for (const error of errors) assert.ok(!error.includes(secret), error)
})

test('loadSettings() puts given settings above those beneath', () => {
  const beneath = load({ env: { KONG_LOG_LEVEL: 'info', KONG_PG_HOST: 'below', KONG_DATABASE: 'off' } })
  assert.ok(beneath.ok)
  const settings = settingsOf({ beneath, env: { KONG_LOG_LEVEL: 'warn' } })
  assert.equal(settings.log_level, 'warn')
  assert.equal(settings.pg_host, 'below')
  assert.equal(settings.storage, 'memory')
})

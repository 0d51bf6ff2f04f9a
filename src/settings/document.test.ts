/** The document of all settings: complete, in Kong's forms, without secrets; and the file that later commands read. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { properties } from './definition.ts'
import { MASK, settingsDocument } from './document.ts'
import { responseHeaders, upstreamRequestId } from './header-tokens.ts'
import { type LoadedSettings, loadSettings } from './load.ts'
import { saveSettings } from './saved-settings.ts'
import type { SettingsFiles } from './settings-files.ts'
import { tlsProfile } from './tls-profile.ts'

const contents: Record<string, string> = { '/opt/node/a.yml': '', '/etc/hosts': '' }
const files: SettingsFiles = {
  folder: '/opt/node',
  read: path => contents[path]!,
  exists: path => contents[path] !== undefined,
  isWritableFolder: () => true,
}

function load(env: Readonly<Record<string, string>>): LoadedSettings {
  const loaded = loadSettings({ env, searchedFiles: [], files })
  assert.ok(loaded.ok, loaded.ok ? '' : loaded.errors.join('\n'))
  return loaded
}

test('settingsDocument() masks every sensitive property when it is set', () => {
  for (const [name, property] of Object.entries(properties)) {
    if (!property.sensitive || property.type !== 'string') continue
    const secret = name === 'proxy_server' ? 'http://user:long-enough-secret@proxy' : 'long-enough-secret'
    const needed = name === 'admin_token' ? { KONG_ADMIN_AUTH: 'on' } : {}
    const document = settingsDocument(load({ [`KONG_${name.toUpperCase()}`]: secret, ...needed }))
    assert.equal(document[name], MASK, name)
    assert.ok(!JSON.stringify(document).includes('long-enough-secret'), name)
  }
})

test('settingsDocument() prints values in the forms of Kong', () => {
  const document = settingsDocument(load({ KONG_ROLE: 'data_plane', KONG_PORT_MAPS: '80:8000', KONG_PREFIX: '/p' }))
  assert.equal(document['role'], 'data_plane')
  assert.equal(document['database'], 'off')
  assert.equal(document['storage'], 'memory')
  assert.equal(document['nginx_daemon'], 'on')
  assert.equal(document['anonymous_reports'], true)
  assert.equal(document['ssl_session_timeout'], '1d')
  assert.deepEqual(document['host_ports'], { 8000: 80 })
  assert.deepEqual(document['admin_gui_listen'], ['off'])
  assert.equal(document['nginx_pid'], '/p/pids/nginx.pid')
  assert.equal(document['proxy_ssl_enabled'], true)
  assert.deepEqual((document['proxy_listeners'] as object[])[1], {
    listener: '0.0.0.0:8443 ssl reuseport backlog=16384',
    ip: '0.0.0.0',
    port: 8443,
    ssl: true,
    http2: true,
    proxy_protocol: false,
    reuseport: true,
    'backlog=16384': true,
  })
  assert.equal(settingsDocument(load({ KONG_ROLE: 'admin' }))['role'], 'admin')
})

test('saveSettings() writes a file that loads to the same settings from any folder', () => {
  const env = {
    KONG_ROLE: 'traditional',
    KONG_DATABASE: 'off',
    KONG_PREFIX: 'p',
    KONG_DECLARATIVE_CONFIG: './a.yml',
    KONG_DECLARATIVE_CONFIG_STRING: '_format_version: "3.0"\nservices: [] # none',
    KONG_PG_PASSWORD: '{vault://env/pw}',
    KONG_REQUEST_DEBUG_TOKEN: 'a#b',
    KONG_VAULT_ENV_PREFIX: 'x_',
    X_PW: 'p#w',
  }
  const loaded = load(env)
  const { conf, attachments } = saveSettings(loaded, files)
  assert.ok(!conf.includes('p#w'), 'references stay references')
  const saved: Record<string, string> = { '/opt/node/p/.kong_env': conf }
  for (const [name, text] of attachments) saved[`/opt/node/p/${name}`] = text
  const again = loadSettings({
    file: '/opt/node/p/.kong_env',
    env: { X_PW: 'p#w', KONG_LOG_LEVEL: 'debug' },
    ignoresEnvironment: true,
    files: {
      ...files,
      folder: '/elsewhere',
      read: path => saved[path]!,
      exists: path => path in saved || path in contents,
    },
  })
  assert.ok(again.ok, JSON.stringify(again))
  assert.deepEqual(again.settings, { ...loaded.settings, declarative_config: '/opt/node/a.yml' })
  assert.equal(again.settings.pg_password, 'p#w')
})

test('responseHeaders() expands tokens, and off switches all off', () => {
  const usual = responseHeaders(['server_tokens', 'latency_tokens', 'X-Kong-Request-Id'])
  assert.deepEqual(Object.values(usual), [true, true, true, true, true, true, false, true])
  assert.ok(Object.values(responseHeaders(['off', 'via'])).every(on => !on))
  assert.deepEqual(responseHeaders(['VIA']), { ...responseHeaders([]), via: true })
  assert.ok(upstreamRequestId(['X-Kong-Request-Id']))
  assert.ok(!upstreamRequestId(['off']) && !upstreamRequestId([]))
})

test('tlsProfile() gives protocols and ciphers when a suite is named', () => {
  const of = (env: Readonly<Record<string, string>>) => tlsProfile(load(env).settings)
  assert.deepEqual(of({ KONG_SSL_CIPHER_SUITE: 'modern' }).minVersion, 'TLSv1.3')
  assert.deepEqual(of({}).minVersion, 'TLSv1.2')
  assert.ok(!of({}).ciphers!.includes('AES128-SHA:'))
  assert.ok(of({ KONG_SSL_CIPHER_SUITE: 'old' }).ciphers!.includes('AES128-SHA'))
  assert.equal(of({ KONG_SSL_CIPHER_SUITE: 'fips' }).maxVersion, 'TLSv1.2')
  const custom = of({ KONG_SSL_CIPHER_SUITE: 'custom', KONG_SSL_PROTOCOLS: 'TLSv1.2', KONG_SSL_CIPHERS: 'AES128-SHA' })
  assert.deepEqual([custom.minVersion, custom.maxVersion], ['TLSv1.2', 'TLSv1.2'])
  assert.ok(custom.ciphers!.endsWith(':AES128-SHA'))
})

test('another name of a property accepts what the property does, so that what is saved under it loads again', () => {
  for (const [name, property] of Object.entries(properties)) {
    if (property.alias_of === undefined) continue
    const { type, one_of, synonyms, between, integer, sensitive, path, subsystem } = property
    const target = properties[property.alias_of]!
    assert.deepEqual(
      { type, one_of, synonyms, between, integer, sensitive, path, subsystem },
      {
        type: target.type,
        one_of: target.one_of,
        synonyms: target.synonyms,
        between: target.between,
        integer: target.integer,
        sensitive: target.sensitive,
        path: target.path,
        subsystem: target.subsystem,
      },
      name,
    )
  }
})

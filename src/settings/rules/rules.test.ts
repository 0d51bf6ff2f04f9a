/** Rules across properties: each with what breaks it, and with what satisfies it. */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { revocationList } from '../../../test/kit/revocation-list.ts'
import { generateKey, selfSigned } from '../../base/certificates.ts'
import { loadSettings } from '../load.ts'
import { checkLabels } from './hybrid-rules.ts'
import { isIpOrCidr, proxyServerProblem } from './network-rules.ts'

let certificate = ''
let list = ''
let key = ''
let otherKey = ''

before(async () => {
  const [pair, other] = [await generateKey('P-256'), await generateKey('P-256')]
  const validity = { notBefore: new Date(0), notAfter: new Date(4e12) }
  certificate = selfSigned({ subject: { CN: 'kong_clustering' }, key: pair, ...validity })
  key = pair.privateKey
  list = revocationList({ authority: { certificate, privateKey: key }, revoked: [] })
  otherKey = other.privateKey
})

function load(env: Readonly<Record<string, string>>) {
  const files = {
    folder: '/folder',
    read: () => certificate,
    exists: (path: string) => ['/folder/cluster.crt', '/hosts'].includes(path),
    isWritableFolder: () => true,
  }
  const members = Object.entries(env).map(([name, value]) => [`KONG_${name.toUpperCase()}`, value])
  return loadSettings({ env: Object.fromEntries(members), searchedFiles: [], files })
}

/** `CERT`, `KEY`, `OTHER` and `LIST` stand for material that is made when the tests run. */
const material = (env: Readonly<Record<string, string>>) =>
  Object.fromEntries(
    Object.entries(env).map(([name, value]) => [
      name,
      value.replace(
        /CERT|KEY|OTHER|LIST/g,
        word => ({ LIST: list, CERT: certificate, KEY: key, OTHER: otherKey })[word]!,
      ),
    ]),
  )

const SHARED = { cluster_mtls: 'shared', cluster_cert: 'CERT', cluster_cert_key: 'KEY' }

const REFUSED: readonly [env: Readonly<Record<string, string>>, error: string][] = [
  [{ role: 'admin', cluster_mtls: 'shared' }, 'cluster certificate and key must be provided to use Hybrid mode'],
  [{ role: 'proxy', cluster_mtls: 'pki' }, 'cluster certificate and key must be provided to use Hybrid mode'],
  [{ role: 'proxy', cluster_cert: 'CERT' }, 'cluster certificate and key must be provided to use Hybrid mode'],
  [{ role: 'admin', ...SHARED, cluster_cert: 'no.crt' }, 'cluster_cert: failed loading certificate from no.crt'],
  [{ role: 'admin', ...SHARED, cluster_cert_key: 'no.key' }, 'cluster_cert_key: failed loading key from no.key'],
  [{ role: 'proxy', cluster_ca_cert: 'no.crt' }, 'cluster_ca_cert: failed loading certificate from no.crt'],
  [{ role: 'admin', ...SHARED, cluster_cert_key: 'OTHER' }, 'cluster_cert_key does not belong to cluster_cert'],
  [{ role: 'admin', admin_listen: 'off' }, 'admin_listen must be specified when role = "control_plane"'],
  [{ role: 'admin', cluster_listen: 'off' }, 'cluster_listen must be specified when role = "control_plane"'],
  [{ role: 'admin', ...SHARED, cluster_mtls: 'pki' }, 'cluster_ca_cert must be specified when cluster_mtls = "pki"'],
  [{ role: 'control_plane', database: 'off' }, 'in-memory storage can not be used when role = "control_plane"'],
  [{ role: 'admin', storage: 'memory' }, 'in-memory storage can not be used when role = "control_plane"'],
  [{ role: 'admin', cluster_use_proxy: 'on' }, 'cluster_use_proxy can not be used when role = "control_plane"'],
  [{ role: 'admin', cluster_dp_labels: 'a:b' }, 'cluster_dp_labels can not be used when role = "control_plane"'],
  [{ proxy_listen: '1.2.3.4:1 deferred' }, "proxy_listen: 'deferred' (1.2.3.4:1) is not supported"],
  [
    { role: 'admin', cluster_listen: '1.2.3.4:1 proxy_protocol' },
    "cluster_listen: 'proxy_protocol' (1.2.3.4:1) is not supported in cluster_listen",
  ],
  [{ stream_listen: '1.2.3.4:1 udp ssl' }, "stream_listen: 'ssl' cannot be combined with 'udp' (1.2.3.4:1)"],
  [{ stream_listen: '1.2.3.4:1 udp backlog=9' }, "stream_listen: 'backlog' cannot be combined with 'udp' (1.2.3.4:1)"],
  [{ stream_listen: '1.2.3.4:1, 1.2.3.4:1' }, 'stream_listen names 1.2.3.4:1 twice'],
  [{ role: 'proxy', proxy_listen: 'off' }, 'proxy_listen must be specified when role = "data_plane"'],
  [
    { role: 'data_plane', database: 'postgres' },
    'only in-memory storage can be used when role = "data_plane"\nHint: set database = off in your kong.conf',
  ],
  [
    { role: 'proxy', storage: 'embedded' },
    'only in-memory storage can be used when role = "data_plane"\nHint: set database = off in your kong.conf',
  ],
  [{ role: 'proxy', cluster_use_proxy: 'on' }, 'cluster_use_proxy is turned on but no proxy_server is configured'],
  [{ role: 'proxy', cluster_dp_labels: 'kongx:b' }, 'label key validation failed: kongx is invalid.'],
  [{ role: 'proxy', cluster_server_name: '1.2.3.4' }, "cluster_server_name is not a host name: '1.2.3.4'"],
  [{ cluster_dp_labels: 'a:b' }, 'cluster_dp_labels can only be used when role = "data_plane"'],
  [{ cluster_data_plane_purge_delay: '59' }, 'cluster_data_plane_purge_delay must be 60 or greater'],
  [{ cluster_max_payload: '4194303' }, 'cluster_max_payload must be 4194304 (4MB) or greater'],
  [{ cluster_mtls: 'pki_check_cn' }, "cluster_mtls has an invalid value: 'pki_check_cn' (enroll, shared, pki)"],
  [{ cluster_control_plane: 'nohost' }, 'cluster_control_plane must be of form: <host>:<port>'],
  [{ cluster_control_plane: 'a:0' }, 'cluster_control_plane must be of form: <host>:<port>'],
  [{ node_id: 'x' }, 'node_id must be a valid UUID'],
  [
    { storage: 'cassandra', cassandra_lb_policy: 'DCAwareRoundRobin' },
    "must specify 'cassandra_local_datacenter' when DCAwareRoundRobin policy is in use",
  ],
  [
    { storage: 'cassandra', cassandra_repl_strategy: 'NetworkTopologyStrategy', cassandra_data_centers: 'dc1:0' },
    "cassandra_data_centers: 'dc1:0' is not of the form 'name:replicas'",
  ],
  [{ pg_ssl_cert_key: 'KEY' }, 'pg_ssl_cert must be specified'],
  [{ headers: 'server_tokens,nope' }, "headers: invalid entry 'nope'"],
  [{ headers_upstream: 'x' }, "headers_upstream: invalid entry 'x'"],
  [
    { dns_resolver: 'dns.example' },
    "dns_resolver must be a comma separated list in the form of IPv4/6 or IPv4/6:port, got 'dns.example'",
  ],
  [{ dns_hostsfile: '/none' }, 'dns_hostsfile: file does not exist'],
  [{ dns_order: 'A,MX' }, "dns_order: invalid entry 'MX'"],
  [
    { trusted_ips: '10.0.0.0/33' },
    "trusted_ips must be a comma separated list in the form of IPv4 or IPv6 address or CIDR block or 'unix:', got '10.0.0.0/33'",
  ],
  [{ upstream_keepalive_pool_size: '-1' }, 'upstream_keepalive_pool_size must be 0 or greater'],
  [{ worker_state_update_frequency: '0' }, 'worker_state_update_frequency must be greater than 0'],
  [{ pg_pool_size: '1.5' }, 'pg_pool_size must be an integer greater than 0'],
  [
    { proxy_access_log: 'logs/a.log nope' },
    "proxy_access_log: unknown log format 'nope' (kong_log_format, combined, readable, json)",
  ],
  [
    { proxy_access_log: 'logs/a.log mine', nginx_http_log_format: "mine '$nope'" },
    "nginx_http_log_format: unknown variable '$nope'",
  ],
  [
    { nginx_http_large_client_header_buffers: '4' },
    'nginx_http_large_client_header_buffers must be a number and a size',
  ],
  [{ lua_max_uri_args: '1001' }, 'lua_max_uri_args must be an integer between 1 and 1000'],
  [{ port_maps: '80-8000' }, 'invalid port mapping (`port_maps`): 80-8000'],
  [{ port_maps: '80:99999' }, 'invalid port mapping (`port_maps`): 80:99999'],
  [{ ssl_cert: 'CERT' }, 'ssl_cert_key must be specified'],
  [{ admin_ssl_cert_key: 'KEY' }, 'admin_ssl_cert must be specified'],
  [{ ssl_cert: 'CERT', ssl_cert_key: 'OTHER' }, 'ssl_cert_key does not belong to ssl_cert'],
  [
    { lua_ssl_trusted_certificate: 'system,none.pem' },
    'lua_ssl_trusted_certificate: failed loading certificate from none.pem',
  ],
  [
    { nginx_stream_proxy_ssl_trusted_certificate: '../none.pem' },
    'nginx_sproxy_proxy_ssl_trusted_certificate: failed loading certificate from ../none.pem, in the prefix',
  ],
  [{ client_ssl_cert: 'CERT' }, 'client_ssl_cert_key must be specified'],
  [
    { admin_listen: '127.0.0.1:8000', proxy_listen: '127.0.0.1:8000' },
    'proxy_listen and admin_listen both use 127.0.0.1:8000',
  ],
  [{ admin_listen: '0.0.0.0:8002', role: 'admin' }, 'admin_listen and cluster_listen both use 0.0.0.0:8002'],
  [{ nginx_http_large_client_header_buffers: '8k' }, 'nginx_http_large_client_header_buffers is not <number> <size>'],
  [{ error_template_html: '/none' }, 'error_template_html: no such file at /none'],
  [{ admin_client_crl: 'LIST' }, 'admin_client_crl needs admin_client_ca'],
  [{ role: 'admin', cluster_crl: 'LIST' }, 'cluster_crl can only be used when cluster_mtls = "pki"'],
  [{ admin_client_crl: 'CERT' }, 'admin_client_crl: failed loading revocation list from the given text'],
  [{ role: 'admin', cluster_mtls: 'pki', cluster_ocsp: 'on' }, 'cluster_ocsp is not supported'],
  [{ admin_auth: 'on' }, 'admin_auth is on, but nobody could log in: set admin_token or admin_client_ca'],
  [{ admin_token: 'a'.repeat(16) }, 'admin_token is set, but admin_auth is off'],
  [{ admin_auth: 'on', admin_token: 'short' }, 'admin_token must have 16 to 256 printable ASCII characters'],
  [
    { admin_auth: 'on', admin_client_ca: 'CERT', admin_listen: '127.0.0.1:1' },
    "admin_client_ca needs an address with 'ssl' in admin_listen",
  ],
  [{ admin_gui_path: 'x/' }, "admin_gui_path must start with a slash ('/')"],
]

for (const [env, error] of REFUSED) {
  test(`loadSettings() refuses ${JSON.stringify(env)}`, () => {
    const loaded = load(material(env))
    assert.ok(!loaded.ok)
    assert.ok(
      loaded.errors.some(text => text.startsWith(error)),
      `${error}\nnot in\n${loaded.errors.join('\n')}`,
    )
  })
}

const ACCEPTED: readonly Readonly<Record<string, string>>[] = [
  { role: 'admin', ...SHARED },
  { role: 'proxy', ...SHARED, cluster_dp_labels: 'a:b,env:eu-1.x' },
  { role: 'proxy', ...SHARED, cluster_mtls: 'pki', cluster_server_name: 'cp.example' },
  { role: 'admin', ...SHARED, cluster_mtls: 'pki', cluster_ca_cert: 'cluster.crt' },
  { role: 'proxy', proxy_server: 'http://u:p@proxy:3128', cluster_use_proxy: 'on' },
  { role: 'admin', proxy_listen: '0.0.0.0:8002' },
  { role: 'proxy', admin_listen: '0.0.0.0:8000' },
  { storage: 'memory', declarative_config: 'kong.yml' },
  { trusted_ips: '0.0.0.0/0,::/0,unix:,10.1.2.3' },
  { dns_resolver: '10.0.0.1,10.0.0.2:5353,[::1]:53,fe80::1', dns_hostsfile: '/hosts', dns_order: 'last,aaaa' },
  { lua_ssl_trusted_certificate: 'system,cluster.crt' },
  { headers: 'off' },
  { headers: 'X-Kong-Upstream-Status,VIA' },
  { ssl_cert: 'CERT,cluster.crt', ssl_cert_key: 'KEY,KEY' },
  { proxy_listen: '127.0.0.1:0, 127.0.0.1:0 ssl' },
]

for (const env of ACCEPTED) {
  test(`loadSettings() accepts ${JSON.stringify(env)}`, () => {
    const loaded = load(material(env))
    assert.ok(loaded.ok, loaded.ok ? '' : loaded.errors.join('\n'))
  })
}

test('loadSettings() warns of an Admin API that other machines can reach', () => {
  const warningsOf = (admin_listen: string, more: Record<string, string> = {}) => {
    const loaded = load({ admin_listen, ...more })
    assert.ok(loaded.ok, loaded.ok ? '' : loaded.errors.join('\n'))
    return loaded.warnings.filter(text => text.includes('Admin API'))
  }
  const token = { admin_auth: 'on', admin_token: 'x'.repeat(16) }
  for (const listen of ['127.0.0.1:1', '[::1]:1', 'localhost:1', 'off'])
    assert.deepEqual(warningsOf(listen), [], listen)
  assert.deepEqual(warningsOf('0.0.0.0:1 ssl', token), [])
  assert.match(warningsOf('0.0.0.0:1')[0]!, /0\.0\.0\.0:1 can be reached .* asks nobody who they are.*add 'ssl'/)
  assert.match(warningsOf('10.1.2.3:1 ssl')[0]!, /10\.1\.2\.3:1 can be reached .* set admin_auth = on$/)
  assert.match(warningsOf('[::]:1', token)[0]!, /\[::\]:1 takes tokens without TLS/)
  assert.deepEqual(warningsOf('0.0.0.0:1', { role: 'proxy', cluster_control_plane: 'a:1', storage: 'memory' }), [])
})

test('loadSettings() takes certificates as path, PEM text or its base64', () => {
  for (const text of ['cluster.crt', certificate, Buffer.from(certificate).toString('base64')]) {
    const loaded = load({ role: 'admin', cluster_cert: text, cluster_cert_key: Buffer.from(key).toString('base64') })
    assert.ok(loaded.ok, loaded.ok ? '' : loaded.errors.join('\n'))
    assert.equal(loaded.settings.cluster_cert, certificate)
    assert.equal(loaded.settings.cluster_cert_key, key)
    assert.equal(loaded.settings.cluster_mtls, 'shared')
  }
})

test('checkLabels() follows the rules of Kong', () => {
  const many = Array.from({ length: 11 }, (_, i) => `k${i}:v`)
  const wrong: readonly (readonly string[])[] = [
    many,
    ['a'],
    [':b'],
    ['a:'],
    ['-a:b'],
    ['a:b-'],
    ['Kong:x'],
    ['mesh1:x'],
    [`${'a'.repeat(64)}:b`],
    ['a:b c'],
  ]
  for (const labels of wrong) assert.notEqual(checkLabels(labels), null, String(labels[0]))
  const right: readonly (readonly string[])[] = [[], ['a:b'], ['A1:b.c:d-e_f'], [`${'a'.repeat(63)}:${'b'.repeat(63)}`]]
  for (const labels of right) assert.equal(checkLabels(labels), null, String(labels[0]))
})

test('isIpOrCidr() knows addresses and blocks of both families', () => {
  for (const text of ['1.2.3.4', '::1', '10.0.0.0/8', '::/0', '2001:db8::/128']) assert.ok(isIpOrCidr(text), text)
  for (const text of ['', '1.2.3', '1.2.3.4/33', '::/129', '1.2.3.4/', 'a/8', '1.2.3.4/8/8', '::1%lo']) {
    assert.ok(!isIpOrCidr(text), text)
  }
})

test('proxyServerProblem() words each fault as Kong does', () => {
  const cases: readonly [string, string | null][] = [
    ['http://proxy:3128', null],
    ['https://user:pa%40ss@proxy', null],
    ['proxy:3128', 'proxy_server missing scheme'],
    ['ftp://x', 'proxy_server only supports "http" and "https", got ftp'],
    ['http://', 'proxy_server missing host'],
    ['http://a?b', 'fragments, query strings or parameters are meaningless in proxy configuration'],
    ['http://a#b', 'fragments, query strings or parameters are meaningless in proxy configuration'],
  ]
  for (const [text, problem] of cases) assert.equal(proxyServerProblem(text), problem, text)
})

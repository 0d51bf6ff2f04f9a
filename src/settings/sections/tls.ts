/** Certificates and TLS of the listeners, and of connections to upstreams. */
import {
  array,
  boolean,
  certificate,
  certificates,
  choice,
  duration,
  number,
  privateKey,
  privateKeys,
  section,
  string,
} from '../property.ts'

const nginxOnly = 'it configures nginx or Lua, which are not inside this gateway'
const noManager = 'there is no manager yet'
const opensslCommand = 'OpenSSL commands cannot be passed on'
const formats = 'path, PEM text, or base64 of PEM text'

export const tls = section(
  'TLS',
  'Certificates are given as path, PEM text, or base64 of PEM text. Without any, a node makes its own at first start.',
  {
    ssl_cipher_suite: choice(
      ['modern', 'intermediate', 'old', 'fips', 'custom'],
      'intermediate',
      "Protocols and ciphers by Mozilla's recommendations; `custom` takes `ssl_ciphers` and `ssl_protocols`.",
    ),
    ssl_ciphers: string(null, 'OpenSSL cipher list for `ssl_cipher_suite = custom`.'),
    ssl_protocols: string('TLSv1.2 TLSv1.3', 'Protocol versions for `ssl_cipher_suite = custom`, space-separated.'),
    ssl_prefer_server_ciphers: boolean('on', 'Prefer our order of ciphers, for `ssl_cipher_suite = custom`.'),
    ssl_dhparam: string(null, 'Diffie-Hellman parameters.', { without_effect: 'the runtime chooses its own' }),
    ssl_session_tickets: boolean(
      'on',
      'Let clients resume sessions with tickets: with any worker of a node, and after a reload. Their keys change every 12 hours; older ones open tickets for another day.',
    ),
    ssl_session_timeout: duration('1d', 'How long a session can be resumed.'),
    ssl_session_cache_size: string('10m', 'Memory for sessions.', { without_effect: 'sessions are resumed by ticket' }),
    ssl_cert: certificates(`Certificates of the proxy listeners, comma-separated: ${formats}.`),
    ssl_cert_key: privateKeys(`Private keys of \`ssl_cert\`, in the same order: ${formats}.`),
    client_ssl: boolean('off', 'Present a client certificate to upstreams that ask for one.'),
    client_ssl_cert: certificate(`Certificate for \`client_ssl\`: ${formats}.`),
    client_ssl_cert_key: privateKey(`Private key of \`client_ssl_cert\`: ${formats}.`),
    admin_ssl_cert: certificates(`Certificates of the Admin API: ${formats}.`),
    admin_ssl_cert_key: privateKeys(`Private keys of \`admin_ssl_cert\`: ${formats}.`),
    status_ssl_cert: certificates(`Certificates of the Status API: ${formats}.`),
    status_ssl_cert_key: privateKeys(`Private keys of \`status_ssl_cert\`: ${formats}.`),
    admin_gui_ssl_cert: certificates('Certificates of the manager.', { without_effect: noManager }),
    admin_gui_ssl_cert_key: privateKeys('Private keys of `admin_gui_ssl_cert`.', { without_effect: noManager }),
    lua_ssl_trusted_certificate: array(
      'system',
      'Certificate authorities that upstreams, databases and control planes are verified against: `system`, or paths, ' +
        'PEM texts or their base64.',
      { path: true },
    ),
    lua_ssl_verify_depth: number('1', 'Longest chain that is accepted when verifying.', {
      integer: true,
      between: [0, 100],
    }),
    nginx_proxy_proxy_ssl_verify: boolean(
      null,
      'Verify the certificates of HTTP upstreams, gRPC apart, where `tls_verify` of the service is not set.',
    ),
    nginx_proxy_proxy_ssl_trusted_certificate: string(
      null,
      'Certificate authorities of HTTP upstreams in place of `lua_ssl_trusted_certificate`: a path from the prefix on, as ' +
        'in nginx, PEM text or its base64.',
    ),
    nginx_proxy_proxy_ssl_verify_depth: number(
      null,
      'Authorities between a certificate and its root that are accepted where `tls_verify_depth` is not set: 1.',
      { integer: true, between: [0, 100] },
    ),
    nginx_http_proxy_ssl_verify: boolean(null, 'Another name of `nginx_proxy_proxy_ssl_verify`.', {
      alias_of: 'nginx_proxy_proxy_ssl_verify',
    }),
    nginx_http_proxy_ssl_trusted_certificate: string(
      null,
      'Another name of `nginx_proxy_proxy_ssl_trusted_certificate`.',
      { alias_of: 'nginx_proxy_proxy_ssl_trusted_certificate' },
    ),
    nginx_http_proxy_ssl_verify_depth: number(null, 'Another name of `nginx_proxy_proxy_ssl_verify_depth`.', {
      alias_of: 'nginx_proxy_proxy_ssl_verify_depth',
      integer: true,
      between: [0, 100],
    }),
    nginx_sproxy_proxy_ssl_verify: boolean(null, 'As `nginx_proxy_proxy_ssl_verify`, of upstreams of `stream_listen`.'),
    nginx_sproxy_proxy_ssl_trusted_certificate: string(
      null,
      'As `nginx_proxy_proxy_ssl_trusted_certificate`, of upstreams of `stream_listen`.',
    ),
    nginx_sproxy_proxy_ssl_verify_depth: number(
      null,
      'As `nginx_proxy_proxy_ssl_verify_depth`, of upstreams of `stream_listen`.',
      { integer: true, between: [0, 100] },
    ),
    nginx_stream_proxy_ssl_verify: boolean(null, 'Another name of `nginx_sproxy_proxy_ssl_verify`.', {
      alias_of: 'nginx_sproxy_proxy_ssl_verify',
    }),
    nginx_stream_proxy_ssl_trusted_certificate: string(
      null,
      'Another name of `nginx_sproxy_proxy_ssl_trusted_certificate`.',
      { alias_of: 'nginx_sproxy_proxy_ssl_trusted_certificate' },
    ),
    nginx_stream_proxy_ssl_verify_depth: number(null, 'Another name of `nginx_sproxy_proxy_ssl_verify_depth`.', {
      alias_of: 'nginx_sproxy_proxy_ssl_verify_depth',
      integer: true,
      between: [0, 100],
    }),
    lua_ssl_protocols: string('TLSv1.2 TLSv1.3', 'Protocol versions of connections that the node itself opens.', {
      without_effect: 'TLS 1.2 and 1.3 are used',
    }),
    nginx_http_ssl_protocols: string(null, 'Another name of `ssl_protocols`.', { alias_of: 'ssl_protocols' }),
    nginx_http_ssl_prefer_server_ciphers: boolean(null, 'Another name of `ssl_prefer_server_ciphers`.', {
      alias_of: 'ssl_prefer_server_ciphers',
    }),
    nginx_http_ssl_dhparam: string(null, 'Another name of `ssl_dhparam`.', { alias_of: 'ssl_dhparam' }),
    nginx_http_ssl_session_tickets: boolean(null, 'Another name of `ssl_session_tickets`.', {
      alias_of: 'ssl_session_tickets',
    }),
    nginx_http_ssl_session_timeout: duration(null, 'Another name of `ssl_session_timeout`.', {
      alias_of: 'ssl_session_timeout',
    }),
    nginx_http_ssl_conf_command: string(null, 'OpenSSL commands for listeners.', { without_effect: opensslCommand }),
    nginx_http_proxy_ssl_conf_command: string(null, 'OpenSSL commands for upstreams.', {
      without_effect: opensslCommand,
    }),
    nginx_http_lua_ssl_conf_command: string(null, 'OpenSSL commands for own connections.', {
      without_effect: opensslCommand,
    }),
    nginx_http_grpc_ssl_conf_command: string(null, 'OpenSSL commands for gRPC upstreams.', {
      without_effect: opensslCommand,
    }),
    nginx_stream_ssl_conf_command: string(null, 'OpenSSL commands for TCP.', { without_effect: opensslCommand }),
    nginx_stream_proxy_ssl_conf_command: string(null, 'OpenSSL commands for TCP upstreams.', {
      without_effect: opensslCommand,
    }),
    nginx_stream_lua_ssl_conf_command: string(null, 'OpenSSL commands for TCP.', { without_effect: opensslCommand }),
    nginx_stream_ssl_protocols: string(null, 'Protocol versions of TCP listeners.', { without_effect: nginxOnly }),
    nginx_stream_ssl_prefer_server_ciphers: boolean(null, 'Order of ciphers of TCP listeners.', {
      without_effect: nginxOnly,
    }),
    nginx_stream_ssl_dhparam: string(null, 'Diffie-Hellman parameters of TCP listeners.', {
      without_effect: nginxOnly,
    }),
    nginx_stream_ssl_session_tickets: boolean(null, 'Session tickets of TCP listeners.', { without_effect: nginxOnly }),
    nginx_stream_ssl_session_timeout: duration(null, 'Session life of TCP listeners.', { without_effect: nginxOnly }),
  },
)

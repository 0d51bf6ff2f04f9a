/** Addresses on which a node accepts connections, and its processes. */
import { array, boolean, choice, count, duration, listen, number, section, size, string } from '../property.ts'

const nginxOnly = 'it configures nginx or Lua, which are not inside this gateway'

export const listeners = section(
  'Listeners and processes',
  'A listener is `<ip>:<port>` with flags such as `ssl`, `http2`, `proxy_protocol`, `reuseport` and `backlog=N`; several ' +
    'are separated by commas, and `off` opens none.',
  {
    proxy_listen: listen(
      '0.0.0.0:8000 reuseport backlog=16384, 0.0.0.0:8443 http2 ssl reuseport backlog=16384',
      'Addresses for traffic to proxy. Not opened with `role = admin`.',
    ),
    stream_listen: listen(
      'off',
      'Addresses for TCP, TLS (`ssl`) and UDP (`udp`) traffic to proxy by routes with the protocols `tcp`, `tls`, ' +
        '`tls_passthrough` and `udp`. Not opened with `role = admin`.',
      { subsystem: 'stream' },
    ),
    admin_listen: listen(
      '127.0.0.1:8001 reuseport backlog=16384, 127.0.0.1:8444 http2 ssl reuseport backlog=16384',
      'Addresses of the Admin API. It changes everything: keep it private, or set `admin_auth`. Not opened with ' +
        '`role = proxy`. `unix:/path` is a socket, for this user and group only.',
      { sockets: true },
    ),
    status_listen: listen(
      '127.0.0.1:8007 reuseport backlog=16384',
      'Addresses of the Status API: health, readiness, metrics; read-only. With `role = admin` it is only opened when ' +
        'this is set. `unix:/path` is a socket.',
      { sockets: true },
    ),
    admin_gui_listen: listen('off', 'Addresses of the manager. (Kong: 0.0.0.0:8002, which is the cluster port here.)', {
      without_effect: 'there is no manager yet',
    }),
    nginx_worker_processes: count('auto', 'Number of proxying processes; `auto` is one per processor core.'),
    nginx_main_worker_processes: count('auto', 'Another name of `nginx_worker_processes`.', {
      alias_of: 'nginx_worker_processes',
    }),
    nginx_daemon: boolean('on', '`off`: stay in the foreground and log to the output, as a container wants.'),
    nginx_main_daemon: boolean(null, 'Another name of `nginx_daemon`.', { alias_of: 'nginx_daemon' }),
    nginx_user: string('kong kong', 'User and group of the worker processes.', {
      without_effect: 'all processes run as the user who starts the node',
    }),
    nginx_main_user: string(null, 'Another name of `nginx_user`.', { alias_of: 'nginx_user' }),
    nginx_main_worker_rlimit_nofile: string('auto', 'Limit of open files per worker.', {
      without_effect: 'the limit of the starting shell or service manager counts',
    }),
    nginx_events_worker_connections: count(
      'auto',
      'Client connections per worker. Beyond it a connection without a request is closed for a new one, or else the new one. ' +
        '`auto` follows the limit of open files.',
    ),
    nginx_events_multi_accept: boolean('on', 'Accept several connections at once.', { without_effect: nginxOnly }),
    nginx_http_charset: string(
      'UTF-8',
      'Character set added to the types of proxied text that name none; `off` adds none.',
    ),
    nginx_http_client_max_body_size: size('0', 'Largest request body that is proxied, in bytes; 0 is no limit.'),
    nginx_http_client_body_buffer_size: size('8k', 'Another name of `client_body_buffer_size`.', {
      alias_of: 'client_body_buffer_size',
    }),
    client_body_buffer_size: size(
      '8k',
      'Part of a request body that is held in memory while it is gathered for a route with `request_buffering`; at least ' +
        '64 KiB. The rest is gathered in `<prefix>/client_body_temp`.',
    ),
    nginx_http_client_header_buffer_size: size('1k', 'First buffer for a request head.', { without_effect: nginxOnly }),
    nginx_http_large_client_header_buffers: string(
      '4 8k',
      'Number and size of buffers for a request head: no line may be larger than one, no head larger than all of them.',
    ),
    nginx_http_keepalive_requests: number('10000', 'Requests on one client connection before it is closed.', {
      integer: true,
      between: [1, 1_000_000_000],
    }),
    nginx_http_keepalive_timeout: duration('75s', 'How long an idle client connection is kept open; 0 keeps none.'),
    nginx_http_client_header_timeout: duration('60s', 'How long a client may take to send a request head.'),
    nginx_http_client_body_timeout: duration('60s', 'Longest pause between two pieces of a request body.'),
    nginx_http_send_timeout: duration('60s', 'Longest pause between two pieces of an answer that a client takes.'),
    nginx_proxy_client_max_body_size: size(null, 'Another name of `nginx_http_client_max_body_size`.', {
      alias_of: 'nginx_http_client_max_body_size',
    }),
    nginx_proxy_client_body_buffer_size: size(null, 'Another name of `client_body_buffer_size`.', {
      alias_of: 'client_body_buffer_size',
    }),
    nginx_proxy_large_client_header_buffers: string(null, 'Another name of `nginx_http_large_client_header_buffers`.', {
      alias_of: 'nginx_http_large_client_header_buffers',
    }),
    nginx_proxy_keepalive_requests: number(null, 'Another name of `nginx_http_keepalive_requests`.', {
      alias_of: 'nginx_http_keepalive_requests',
      integer: true,
      between: [1, 1_000_000_000],
    }),
    nginx_proxy_keepalive_timeout: duration(null, 'Another name of `nginx_http_keepalive_timeout`.', {
      alias_of: 'nginx_http_keepalive_timeout',
    }),
    nginx_proxy_client_header_timeout: duration(null, 'Another name of `nginx_http_client_header_timeout`.', {
      alias_of: 'nginx_http_client_header_timeout',
    }),
    nginx_proxy_client_body_timeout: duration(null, 'Another name of `nginx_http_client_body_timeout`.', {
      alias_of: 'nginx_http_client_body_timeout',
    }),
    nginx_proxy_send_timeout: duration(null, 'Another name of `nginx_http_send_timeout`.', {
      alias_of: 'nginx_http_send_timeout',
    }),
    nginx_http_lua_regex_match_limit: number('100000', 'Effort limit of a regular expression in Lua.', {
      without_effect: nginxOnly,
    }),
    nginx_http_lua_regex_cache_max_entries: number('8192', 'Cached regular expressions in Lua.', {
      without_effect: nginxOnly,
    }),
    nginx_admin_client_max_body_size: size('10m', 'Largest body that the Admin API accepts.'),
    nginx_admin_client_body_buffer_size: size('10m', 'Part of an Admin API body kept in memory by nginx.', {
      without_effect: nginxOnly,
    }),
    mem_cache_size: string('128m', 'Size of each of the caches for database rows.', {
      without_effect: 'the proxy works on compiled configuration and needs no such cache',
    }),
    worker_events_max_payload: number('65535', 'Largest event between worker processes.', {
      without_effect: 'workers exchange messages of any size',
    }),
    headers: array(
      'server_tokens, latency_tokens, X-Kong-Request-Id',
      'Headers added to answers: `server_tokens`, `latency_tokens`, single ones such as `X-Kong-Upstream-Status`, or ' +
        '`off`.',
    ),
    headers_upstream: array('X-Kong-Request-Id', 'Headers added to proxied requests: `X-Kong-Request-Id` or `off`.'),
    trusted_ips: array(
      null,
      'Addresses, CIDR blocks or `unix:` whose forwarded headers are believed; `0.0.0.0/0,::/0` believes everybody.',
    ),
    real_ip_header: string(
      'X-Real-IP',
      'Header that carries the address of the client behind a trusted proxy; `proxy_protocol` takes it from the PROXY header.',
    ),
    nginx_proxy_real_ip_header: string(null, 'Another name of `real_ip_header`.', { alias_of: 'real_ip_header' }),
    real_ip_recursive: boolean('off', 'Skip trusted addresses from the end of `real_ip_header`.'),
    nginx_proxy_real_ip_recursive: boolean(null, 'Another name of `real_ip_recursive`.', {
      alias_of: 'real_ip_recursive',
    }),
    error_default_type: choice(
      ['application/json', 'application/xml', 'text/html', 'text/plain'],
      'text/plain',
      'Form of error answers to clients that do not say what they accept.',
    ),
    upstream_keepalive_pool_size: number(
      '512',
      'Idle connections kept per upstream address in each worker; 0 keeps none.',
    ),
    upstream_keepalive_max_requests: number('10000', 'Requests on one upstream connection; 0 is no limit.'),
    upstream_keepalive_idle_timeout: number('60', 'Seconds an idle upstream connection is kept; 0 is no limit.'),
    allow_debug_header: boolean(
      'off',
      'Answer `Kong-Debug: 1` with headers that name the route, service and upstream chosen.',
    ),
    lua_max_req_headers: number('100', 'Request headers that plugins get to see.'),
    lua_max_resp_headers: number('100', 'Response headers that plugins get to see.'),
    lua_max_uri_args: number('100', 'Query arguments that plugins get to see.'),
    lua_max_post_args: number('100', 'Form arguments that plugins get to see.'),
    router_flavor: choice(
      ['traditional', 'traditional_compatible', 'expressions'],
      'traditional_compatible',
      'How routes are matched, and what a route may hold; see docs/routing.md.',
    ),
    worker_consistency: choice(['strict', 'eventual'], 'eventual', 'Whether workers follow changes at once or soon.', {
      without_effect: 'a change is compiled off the request path and swapped in by all workers together',
    }),
    router_consistency: choice(['strict', 'eventual'], null, 'Old name of `worker_consistency`.', {
      alias_of: 'worker_consistency',
      deprecated: true,
    }),
    worker_state_update_frequency: number('5', 'Seconds between looks for changes.', {
      without_effect: 'changes are pushed',
    }),
  },
)

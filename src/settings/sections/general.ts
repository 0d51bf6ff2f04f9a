/** General properties of a node: where it keeps its files, what it logs, what it loads. */
import { LOG_LEVELS } from '../../base/logger.ts'
import { array, boolean, choice, number, portMaps, section, string } from '../property.ts'

const nginxOnly = 'it configures nginx or Lua, which are not inside this gateway'

export const general = section('General', 'Where the node keeps its files, what it logs and what it loads.', {
  prefix: string(
    '/usr/local/kong',
    'Working folder of the node: process id, logs, certificates, embedded store, saved configuration. When it is not ' +
      'set and `/usr/local/kong` cannot be written, `$XDG_STATE_HOME/silverback` or `~/.local/state/silverback` is used.',
  ),
  log_level: choice(LOG_LEVELS, 'notice', 'Least severe level that is written to the error logs.'),
  proxy_access_log: string(
    'logs/access.log',
    'File for one line per proxied request, relative to the prefix, optionally followed by the name of a log format: ' +
      "`kong_log_format` (the default), `combined`, `json`, `readable`, or the one that `nginx_http_log_format = name 'text'` " +
      'defines with the variables of nginx; `off` writes none.',
  ),
  proxy_error_log: string('logs/error.log', 'File for the log of the node itself, relative to the prefix.'),
  proxy_stream_access_log: string(
    'logs/access.log basic',
    'File for one line per TCP or UDP session: address, time, transport, status, bytes to and from the client, seconds.',
  ),
  proxy_stream_error_log: string('logs/error.log', 'File for the log of TCP and UDP proxying.'),
  admin_access_log: string(
    'logs/admin_access.log',
    'File for one line per request to the Admin API and per connection of a data plane; `off` writes none.',
  ),
  admin_error_log: string('logs/error.log', 'File for errors of the Admin API.', {
    without_effect: 'a node writes one error log, see proxy_error_log',
  }),
  status_access_log: string('off', 'File for one line per request to the Status API; `off` writes none.'),
  status_error_log: string('logs/status_error.log', 'File for errors of the Status API.', {
    without_effect: 'a node writes one error log, see proxy_error_log',
  }),
  admin_gui_access_log: string('logs/admin_gui_access.log', 'Access log of the manager.', {
    without_effect: 'there is no manager yet',
  }),
  admin_gui_error_log: string('logs/admin_gui_error.log', 'Error log of the manager.', {
    without_effect: 'there is no manager yet',
  }),
  vaults: array('bundled', 'Secret vaults to enable: `bundled`, names, or `off`.'),
  plugins: array(
    'bundled',
    'Plugins that may be configured: names, `bundled` for all that come with the gateway, `off` for none.',
  ),
  port_maps: portMaps(
    'Ports seen by clients in front of a port mapping, as `external:internal` pairs; they end up in forwarded headers.',
  ),
  anonymous_reports: boolean('on', 'Kong sends usage reports to its vendor when this is on.', {
    without_effect: 'this gateway never reports to anybody',
  }),
  proxy_server: string(null, 'HTTP proxy for outgoing cluster connections: `http(s)://[user:password@]host[:port]`.', {
    sensitive: true,
  }),
  proxy_server_ssl_verify: boolean('on', 'Verify the certificate of an https `proxy_server`.'),
  error_template_html: string(null, 'File with the template of HTML error pages; `%s` is message, then request id.', {
    path: true,
  }),
  error_template_json: string(null, 'File with the template of JSON errors.', { path: true }),
  error_template_xml: string(null, 'File with the template of XML errors.', { path: true }),
  error_template_plain: string(null, 'File with the template of plain text errors.', { path: true }),
  node_id: string(
    null,
    'Id of this node, a UUID. When unset the node makes one at first start and keeps it in `<prefix>/kong.id`.',
  ),
  foreground: boolean(
    'off',
    'Stay attached to the terminal or container and log to its output; the same as `nginx_daemon = off`.',
  ),
  kic: boolean('off', 'Set by an ingress controller that runs the node.'),
  pluginserver_names: array(null, 'Names of external plugin servers.', {
    without_effect: 'external plugin servers are not supported',
  }),
  dedicated_config_processing: boolean('on', 'Receive configuration in a process of its own.', {
    without_effect: 'configuration is always received once per node, outside the worker processes',
  }),
  privileged_worker: boolean(null, 'Old name of `dedicated_config_processing`.', {
    alias_of: 'dedicated_config_processing',
    deprecated: true,
  }),
  openresty_path: string(null, 'Folder of OpenResty.', { without_effect: nginxOnly }),
  wasm: boolean('off', 'Run WebAssembly filters.', { without_effect: 'WebAssembly filters are not supported' }),
  wasm_filters_path: string(null, 'Folder of WebAssembly filters.', {
    without_effect: 'WebAssembly filters are not supported',
  }),
  wasm_dynamic_module: string(null, 'nginx module for WebAssembly.', { without_effect: nginxOnly }),
  wasm_filters: array('bundled,user', 'WebAssembly filters to enable.', {
    without_effect: 'WebAssembly filters are not supported',
  }),
  request_debug: boolean('on', 'Timing of single requests, on demand.', {
    without_effect: 'debugging of single requests is not supported yet',
  }),
  request_debug_token: string(null, 'Token that allows debugging of single requests from other machines.', {
    sensitive: true,
    without_effect: 'debugging of single requests is not supported yet',
  }),
  tracing_instrumentations: array('off', 'Kinds of spans that are recorded.', {
    without_effect: 'tracing is not supported yet',
  }),
  tracing_sampling_rate: number('0.01', 'Share of requests that are traced, from 0 to 1.', {
    without_effect: 'tracing is not supported yet',
  }),
  opentelemetry_tracing: array(null, 'Old name of `tracing_instrumentations`.', {
    alias_of: 'tracing_instrumentations',
    deprecated: true,
  }),
  opentelemetry_tracing_sampling_rate: number(null, 'Old name of `tracing_sampling_rate`.', {
    alias_of: 'tracing_sampling_rate',
    deprecated: true,
  }),
})

/** Where configuration is stored, how it is cached, and how names are resolved. */
import { array, boolean, certificate, choice, number, privateKey, section, string } from '../property.ts'

const cached = 'rows are not cached with a time limit; changes invalidate them'

const postgres = {
  pg_host: string('127.0.0.1', 'Host of PostgreSQL.'),
  pg_port: number('5432', 'Port of PostgreSQL.', { integer: true, between: [1, 65535] }),
  pg_timeout: number('5000', 'Milliseconds for connecting, sending and reading.'),
  pg_user: string('kong', 'User of PostgreSQL.'),
  pg_password: string(null, 'Password of `pg_user`.', { sensitive: true }),
  pg_database: string('kong', 'Database of PostgreSQL.'),
  pg_schema: string(null, 'Schema of PostgreSQL; default: its own search path.'),
  pg_ssl: boolean('off', 'Connect to PostgreSQL over TLS.'),
  pg_ssl_verify: boolean('off', 'Verify the certificate of PostgreSQL.'),
  pg_ssl_required: boolean('off', 'With `pg_ssl`: fail when PostgreSQL offers no TLS, instead of going on without.'),
  pg_ssl_version: choice(['tlsv1_2', 'tlsv1_3', 'any'], 'tlsv1_2', 'Oldest TLS version accepted of PostgreSQL.'),
  pg_ssl_cert: certificate('Client certificate for PostgreSQL: path, PEM text or base64.'),
  pg_ssl_cert_key: privateKey('Private key of `pg_ssl_cert`: path, PEM text or base64.'),
  pg_max_concurrent_queries: number('0', 'Concurrent queries per process; 0 is no limit.'),
  pg_semaphore_timeout: number('60000', 'Milliseconds to wait for a turn when queries are limited.'),
  pg_keepalive_timeout: number(null, 'Milliseconds an idle connection is kept.'),
  pg_pool_size: number(null, 'Connections kept per process.'),
  pg_backlog: number(null, 'Connections that may wait when the pool is full.'),
  pg_ro_host: string(null, 'Host of a read-only replica.'),
  pg_ro_port: number(null, 'Port of the replica.', { integer: true, between: [1, 65535] }),
  pg_ro_timeout: number(null, 'Milliseconds for connecting, sending and reading on the replica.'),
  pg_ro_user: string(null, 'User of the replica.'),
  pg_ro_password: string(null, 'Password of `pg_ro_user`.', { sensitive: true }),
  pg_ro_database: string(null, 'Database of the replica.'),
  pg_ro_schema: string(null, 'Schema of the replica.'),
  pg_ro_ssl: boolean(null, 'Connect to the replica over TLS.'),
  pg_ro_ssl_verify: boolean(null, 'Verify the certificate of the replica.'),
  pg_ro_max_concurrent_queries: number(null, 'Concurrent queries on the replica; 0 is no limit.'),
  pg_ro_semaphore_timeout: number(null, 'Milliseconds to wait for a turn on the replica.'),
  pg_ro_keepalive_timeout: number(null, 'Milliseconds an idle connection to the replica is kept.'),
  pg_ro_pool_size: number(null, 'Connections to the replica kept per process.'),
  pg_ro_backlog: number(null, 'Connections to the replica that may wait when the pool is full.'),
  _debug_pg_ttl_cleanup_interval: number('300', 'Seconds between removals of expired rows.', {
    without_effect: 'expired rows are removed every minute',
  }),
}

const CONSISTENCIES = [
  'ANY',
  'ONE',
  'TWO',
  'THREE',
  'QUORUM',
  'ALL',
  'LOCAL_QUORUM',
  'EACH_QUORUM',
  'LOCAL_ONE',
] as const

const cassandra = {
  cassandra_contact_points: array('127.0.0.1', 'Hosts of a Cassandra cluster, without ports.'),
  cassandra_port: number('9042', 'Port of all Cassandra hosts.', { integer: true, between: [1, 65535] }),
  cassandra_keyspace: string('kong', 'Keyspace of Cassandra.'),
  cassandra_timeout: number('5000', 'Milliseconds for connecting and reading.'),
  cassandra_ssl: boolean('off', 'Connect to Cassandra over TLS.'),
  cassandra_ssl_verify: boolean('off', 'Verify the certificates of Cassandra.'),
  cassandra_username: string('kong', 'User of Cassandra.'),
  cassandra_password: string(null, 'Password of `cassandra_username`.', { sensitive: true }),
  cassandra_write_consistency: choice(CONSISTENCIES, 'ONE', 'Consistency of writes.'),
  cassandra_read_consistency: choice(CONSISTENCIES, 'ONE', 'Consistency of reads.'),
  cassandra_lb_policy: choice(
    ['RoundRobin', 'RequestRoundRobin', 'DCAwareRoundRobin', 'RequestDCAwareRoundRobin'],
    'RequestRoundRobin',
    'How queries are spread over the Cassandra hosts.',
  ),
  cassandra_local_datacenter: string(null, 'Data centre of this node, for the policies that know data centres.'),
  cassandra_refresh_frequency: number('60', 'Seconds between looks at the topology of the cluster; 0 is never.'),
  cassandra_repl_strategy: choice(
    ['SimpleStrategy', 'NetworkTopologyStrategy'],
    'SimpleStrategy',
    'Replication strategy with which the keyspace is made.',
  ),
  cassandra_repl_factor: number('1', 'Replicas with `SimpleStrategy`.', { integer: true, between: [1, 1000] }),
  cassandra_data_centers: array('dc1:2,dc2:3', 'Replicas per data centre with `NetworkTopologyStrategy`.'),
  cassandra_schema_consensus_timeout: number('10000', 'Milliseconds to wait for all hosts to agree on the tables.'),
}

export const datastore = section(
  'Datastore',
  'Where the configuration lives. A control plane and a traditional node need a store; a data plane has its copy.',
  {
    storage: choice(
      ['embedded', 'memory', 'postgres', 'cassandra'],
      'embedded',
      'Store of the configuration. `embedded` is a file in the prefix and needs nothing else; `memory` has none ' +
        '(data planes, and DB-less nodes with `declarative_config`). A data plane takes `memory` by itself.',
      { synonyms: { off: 'memory' } },
    ),
    database: choice(
      ['embedded', 'memory', 'postgres', 'cassandra'],
      null,
      "Kong's name of `storage`; `off` means `memory`.",
      { synonyms: { off: 'memory' }, alias_of: 'storage' },
    ),
    embedded_path: string('silverback.db', 'File of the embedded store, relative to the prefix.'),
    ...postgres,
    ...cassandra,
    declarative_config: string(
      null,
      'File with the whole configuration, for `storage = memory` with `role = traditional`; YAML or JSON. A data plane ' +
        'does not read it: it starts from its saved configuration.',
      { path: true },
    ),
    declarative_config_string: string(null, 'The same as text instead of a file.', { sensitive: true }),
    db_update_frequency: number('5', 'Seconds between looks for changes that other nodes made to a shared store.'),
    db_update_propagation: number('0', 'Seconds that a change takes to reach all hosts of a store.'),
    db_cache_ttl: number('0', 'Seconds that a row stays cached; 0 is for ever.', { without_effect: cached }),
    db_cache_neg_ttl: number(null, 'Seconds that the absence of a row stays cached.', { without_effect: cached }),
    db_resurrect_ttl: number('30', 'Seconds that a stale row is used while the store is away.', {
      without_effect: cached,
    }),
    db_cache_warmup_entities: array('services', 'Entities to load into the cache at start.', {
      without_effect: 'all configuration is compiled at start',
    }),
  },
)

export const names = section('Name resolution', 'How names of upstreams are turned into addresses.', {
  dns_resolver: array(null, 'Name servers, `ip[:port]`; default: those of `/etc/resolv.conf`.'),
  dns_hostsfile: string('/etc/hosts', 'File of fixed names.', { path: true }),
  dns_order: array('LAST,SRV,A,CNAME', 'Order in which record types are asked for.'),
  dns_valid_ttl: number(null, 'Seconds an answer is kept, instead of what it says itself.'),
  dns_stale_ttl: number('3600', 'Seconds that an outdated answer may be used while a new one is fetched.'),
  dns_cache_size: number('10000', 'Answers kept.'),
  dns_not_found_ttl: number('30', 'Seconds that the absence of a name is kept.'),
  dns_error_ttl: number('1', 'Seconds that a failure is kept.'),
  dns_no_sync: boolean('off', 'Ask once per request instead of sharing the answers in flight.'),
  new_dns_client: boolean('off', 'Use the `resolver_*` properties instead of the `dns_*` ones.'),
  resolver_address: array(null, 'Name servers, `ip[:port]`, with `new_dns_client = on`.'),
  resolver_hosts_file: string('/etc/hosts', 'File of fixed names, with `new_dns_client = on`.', { path: true }),
  resolver_family: array('A,SRV', 'Record types to ask for, with `new_dns_client = on`.'),
  resolver_valid_ttl: number(null, 'Seconds an answer is kept, with `new_dns_client = on`.'),
  resolver_stale_ttl: number('3600', 'Seconds an outdated answer may be used, with `new_dns_client = on`.'),
  resolver_lru_cache_size: number('10000', 'Answers kept, with `new_dns_client = on`.'),
  resolver_mem_cache_size: string('5m', 'Memory for answers.', { without_effect: 'answers are limited by number' }),
  resolver_error_ttl: number('1', 'Seconds that a failure is kept, with `new_dns_client = on`.'),
})

const lua = 'plugins are not written in Lua here'

export const remaining = section('Manager and Lua', 'Properties of Kong that have no meaning here yet.', {
  admin_gui_url: array(null, 'Addresses at which browsers reach the manager.', {
    without_effect: 'there is no manager yet',
  }),
  admin_gui_path: string('/', 'Path of the manager.', { without_effect: 'there is no manager yet' }),
  admin_gui_api_url: string(null, 'Address of the Admin API as browsers see it.', {
    without_effect: 'there is no manager yet',
  }),
  lua_socket_pool_size: number('256', 'Connections kept by Lua.', { without_effect: lua }),
  lua_package_path: string('./?.lua;./?/init.lua;', 'Where Lua looks for modules.', { without_effect: lua }),
  lua_package_cpath: string(null, 'Where Lua looks for compiled modules.', { without_effect: lua }),
  untrusted_lua: choice(['on', 'off', 'sandbox'], 'sandbox', 'Whether Lua in configurations is run.', {
    without_effect: lua,
  }),
  untrusted_lua_sandbox_requires: array(null, 'Modules for Lua in the sandbox.', { without_effect: lua }),
  untrusted_lua_sandbox_environment: array(null, 'Globals for Lua in the sandbox.', { without_effect: lua }),
})

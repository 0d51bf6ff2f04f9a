/** From settings to where Cassandra is. */
import type { Settings } from '../settings/definition.ts'
import type { CassandraOptions, CassandraReplication } from '../store/cassandra/connection-options.ts'
import { trustedCertificates } from './proxy-settings-from.ts'

export function cassandraFrom(settings: Settings): CassandraOptions {
  return {
    contactPoints: settings.cassandra_contact_points,
    port: settings.cassandra_port,
    keyspace: settings.cassandra_keyspace,
    timeoutMs: settings.cassandra_timeout,
    tls: settings.cassandra_ssl
      ? {
          verify: settings.cassandra_ssl_verify,
          authorities: trustedCertificates(settings.lua_ssl_trusted_certificate),
        }
      : null,
    username: settings.cassandra_username,
    password: settings.cassandra_password,
    readConsistency: settings.cassandra_read_consistency,
    writeConsistency: settings.cassandra_write_consistency,
    balancing: settings.cassandra_lb_policy as CassandraOptions['balancing'],
    localDatacenter: settings.cassandra_local_datacenter,
    replication: replicationFrom(settings),
    schemaAgreementMs: settings.cassandra_schema_consensus_timeout,
  }
}

function replicationFrom(settings: Settings): CassandraReplication {
  if (settings.cassandra_repl_strategy === 'SimpleStrategy') {
    return { strategy: 'SimpleStrategy', factor: settings.cassandra_repl_factor }
  }
  const replicas: Record<string, number> = {}
  for (const text of settings.cassandra_data_centers) {
    // Their form is checked with the settings.
    const [name = '', count] = text.split(':')
    replicas[name] = Number(count)
  }
  return { strategy: 'NetworkTopologyStrategy', replicas }
}

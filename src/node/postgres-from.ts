/** From settings to where PostgreSQL and its replica are. */
import type { Settings } from '../settings/definition.ts'
import type { PostgresOptions, PostgresTls } from '../store/postgres/connection-options.ts'
import { trustedCertificates } from './proxy-settings-from.ts'

// Enough to keep a server busy; each connection costs the server some MB.
const POOL_SIZE = 10
const IDLE_MS = 60_000
// Beyond this the database is not keeping up; a refusal is better than memory without end.
const WAITING_MAX = 10_000

export function postgresFrom(settings: Settings): PostgresOptions {
  return {
    // Kong's spelling of a Unix socket's folder.
    host: settings.pg_host.replace(/^unix:/, ''),
    port: settings.pg_port,
    user: settings.pg_user,
    password: settings.pg_password,
    database: settings.pg_database,
    schema: settings.pg_schema,
    timeoutMs: settings.pg_timeout,
    tls: tlsFrom(settings),
    poolSize: settings.pg_pool_size ?? POOL_SIZE,
    idleMs: settings.pg_keepalive_timeout ?? IDLE_MS,
    concurrentMax: settings.pg_max_concurrent_queries,
    turnMsMax: settings.pg_semaphore_timeout,
    waitingMax: settings.pg_backlog ?? WAITING_MAX,
  }
}

/** What is not set for the replica is as for the database itself; null without one. */
export function postgresReplicaFrom(settings: Settings): PostgresOptions | null {
  if (settings.pg_ro_host === null) return null
  const main = postgresFrom(settings)
  return {
    host: settings.pg_ro_host.replace(/^unix:/, ''),
    port: settings.pg_ro_port ?? main.port,
    user: settings.pg_ro_user ?? main.user,
    password: settings.pg_ro_password ?? main.password,
    database: settings.pg_ro_database ?? main.database,
    schema: settings.pg_ro_schema ?? main.schema,
    timeoutMs: settings.pg_ro_timeout ?? main.timeoutMs,
    tls: tlsFrom({
      ...settings,
      pg_ssl: settings.pg_ro_ssl ?? settings.pg_ssl,
      pg_ssl_verify: settings.pg_ro_ssl_verify ?? settings.pg_ssl_verify,
    }),
    poolSize: settings.pg_ro_pool_size ?? main.poolSize,
    idleMs: settings.pg_ro_keepalive_timeout ?? main.idleMs,
    concurrentMax: settings.pg_ro_max_concurrent_queries ?? main.concurrentMax,
    turnMsMax: settings.pg_ro_semaphore_timeout ?? main.turnMsMax,
    waitingMax: settings.pg_ro_backlog ?? main.waitingMax,
  }
}

function tlsFrom(settings: Settings): PostgresTls | null {
  if (!settings.pg_ssl) return null
  return {
    verify: settings.pg_ssl_verify,
    required: settings.pg_ssl_required,
    authorities: trustedCertificates(settings.lua_ssl_trusted_certificate),
    certificate: settings.pg_ssl_cert,
    key: settings.pg_ssl_cert_key,
    versionMin: { tlsv1_2: 'TLSv1.2', tlsv1_3: 'TLSv1.3', any: null }[
      settings.pg_ssl_version
    ] as PostgresTls['versionMin'],
  }
}

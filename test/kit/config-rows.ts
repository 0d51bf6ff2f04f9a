/** Rows, plugins and running configurations for tests of what a configuration does. */
import { createLogger, silentLogger, type Logger } from '../../src/base/logger.ts'
import type { Clock } from '../../src/base/clock.ts'
import { seededRandom, type Random } from '../../src/base/random.ts'
import { createCatalog, type EntityCatalog } from '../../src/entities/catalog.ts'
import {
  type ConfigChange,
  type ConfigDelta,
  type ConfigHead,
  EMPTY_HEAD,
  type Row,
} from '../../src/entities/config.ts'
import type { ProxySettings } from '../../src/proxy/proxy-settings.ts'
import { createRunningConfig, type RunningConfig } from '../../src/proxy/running-config.ts'
import { finished } from '../../src/proxy/steps.ts'
import type { Resolver } from '../../src/proxy/upstream/resolver.ts'
import type { RouterInput } from '../../src/proxy/router/router.ts'
import env from '../../src/vaults/env.ts'
import { defineEntity, definePlugin, field, type PluginDefinition, type PluginTools } from '../../src/sdk/sdk.ts'

/** What happened to instances of the test plugins, in order: `prepare <id>`, `secret <name>=<value>`, `close <id>`. */
export type PluginJournal = string[]

const keys = defineEntity({
  name: 'test_keys',
  ttl: true,
  fields: {
    id: field.id(),
    consumer: field.foreign('consumers', { required: true, on_delete: 'cascade' }),
    key: field.string({ unique: true, required: true }),
  },
})

/** `alpha` and `beta` have equal priority; a config `{ refuse: true }` makes prepare throw. */
export function testPlugins(journal: PluginJournal = []): ReadonlyMap<string, PluginDefinition> {
  const plugin = (name: string, priority: number, phases: readonly ('access' | 'log' | 'rewrite' | 'headerFilter')[]) =>
    definePlugin({
      name,
      priority,
      protocols: ['http', 'https', 'grpc', 'grpcs'],
      scopes: ['service', 'route', 'consumer'],
      docs: { summary: 'For tests.', example: {} },
      ...(name === 'alpha' ? { entities: [keys] } : {}),
      config: {
        refuse: field.boolean({ required: true, default: false }),
        text: field.string({}),
        secrets: field.map(field.string({}), field.string({ referenceable: true })),
      },
      prepare(config, tools) {
        if (config.refuse) throw new Error('refuse is set')
        journal.push(`prepare ${tools.scope.plugin_id}`)
        for (const [name, value] of Object.entries(config.secrets ?? {})) journal.push(`secret ${name}=${value}`)
        return {
          ...Object.fromEntries(phases.map(phase => [phase, () => undefined])),
          close: () => {
            journal.push(`close ${tools.scope.plugin_id}`)
          },
        }
      },
    })
  const all = [
    plugin('alpha', 100, ['access']),
    plugin('beta', 100, ['log']),
    plugin('gamma', 50, ['rewrite', 'access', 'headerFilter']),
  ]
  return new Map(all.map(definition => [definition.name, definition as unknown as PluginDefinition]))
}

export function testCatalog(plugins = testPlugins()): EntityCatalog {
  return createCatalog({ plugins: plugins.values(), extraEntities: [keys], vaults: new Map([[env.name, env.config]]) })
}

/** Makes whole, valid rows from what a test cares for. */
export function rowBuilder(catalog: EntityCatalog, random: Random) {
  return (entity: string, input: Row): Row => {
    const { ttl, ...rest } = input
    const validation = catalog.validateRow(entity, rest, {
      operation: 'insert',
      nowMs: 1_700_000_000_000,
      uuid: () => random.uuid(),
      randomBytes: count => random.bytes(count),
    })
    if (!validation.ok) throw new Error(`${entity}: ${JSON.stringify(validation.errors)}`)
    return ttl === undefined ? validation.row : { ...validation.row, ttl }
  }
}

export const put = (entity: string, row: Row): ConfigChange => ({ entity, key: String(row['id']), row })
export const remove = (entity: string, row: Row): ConfigChange => ({ entity, key: String(row['id']), row: null })

export const testSettings = {
  dns: {
    isNewClient: false,
    cacheSize: 10_000,
    noSync: false,
    nameservers: ['127.0.0.1:1'],
    hostsFile: '/nonexistent',
    order: ['A'],
    staleTtlS: 3600,
    notFoundTtlS: 30,
    errorTtlS: 1,
    validTtlS: null,
  },
  tls: {
    defaultCertificates: [],
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    ciphers: null,
    preferServerCiphers: true,
    sessionTimeoutS: 300,
    sessionTickets: false,
    clientCertificate: null,
    trustedCertificates: null,
    upstreams: {
      http: { verify: false, verifyDepth: 1, authorities: null },
      stream: { verify: false, verifyDepth: 1, authorities: null },
    },
  },
} as const satisfies Pick<ProxySettings, 'dns' | 'tls'>

/** Names under `.test` resolve to one address each, all others do not. */
export const testResolver: Resolver = {
  resolve: name =>
    name.endsWith('.test')
      ? { ok: true, addresses: [{ ip: `127.1.0.${name.length}`, port: null, weight: null }] }
      : { ok: false, failure: 'name_resolution_failed' },
}

/** A clock that moves when a test says so; timers never fire. */
export function manualClock(nowMs = 1_700_000_000_000): Clock & { advance(ms: number): void } {
  let now = nowMs
  return {
    now: () => now,
    monotonic: () => now,
    after: () => ({ cancel() {} }),
    every: () => ({ cancel() {} }),
    advance(ms) {
      now += ms
    },
  }
}

export interface TestConfigOptions {
  readonly catalog: EntityCatalog
  readonly plugins: ReadonlyMap<string, PluginDefinition>
  readonly clock?: Clock
  readonly warnings?: string[]
}

export function testConfig({ catalog, plugins, clock = manualClock(), warnings }: TestConfigOptions): RunningConfig {
  const log: Logger =
    warnings === undefined
      ? silentLogger
      : createLogger({ level: 'warn', write: line => warnings.push(line), now: () => clock.now() })
  const tools = (scope: PluginTools['scope']) => ({ scope, log }) as PluginTools
  const random = seededRandom(7)
  return createRunningConfig({
    vaults: new Map([[env.name, env]]),
    environment: { TOKEN: 'from-env', TEAM_TOKEN: 'of-team', OTHER_TOKEN: 'of-other', PAIR: '{"user":"u1"}' },
    catalog,
    plugins,
    tools,
    settings: testSettings,
    resolver: testResolver,
    log,
    clock,
    random,
  })
}

export const headAt = (version: number): ConfigHead => ({ version, config_hash: String(version).padStart(32, '0') })

/** Prepares and commits a delta on top of whatever runs; throws a refusal's message. */
export function change(config: RunningConfig, ...changes: ConfigChange[]): void {
  const from = config.head.version
  const delta: ConfigDelta = { from, ...headAt(from + 1), changes }
  const preparation = finished(config.prepareDelta(delta))
  if (!preparation.ok) throw new Error(JSON.stringify(preparation.refusal))
  preparation.commit()
}

/** Replaces the whole configuration, in batches of `batchSize`. */
export function load(config: RunningConfig, changes: readonly ConfigChange[], batchSize = 100): void {
  const head = changes.length === 0 ? EMPTY_HEAD : headAt(config.head.version + 1)
  const snapshot = config.prepareSnapshot(head)
  for (let at = 0; at < changes.length; at += batchSize) snapshot.add(changes.slice(at, at + batchSize))
  const preparation = finished(snapshot.finish())
  if (!preparation.ok) throw new Error(JSON.stringify(preparation.refusal))
  preparation.commit()
}

export function routerInput(options: Partial<RouterInput> = {}): RouterInput {
  return {
    method: 'GET',
    host: 'example.com',
    port: 80,
    hostPort: 0,
    path: '/',
    scheme: 'http',
    sni: '',
    sourceIp: '127.0.0.1',
    sourcePort: 40_000,
    destinationIp: '127.0.0.1',
    header: () => undefined,
    headerValues: () => [],
    queryValues: () => [],
    ...options,
  }
}

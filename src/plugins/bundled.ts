/** The plugins that come with the gateway: an explicit list, in the order in which they run. */
import type { EntityDefinition, Field, PluginDefinition, PluginSchema } from '../sdk/sdk.ts'
import correlationId from './correlation-id.ts'
import cors from './cors.ts'
import httpLog from './http-log.ts'
import ipRestriction from './ip-restriction.ts'
import keyAuth from './key-auth.ts'
import prometheus from './prometheus.ts'
import rateLimiting from './rate-limiting.ts'
import requestTermination from './request-termination.ts'
import requestTransformer from './request-transformer.ts'
import responseTransformer from './response-transformer.ts'

// Each definition knows the type of its own config; a list of them cannot, and reads it through the schema only.
export const bundledPlugins = [
  correlationId,
  cors,
  keyAuth,
  ipRestriction,
  rateLimiting,
  requestTransformer,
  responseTransformer,
  prometheus,
  httpLog,
  requestTermination,
] as unknown as readonly PluginDefinition[]

/** The entities that plugins bring: credentials and the like. */
export const pluginEntities: readonly EntityDefinition[] = bundledPlugins.flatMap(({ entities = [] }) => entities)

/**
 * What the catalog needs to know of each plugin: everything but how it acts. Counters in the database
 * (`policy: cluster`) cannot be had on a control plane or without a database, so the schema does not offer them there.
 */
export function pluginSchemas({ clusterPolicy }: { readonly clusterPolicy: boolean }): PluginSchema[] {
  return bundledPlugins.map(({ docs: _docs, entities: _entities, prepare: _prepare, config_validator, ...schema }) => ({
    ...schema,
    config: clusterPolicy ? schema.config : withoutClusterPolicy(schema.config),
    ...(config_validator && { config_validator: config_validator as NonNullable<PluginSchema['config_validator']> }),
  }))
}

function withoutClusterPolicy(config: PluginDefinition['config']): PluginDefinition['config'] {
  const policy = config['policy'] as Field | undefined
  if (policy?.one_of === undefined) return config
  return { ...config, policy: { ...policy, one_of: policy.one_of.filter(name => name !== 'cluster') } }
}

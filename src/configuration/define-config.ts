/** Declarative configuration in TypeScript: `export default defineConfig({ services: [...] })` in `kong.config.ts`. */
import type { Configuration } from './entity-types.ts'

export type * from './entity-types.ts'

/** A configuration, or what makes one: a function may read files and environment, and may be async. */
export type ConfigurationSource = Configuration | (() => Configuration | Promise<Configuration>)

/** Changes nothing: it is there for its type, so that an editor completes and checks what is written. */
export function defineConfig(configuration: ConfigurationSource): ConfigurationSource {
  return configuration
}

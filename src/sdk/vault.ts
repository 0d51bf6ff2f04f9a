/** The vault contract: where secrets are looked up that `{vault://...}` references name. */
import type { Fields, RecordOf } from '../schema/field.ts'
import type { Awaitable } from './sdk.ts'

export { environmentSecretName } from '../base/vault-reference.ts'

export interface VaultTools {
  /** The environment as it was when the process began. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

export interface VaultDefinition<F extends Fields = Fields> {
  /** Type of vault: `env`. */
  readonly name: string
  /** Of vault entities, and by `vault_<name>_<field>` in kong.conf. */
  readonly config: F
  /** Called once per vault; the answer looks a secret up, or tells by null that there is none. */
  prepare(
    config: RecordOf<F>,
    tools: VaultTools,
  ): (secret: { readonly resource: string; readonly version: number | null }) => Awaitable<string | null>
}

export function defineVault<const F extends Fields>(definition: VaultDefinition<F>): VaultDefinition<F> {
  return definition
}

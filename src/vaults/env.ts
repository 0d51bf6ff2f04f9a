/** Looks secrets up among the environment variables of the process. */
import { field } from '../sdk/sdk.ts'
import { defineVault, environmentSecretName } from '../sdk/vault.ts'

export default defineVault({
  name: 'env',
  config: {
    prefix: field.string({
      // Lua's pattern, as `/schemas/vaults/env` shows it.
      match: '^[%a_-][%a%d_-]*$',
      description: 'Put before the name of each secret.',
    }),
  },
  prepare:
    ({ prefix }, { environment }) =>
    ({ resource, version }) =>
      environment[environmentSecretName(resource, prefix, version)] ?? null,
})

/** Secrets by the prefix of a vault entity, without a node: what `kong vault get` looks in. */
import { existsSync } from 'node:fs'
import { silentLogger } from '../base/logger.ts'
import type { Secret } from '../base/vault-reference.ts'
import type { Row } from '../entities/config.ts'
import { Secrets } from '../proxy/secrets.ts'
import type { Settings } from '../settings/definition.ts'
import envVault from '../vaults/env.ts'
import { declaredRows, withStore } from './offline-config.ts'
import { embeddedPath } from './open-store.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** `prefix` is that of the vault which `reference` names. */
export async function secretOfVaultEntity(
  settings: Settings,
  { reference, prefix }: { readonly reference: string; readonly prefix: string },
  environment: Environment,
): Promise<Secret> {
  const row = await findVault(settings, prefix)
  if (row === null) return { ok: false, error: `could not find vault (${prefix})` }
  const isEnabled = settings.vaults.some(name => name === 'bundled' || name === 'env')
  const vaults = new Map(isEnabled ? [['env', envVault]] : [])
  return new Secrets({ vaults, environment, log: silentLogger }, () => row).find(reference)
}

/** Nodes without a database know the vaults of their declarative file; data planes ask a control plane's database. */
async function findVault(settings: Settings, prefix: string): Promise<Row | null> {
  // Opening would make it.
  if (settings.storage === 'embedded' && !existsSync(embeddedPath(settings))) return null
  if (settings.storage !== 'memory') return withStore(settings, store => store.findBy('vaults', { prefix }))
  const isVault = ({ entity, row }: { entity: string; row: Row }) => entity === 'vaults' && row['prefix'] === prefix
  return (await declaredRows(settings)).find(isVault)?.row ?? null
}

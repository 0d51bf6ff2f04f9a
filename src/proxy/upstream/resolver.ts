/** Turning names into addresses, as the balancer asks for it. */
import type { Awaitable } from '../../sdk/sdk.ts'

export interface ResolvedAddress {
  readonly ip: string
  /** From an SRV record; null: the port that was asked with. */
  readonly port: number | null
  /** From an SRV record; null: the target's own. */
  readonly weight: number | null
  /** Host name of the SRV record that led here; what Kong calls the address. */
  readonly name?: string
}

export type Resolution =
  | { readonly ok: true; readonly addresses: readonly ResolvedAddress[] }
  | { readonly ok: false; readonly failure: 'name_resolution_failed' | 'dns_error' }

export interface Resolver {
  /**
   * Synchronous when an answer is in the cache, be it stale: then a fresh one is fetched behind it. The same object
   * is returned for as long as the answer is the same.
   */
  resolve(name: string): Awaitable<Resolution>
}

/** Carries out what the control plane's machine asks of the source: deltas, and exports shared by several readers. */
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import type { ControlPlaneEvent } from './control-plane-events.ts'
import type { ConfigSource } from './link.ts'
import { createSnapshotSpool, type SnapshotSpool } from './snapshot-spool.ts'
import { encodeSnapshot } from './snapshot-stream.ts'
import { encodeDelta } from './wire.ts'

export interface ConfigExport {
  buildDelta(from: number): Promise<void>
  startSpool(id: number): Promise<void>
  /** Null when the spool was freed meanwhile. */
  chunk(id: number, index: number): Uint8Array | null
  freeSpool(id: number): void
  close(): void
}

export interface ConfigExportOptions {
  readonly source: ConfigSource
  readonly logger: Logger
  readonly random: Random
  /** For exports too large for memory. */
  readonly spoolFolder: string
  readonly emit: (event: ControlPlaneEvent) => void
}

export function createConfigExport({ source, logger, random, spoolFolder, emit }: ConfigExportOptions): ConfigExport {
  const spools = new Map<number, SnapshotSpool>()

  async function fill(id: number, spool: SnapshotSpool): Promise<void> {
    const { head, batches } = await source.export()
    const grew = (complete: boolean) => {
      // Freed: nobody wants it any more.
      if (spools.get(id) !== spool) return false
      emit({ type: 'spool', spool: id, head, chunks: spool.length, complete })
      return true
    }
    for await (const chunk of encodeSnapshot(batches)) {
      spool.append(chunk)
      if (!grew(false)) return
    }
    grew(true)
  }

  return {
    async buildDelta(from) {
      try {
        const delta = await source.changesSince(from)
        const frame = delta === null || delta.version <= from ? null : encodeDelta(delta)
        if (delta === null || frame === null) return emit({ type: 'delta', from, built: null })
        const { version, config_hash } = delta
        emit({ type: 'delta', from, built: { head: { version, config_hash }, frame } })
      } catch (error) {
        logger.error(`cannot read the changes since version ${from}: ${(error as Error).message}`)
        emit({ type: 'delta', from, built: 'failed' })
      }
    },
    async startSpool(id) {
      const spool = createSnapshotSpool({ folder: spoolFolder, random })
      spools.set(id, spool)
      try {
        await fill(id, spool)
      } catch (error) {
        logger.error(`cannot export the configuration: ${(error as Error).message}`)
        emit({ type: 'spool-failed', spool: id })
      }
    },
    chunk: (id, index) => spools.get(id)?.chunk(index) ?? null,
    freeSpool(id) {
      spools.get(id)?.close()
      spools.delete(id)
    },
    close() {
      for (const spool of spools.values()) spool.close()
      spools.clear()
    },
  }
}

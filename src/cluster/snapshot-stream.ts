/** A snapshot as a stream of compressed bytes: written by the control plane's export, read back into batches. */
import { Readable } from 'node:stream'
import { createZstdCompress, createZstdDecompress } from 'node:zlib'
import { type ConfigChange, EMPTY_CONFIG_HASH } from '../entities/config.ts'
import { rowDigest, toggleDigest } from '../entities/config-digest.ts'
import { WireError } from './messages.ts'
import { CHUNK_BYTES_MAX, decodeLine, encodeChunk, encodeLine, ZSTD_OPTIONS } from './wire.ts'

/** One row may be so large as text; the Admin API takes no bodies of that size. */
const LINE_LENGTH_MAX = 64 * 1024 * 1024
const BATCH_ROWS = 500
const BATCH_LENGTH = 512 * 1024

/** Frames of at most 256 KiB; compression runs outside of the main thread. */
export async function* encodeSnapshot(batches: AsyncIterable<readonly ConfigChange[]>): AsyncIterable<Buffer> {
  async function* text() {
    for await (const batch of batches) yield Buffer.from(batch.map(encodeLine).join(''))
  }
  const compress = createZstdCompress(ZSTD_OPTIONS)
  const source = Readable.from(text())
  // pipe() does not carry errors.
  source.on('error', error => compress.destroy(error))
  source.pipe(compress)
  let held: Buffer[] = []
  let heldBytes = 0
  for await (const piece of compress) {
    for (let rest = piece as Buffer; rest.length > 0; ) {
      const part = rest.subarray(0, CHUNK_BYTES_MAX - heldBytes)
      rest = rest.subarray(part.length)
      held.push(part)
      heldBytes += part.length
      if (heldBytes < CHUNK_BYTES_MAX) continue
      yield encodeChunk(...held)
      held = []
      heldBytes = 0
    }
  }
  if (heldBytes > 0) yield encodeChunk(...held)
}

export interface SnapshotReader {
  readonly batches: AsyncIterable<readonly ConfigChange[]>
  /** False: the consumer is behind; wait for `drained` before the next. */
  feed(bytes: Uint8Array): boolean
  drained(): Promise<void>
  end(): void
  abort(reason: string): void
  /** Why the stream could not be read to its end, or null. */
  failure(): string | null
  /** What the rows gave instead of the promised hash, or null. */
  wrongHash(): string | null
}

/** `batches` throws at its end unless the rows add up to `configHash`: so nobody can make a wrong snapshot live. */
export function createSnapshotReader(configHash: string): SnapshotReader {
  const input = createZstdDecompress()
  let failure: string | null = null
  let wrongHash: string | null = null
  // Reported through the iterator; without a listener an error after its end would stop the process.
  input.on('error', error => {
    failure ??= error.message
  })

  async function* read() {
    let hash = EMPTY_CONFIG_HASH
    try {
      for await (const batch of readBatches(input)) {
        for (const { entity, key, row } of batch) hash = toggleDigest(hash, rowDigest(entity, key, row!))
        yield batch
      }
    } catch (error) {
      failure ??= (error as Error).message
      throw error
    }
    if (hash === configHash) return
    wrongHash = hash
    throw new WireError(`snapshot has config_hash ${hash}, expected ${configHash}`)
  }

  return {
    batches: read(),
    feed: bytes => input.destroyed || input.write(bytes),
    async drained() {
      if (input.destroyed || !input.writableNeedDrain) return
      await new Promise<void>(resolve => {
        const events = ['drain', 'close'] as const
        const go = () => {
          for (const event of events) input.off(event, go)
          resolve()
        }
        for (const event of events) input.on(event, go)
      })
    },
    end() {
      if (!input.destroyed) input.end()
    },
    abort(reason) {
      failure ??= reason
      input.destroy(new WireError(reason))
    },
    failure: () => failure,
    wrongHash: () => wrongHash,
  }
}

async function* readBatches(input: Readable): AsyncIterable<ConfigChange[]> {
  const decoder = new TextDecoder()
  let text = ''
  let batch: ConfigChange[] = []
  let batchLength = 0
  for await (const piece of input) {
    const start = text.length
    text += decoder.decode(piece as Buffer, { stream: true })
    let from = 0
    for (let end = text.indexOf('\n', start); end !== -1; end = text.indexOf('\n', from)) {
      batch.push(decodeLine(text.slice(from, end)))
      batchLength += end - from
      from = end + 1
      if (batch.length < BATCH_ROWS && batchLength < BATCH_LENGTH) continue
      yield batch
      batch = []
      batchLength = 0
    }
    text = text.slice(from)
    if (text.length > LINE_LENGTH_MAX) throw new WireError('row of a snapshot is too large')
  }
  if (text !== '') throw new WireError('snapshot ends within a row')
  if (batch.length > 0) yield batch
}

/**
 * The encoded chunks of one export, for any number of readers at any pace: in memory, and beyond a limit in a file.
 *
 * So an export is read from the store once and without waiting for anybody, and a slow data plane costs no memory.
 */
import { closeSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Random } from '../base/random.ts'

/** 100,000 entities compress to about this; nearly all configurations never touch the disk. */
const MEMORY_BYTES_MAX = 8 * 1024 * 1024

export interface SnapshotSpool {
  readonly length: number
  append(chunk: Uint8Array): void
  chunk(index: number): Uint8Array
  close(): void
}

export interface SnapshotSpoolOptions {
  readonly folder: string
  readonly random: Random
  readonly memoryBytesMax?: number
}

export function createSnapshotSpool(options: SnapshotSpoolOptions): SnapshotSpool {
  const { folder, random, memoryBytesMax = MEMORY_BYTES_MAX } = options
  const chunks: (Uint8Array | { readonly offset: number; readonly bytes: number })[] = []
  let memoryBytes = 0
  let file: number | null = null
  let fileBytes = 0

  return {
    get length() {
      return chunks.length
    },
    append(chunk) {
      if (memoryBytes + chunk.length <= memoryBytesMax) {
        memoryBytes += chunk.length
        chunks.push(chunk)
        return
      }
      file ??= openAnonymous(folder, random)
      writeSync(file, chunk, 0, chunk.length, fileBytes)
      chunks.push({ offset: fileBytes, bytes: chunk.length })
      fileBytes += chunk.length
    },
    chunk(index) {
      const chunk = chunks[index]!
      if (chunk instanceof Uint8Array) return chunk
      const out = Buffer.allocUnsafe(chunk.bytes)
      readSync(file!, out, 0, chunk.bytes, chunk.offset)
      return out
    },
    close() {
      chunks.length = 0
      if (file !== null) closeSync(file)
      file = null
    },
  }
}

/** It holds credentials: only its owner may read it, and it has no name once it is open. */
function openAnonymous(folder: string, random: Random): number {
  const path = join(folder, `snapshot-${random.uuid()}`)
  const file = openSync(path, 'wx+', 0o600)
  unlinkSync(path)
  return file
}

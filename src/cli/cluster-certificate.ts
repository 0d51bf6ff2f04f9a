/** `kong hybrid gen_cert`: the certificate that all nodes have in common in `cluster_mtls = shared`, as Kong makes it. */
import { chmodSync, existsSync, rmSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { generateKey, selfSigned } from '../base/certificates.ts'
import { CliError } from './command.ts'

const DAYS = 1095
const DAY_MS = 86_400_000

export interface GenerateOptions {
  /** Certificate and key, or nothing. */
  readonly files: readonly string[]
  readonly days: string | undefined
  readonly folder: string
  readonly nowMs: number
}

/** Returns the paths written. */
export async function generateClusterCertificate(options: GenerateOptions): Promise<{ cert: string; key: string }> {
  const { files, days = String(DAYS), folder, nowMs } = options
  if (files.length !== 0 && files.length !== 2) throw new CliError('both cert and key path needs to be provided')
  const cert = resolve(folder, files[0] ?? './cluster.crt')
  const key = resolve(folder, files[1] ?? './cluster.key')
  for (const path of [cert, key]) {
    if (existsSync(path)) throw new CliError(`${path} already exists.\nWill not overwrite it.`)
  }
  const pair = await generateKey('P-384')
  const certificate = selfSigned({
    // Kong's data planes expect this very name.
    subject: { CN: 'kong_clustering' },
    key: pair,
    notBefore: new Date(nowMs),
    notAfter: new Date(nowMs + Number(days) * DAY_MS),
    bare: true,
  })
  try {
    writeFileSync(key, pair.privateKey, { flag: 'wx', mode: 0o600 })
    writeFileSync(cert, certificate, { flag: 'wx', mode: 0o644 })
    chmodSync(cert, 0o644)
  } catch (error) {
    // A key without its certificate is of no use, and would be in the way of the next attempt.
    rmSync(key, { force: true })
    throw new CliError(`could not write ${cert}: ${(error as Error).message}`)
  }
  return { cert, key }
}

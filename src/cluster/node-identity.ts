/** The files that say who a data plane is (`cluster_mtls = enroll`): its key, its certificate, the authority it trusts. */
import { X509Certificate } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { newNodeKey } from './authority.ts'

export interface NodeIdentity {
  readonly privateKey: string
  readonly publicKey: string
  /** Null until it is admitted. */
  readonly certificate: string | null
  /** The authority that this node trusts; null before the first contact. */
  readonly ca: string | null
}

export interface IdentityStore {
  read(): NodeIdentity
  saveCertificate(certificate: string): void
  /** Both at once: what a first contact or a new authority gives. */
  saveAdmission(ca: string, certificate: string): void
  /** The control plane no longer takes it; the key stays. */
  forgetCertificate(): void
}

/** `folder` is made with mode 0700 if it is not there. */
export async function openIdentityStore(folder: string): Promise<IdentityStore> {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  chmodSync(folder, 0o700)
  const path = (name: string) => join(folder, name)
  if (readText(path('node.key')) === null) {
    const key = await newNodeKey()
    // The public half first: the private one is what says that there is a key.
    write(path('node.pub'), key.publicKey)
    write(path('node.key'), key.privateKey)
    rmSync(path('node.crt'), { force: true })
  }
  let identity: NodeIdentity = {
    privateKey: readText(path('node.key'))!,
    publicKey: readText(path('node.pub')) ?? '',
    certificate: readText(path('node.crt')),
    ca: readText(path('ca.crt')),
  }
  if (identity.certificate !== null && !isOwn(identity.certificate, identity)) {
    identity = { ...identity, certificate: null }
  }
  return {
    read: () => identity,
    saveCertificate(certificate) {
      write(path('node.crt'), certificate)
      identity = { ...identity, certificate }
    },
    saveAdmission(ca, certificate) {
      rmSync(path('node.crt'), { force: true })
      write(path('ca.crt'), ca)
      write(path('node.crt'), certificate)
      identity = { ...identity, ca, certificate }
    },
    forgetCertificate() {
      rmSync(path('node.crt'), { force: true })
      identity = { ...identity, certificate: null }
    },
  }
}

/** False for a half-copied folder: a certificate of another key, or none at all. */
export function isOwn(certificate: string, { publicKey }: { readonly publicKey: string }): boolean {
  try {
    const parsed = new X509Certificate(certificate)
    return parsed.publicKey.export({ type: 'spki', format: 'pem' }) === publicKey
  } catch {
    // Not a certificate.
    return false
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

/** Whole or not at all. */
function write(path: string, text: string): void {
  const temporary = `${path}.new`
  writeFileSync(temporary, text, { mode: 0o600 })
  chmodSync(temporary, 0o600)
  renameSync(temporary, path)
}

/** One object for each address of each target, for as long as anybody holds it: pools and health hang on its identity. */
import type { Peer } from './balancer.ts'

export class PeerRegistry {
  readonly #peers = new Map<string, WeakRef<Peer>>()
  readonly #gone = new FinalizationRegistry<string>(key => {
    if (this.#peers.get(key)?.deref() === undefined) this.#peers.delete(key)
  })

  get(hostname: string, ip: string, port: number): Peer {
    const name = `${hostname}|${ip}|${port}`
    const known = this.#peers.get(name)?.deref()
    if (known !== undefined) return known
    const peer: Peer = { ip, port, hostname, key: ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}` }
    this.#peers.set(name, new WeakRef(peer))
    this.#gone.register(peer, name)
    return peer
  }
}

/** Hears of other nodes' commits by LISTEN/NOTIFY, and looks by itself now and then in case a notification is lost. */
import type { Clock, Timer } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { ConfigHead } from '../../entities/config.ts'
import type { HeadNews } from '../sql/engine.ts'
import { type Connection, openConnection } from './connection.ts'
import { addressOf, type PostgresOptions } from './connection-options.ts'

export interface ChangeListenerOptions {
  readonly options: PostgresOptions
  readonly channel: string
  readonly clock: Clock
  readonly logger: Logger
  /** Between looks. */
  readonly pollMs: number
}

// A server that was restarted is back within seconds; asking once a second costs it nothing.
const reconnectMs = 1000

export class ChangeListener {
  readonly #given: ChangeListenerOptions
  readonly #listeners = new Set<(news: HeadNews) => void>()
  readonly #poll: Timer
  #connection: Connection | null = null
  #reconnect: Timer | null = null
  #isDown = false
  #isClosed = false

  constructor(given: ChangeListenerOptions) {
    this.#given = given
    this.#poll = given.clock.every(given.pollMs, () => this.#look())
  }

  add(listener: (news: HeadNews) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Resolves when commits are heard, or when it is clear that they are not for now. */
  async open(): Promise<void> {
    if (this.#isClosed) return
    const { options, channel, logger } = this.#given
    try {
      const connection = await openConnection(options)
      connection.onLost(() => this.#lost())
      connection.onNotification(payload => this.#tell(parseHead(payload)))
      await connection.query(`listen "${channel}"`)
      if (this.#isClosed) return void connection.close()
      this.#connection = connection
      if (this.#isDown) logger.notice(`PostgreSQL at ${addressOf(options)} answers again`)
      this.#isDown = false
      // Whatever was committed before the ear was open.
      this.#tell(null)
    } catch (error) {
      this.#down(error as Error)
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#poll.cancel()
    this.#reconnect?.cancel()
    this.#listeners.clear()
    await this.#connection?.close()
  }

  #tell(news: HeadNews): void {
    for (const listener of this.#listeners) listener(news)
  }

  /** Asks on the listening connection too: one that died silently would never say so. */
  #look(): void {
    if (this.#connection === null) return
    this.#connection.query('select 1').catch(() => undefined)
    this.#tell(null)
  }

  #lost(): void {
    this.#connection = null
    this.#down(new Error('the connection was lost'))
  }

  #down(error: Error): void {
    if (this.#isClosed) return
    const { options, clock, logger } = this.#given
    if (!this.#isDown) {
      logger.error(`PostgreSQL at ${addressOf(options)} does not answer: ${error.message || String(error)}`)
    }
    this.#isDown = true
    this.#reconnect?.cancel()
    this.#reconnect = clock.after(reconnectMs, () => void this.open())
  }
}

/** `version hash`; null, which means "look yourself", for what another release may send. */
function parseHead(payload: string): ConfigHead | null {
  const [, version, config_hash] = /^(\d+) ([0-9a-f]{32})$/.exec(payload) ?? []
  return version === undefined || config_hash === undefined ? null : { version: Number(version), config_hash }
}

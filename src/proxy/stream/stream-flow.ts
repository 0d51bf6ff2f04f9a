/**
 * The life of one stream session, from its first byte to its log line. Read this file from top to bottom.
 *
 *   begin -> route -> preread -> pick a peer -> connect, perhaps to another one -> bytes both ways -> log
 *
 * Every step is synchronous unless a plugin or the balancer returns a promise. A session may end at any moment:
 * whoever comes back from a promise looks at `isOver` first.
 */
import type { Reply } from '../../sdk/sdk.ts'
import type { PeerOutcome, Pick, PickFailure } from '../balancer/balancer.ts'
import type { CompiledRoute, PluginInstance } from '../compiled.ts'
import type { ProxyContext } from '../proxy-context.ts'
import { streamLogLine } from './stream-log-line.ts'
import type { StreamSession } from './stream-session.ts'

export class StreamFlow {
  readonly #context: ProxyContext

  constructor(context: ProxyContext) {
    this.#context = context
  }

  /** A TLS session has its route already: it decided whether TLS ends here. */
  begin(session: StreamSession, known?: CompiledRoute): void {
    const route = known ?? this.#context.config.streamRouter.match(session)
    if (route === null) return this.#unrouted(session)
    session.matchedRoute = route
    session.instances = route.plan().anonymous.instances
    this.#preread(session, 0)
  }

  #unrouted(session: StreamSession): void {
    session.instances = this.#context.config.streamGlobalPlan().instances
    this.#context.streamLog.error('no Route found with those values', {
      client: session.clientIp,
      port: session.port,
      ...(session.sni === '' ? {} : { sni: session.sni }),
    })
    this.refuse(session, 500)
  }

  #preread(session: StreamSession, from: number): void {
    for (let position = from; position < session.instances.length; position++) {
      const instance = session.instances[position]
      if (instance?.handlers.preread === undefined) continue
      try {
        const result = instance.handlers.preread(session)
        if (result instanceof Promise) return void this.#continue(session, instance, result, position + 1)
        if (result !== undefined) return this.#reply(session, result)
      } catch (error) {
        return this.#pluginFailed(session, instance, error)
      }
    }
    const service = session.matchedRoute!.service
    if (service === null) {
      this.#context.streamLog.warn('no Service found with those values', { route: session.matchedRoute!.id })
      return this.refuse(session, 503)
    }
    session.triesLeft = service.retries
    this.#pickPeer(session)
  }

  async #continue(
    session: StreamSession,
    instance: PluginInstance,
    pending: Promise<Reply | undefined>,
    next: number,
  ): Promise<void> {
    try {
      const result = await pending
      if (session.isOver) return
      if (result === undefined) this.#preread(session, next)
      else this.#reply(session, result)
    } catch (error) {
      if (!session.isOver) this.#pluginFailed(session, instance, error)
    }
  }

  /** As in Kong, only an answer that is no error is said to the client. */
  #reply(session: StreamSession, reply: Reply): void {
    session.source = 'exit'
    const { body = '' } = reply
    const text = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body)
    this.refuse(session, reply.status, reply.status < 400 ? text : '')
  }

  #pluginFailed(session: StreamSession, instance: PluginInstance, error: unknown): void {
    this.#logPluginError(instance, error)
    this.refuse(session, 500)
  }

  #logPluginError(instance: PluginInstance, error: unknown): void {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
    this.#context.streamLog.error(`plugin ${instance.name} failed`, { message })
  }

  #pickPeer(session: StreamSession): void {
    const { balancer } = session.matchedRoute!.service!
    const picked = balancer.pick(session, session)
    if (!(picked instanceof Promise)) return this.#connect(session, picked)
    picked.then(
      pick => this.#connect(session, pick),
      error => {
        this.#context.streamLog.error('balancer failed', { message: String(error) })
        if (!session.isOver) this.refuse(session, 500)
      },
    )
  }

  #connect(session: StreamSession, pick: Pick | PickFailure): void {
    const { balancer } = session.matchedRoute!.service!
    if (!('failure' in pick) && session.isOver) return balancer.release(pick, { kind: 'aborted' })
    if (session.isOver) return
    if ('failure' in pick) {
      // A retry that finds nobody else ends with the failure of the try before.
      const hasTried = session.tries.length > 0
      if (!hasTried) this.#context.streamLog.error(`no peer for a session: ${pick.failure}`, whereOf(session))
      return this.refuse(session, hasTried ? 502 : pick.failure === 'dns_error' ? 500 : 503)
    }
    session.pick = pick
    session.tries.push({ peer: pick.peer, startedAt: this.#context.clock.now(), isFailed: false })
    session.transport.connect(session, pick)
  }

  connected(session: StreamSession): void {
    session.decidedAt = this.#context.clock.now()
    session.source = 'service'
  }

  /** The peer cannot be reached: another one is tried as long as the service wants. */
  connectFailed(session: StreamSession, outcome: PeerOutcome, reason: string): void {
    const attempt = session.tries.at(-1)!
    attempt.isFailed = true
    this.#context.streamLog.error(`upstream ${attempt.peer.key} could not be reached: ${reason}`, whereOf(session))
    this.#release(session, outcome)
    session.failed = [...session.failed, attempt.peer]
    if (session.triesLeft === 0) return this.refuse(session, 502)
    session.triesLeft--
    this.#pickPeer(session)
  }

  refuse(session: StreamSession, status: number, text: string | Uint8Array = ''): void {
    session.status = status
    session.decidedAt = this.#context.clock.now()
    session.transport.refuse(session, text)
  }

  /** The last byte is through, or nobody is there to take it. */
  ended(session: StreamSession): void {
    if (session.isOver) return
    session.isOver = true
    const isConnected = session.source === 'service'
    // Kong tells passive checks of each session with nginx's status, which is 200 once there was a connection.
    const latencyMs = session.decidedAt - (session.tries.at(-1)?.startedAt ?? session.decidedAt)
    this.#release(session, isConnected ? { kind: 'answered', status: 200, latencyMs } : { kind: 'aborted' })
    for (const instance of session.instances) {
      try {
        instance?.handlers.streamLog?.(session)
      } catch (error) {
        this.#logPluginError(instance!, error)
      }
    }
    this.#context.settings.streamAccessLog?.(streamLogLine(session))
  }

  #release(session: StreamSession, outcome: PeerOutcome): void {
    const { pick } = session
    if (pick === null) return
    session.pick = null
    session.matchedRoute!.service!.balancer.release(pick, outcome)
  }
}

function whereOf(session: StreamSession): Record<string, unknown> {
  return { client: session.clientIp, port: session.port, route: session.matchedRoute?.id }
}

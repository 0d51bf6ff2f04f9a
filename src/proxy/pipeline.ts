/**
 * The life of one request, from its head to its log line. Read this file from top to bottom.
 *
 *   begin -> rewrite -> route -> protocol rules -> access -> forward -> answer head -> answer body -> finish
 *
 * Every step is synchronous unless a plugin or the balancer returns a promise; only then is anything awaited. Any step
 * may answer instead (`#reply`, `failed`). An exchange may end at any moment, since clients go away: whoever comes
 * back from a promise looks at `isOver` first.
 */
import type { Reply } from '../sdk/sdk.ts'
import type { PluginInstance, ResolvedPlan } from './compiled.ts'
import type { FailureCode } from './errors.ts'
import type { Exchange, ExchangeEvents } from './exchange.ts'
import { buildProxiedHead, frameAnswer, replacedFields, setOwnFields } from './http/answer-head.ts'
import { chunkHead, chunkTail } from './http/joined-bytes.ts'
import {
  buildOwnAnswer,
  failureAnswer,
  interimLines,
  loadProxiedAnswer,
  type OwnAnswer,
  replyAnswer,
  sealAnswer,
} from './own-answer.ts'
import { protocolAnswer } from './protocol-rules.ts'
import type { ProxyContext } from './proxy-context.ts'
import { BodyTransformation } from './body-transformation.ts'
import { Forwarder, type ForwardingSink } from './upstream/forwarder.ts'
import type { UpstreamSide } from './upstream/upstream-side.ts'

type Connection = UpstreamSide

export class Pipeline implements ExchangeEvents, ForwardingSink {
  readonly #context: ProxyContext
  readonly forwarder: Forwarder
  readonly #replaced: Uint8Array

  constructor(context: ProxyContext) {
    this.#context = context
    this.forwarder = new Forwarder(context, this)
    this.#replaced = replacedFields(context)
  }

  /** The head is parsed, and as much of the body as came with it is held. */
  begin(exchange: Exchange): void {
    const { config, counts } = this.#context
    counts.requests++
    if (exchange.isBodyTooLarge) return this.failed(exchange, 'body_too_large')
    if (!config.hasConfiguration) return this.failed(exchange, 'no_configuration')
    if (config.rewriters.length > 0) return this.#rewrite(exchange, config.rewriters, 0)
    this.#route(exchange)
  }

  /** Global plugins only: no route is known yet. */
  #rewrite(exchange: Exchange, rewriters: readonly PluginInstance[], from: number): void {
    for (let position = from; position < rewriters.length; position++) {
      const instance = rewriters[position]!
      try {
        const result = instance.handlers.rewrite?.(exchange)
        if (result instanceof Promise) {
          const next = () => this.#rewrite(exchange, rewriters, position + 1)
          return void this.#continue(exchange, instance, result, next)
        }
        if (result !== undefined) return this.#reply(exchange, result)
      } catch (error) {
        return this.#pluginFailed(exchange, instance, error)
      }
    }
    this.#route(exchange)
  }

  #route(exchange: Exchange): void {
    const match = this.#context.config.router.match(exchange.client.routerInput(exchange))
    if (match === null) return this.failed(exchange, 'no_route')
    exchange.match = match
    exchange.matchedRoute = match.route
    exchange.plan = match.route.plan()
    adoptPlan(exchange, exchange.plan.anonymous)
    const answer = protocolAnswer(exchange)
    if (answer !== null) return this.#answer(exchange, answer)
    if (exchange.hasAccess) this.#access(exchange, 0)
    else this.#forward(exchange)
  }

  /** By position. The consumer that one plugin finds decides which instances run at later positions. */
  #access(exchange: Exchange, from: number): void {
    for (let position = from; position < exchange.instances.length; position++) {
      const instance = exchange.instances[position]
      if (instance == null || instance.handlers.access === undefined) continue
      const { consumer } = exchange
      try {
        const result = instance.handlers.access(exchange)
        if (result instanceof Promise) {
          const next = () => {
            if (exchange.consumer !== consumer) adoptConsumer(exchange, position + 1)
            this.#access(exchange, position + 1)
          }
          return void this.#continue(exchange, instance, result, next)
        }
        if (exchange.consumer !== consumer) adoptConsumer(exchange, position + 1)
        if (result !== undefined) return this.#reply(exchange, result)
      } catch (error) {
        return this.#pluginFailed(exchange, instance, error)
      }
    }
    this.#forward(exchange)
  }

  /** Awaits a plugin; `next` goes on unless the plugin answered or the client went away. */
  async #continue(
    exchange: Exchange,
    instance: PluginInstance,
    pending: Promise<Reply | undefined>,
    next: () => void,
  ): Promise<void> {
    try {
      const result = await pending
      if (exchange.isOver) return
      if (result === undefined) next()
      else this.#reply(exchange, result)
    } catch (error) {
      if (!exchange.isOver) this.#pluginFailed(exchange, instance, error)
    }
  }

  #forward(exchange: Exchange): void {
    if (exchange.matchedRoute!.service === null) this.failed(exchange, 'no_service')
    else this.forwarder.start(exchange)
  }

  /** More of the request body came. */
  bodyArrived(exchange: Exchange, bytes: Buffer, from: number, to: number): void {
    if (exchange.isBodyTooLarge && exchange.sentHead === '') return this.failed(exchange, 'body_too_large')
    this.forwarder.bodyArrived(exchange, bytes, from, to)
    if (exchange.body!.isComplete) exchange.body!.settle()
  }

  /** No route can be found for what is no request, so of plugins the global ones filter and log its answer. */
  headRefused(exchange: Exchange, code: FailureCode): void {
    this.#context.counts.requests++
    this.failed(exchange, code)
  }

  bodyRefused(exchange: Exchange, code: FailureCode): void {
    this.failed(exchange, code)
  }

  clientDrained(exchange: Exchange): void {
    this.forwarder.clientDrained(exchange)
  }

  tunnelHalfClosed(exchange: Exchange): void {
    exchange.upstream?.end()
  }

  /** The upstream's head: through the header filters, if any, into the head of our answer. */
  answerHead(exchange: Exchange, connection: Connection): boolean {
    const { head } = connection
    if (!exchange.hasHeaderFilter) {
      const overrides = exchange.answerEdits === null ? null : exchange.answerEdits.overridesOn(head)
      if (overrides !== null || exchange.answerEdits === null) {
        exchange.pendingHead = buildProxiedHead(exchange, head, this.#replaced, overrides)
        return true
      }
    }
    const headers = loadProxiedAnswer(exchange, head, this.#replaced)
    this.#filterHeaders(exchange)
    setOwnFields(exchange, headers, head)
    const { transforms } = exchange.response
    if (transforms !== null && head.bodyLength !== 0) exchange.transformation = new BodyTransformation(transforms)
    else exchange.pendingHead = sealAnswer(exchange, headers, frameAnswer(exchange, head, head.bodyLength))
    return true
  }

  #filterHeaders(exchange: Exchange): void {
    for (const instance of exchange.instances) {
      try {
        instance?.handlers.headerFilter?.(exchange)
      } catch (error) {
        this.#logPluginError(exchange, instance!, error)
      }
    }
  }

  /** A piece of the upstream's body. Returns false when the client should not be given more for now. */
  answerBytes(exchange: Exchange, bytes: Buffer, from: number, to: number, isLast: boolean): boolean {
    if (exchange.transformation !== null) return this.#transformBytes(exchange, bytes, from, to, isLast)
    const head = exchange.pendingHead
    if (head !== '') {
      exchange.pendingHead = ''
      exchange.sentHead = head
    } else if (from === to && !isLast) return true
    const before = exchange.sendsChunks ? head + chunkHead(from, to) : head
    const after = exchange.sendsChunks ? chunkTail(from, to, isLast, trailersFor(exchange)) : ''
    exchange.responseBytes += before.length + to - from + after.length
    const goesOn = exchange.client.write(before, bytes, from, to, after)
    if (isLast) this.#finish(exchange)
    return goesOn
  }

  #transformBytes(exchange: Exchange, bytes: Buffer, from: number, to: number, isLast: boolean): boolean {
    const transformation = exchange.transformation!
    if (!transformation.add(bytes, from, to, this.#context.settings.client.bufferedBodyBytesMax)) {
      this.#context.log.error('response body too large to be transformed', { request_id: exchange.id })
      exchange.transformation = null
      this.failed(exchange, 'internal')
    } else if (isLast) {
      transformation.run().then(
        body => this.#sendTransformed(exchange, body),
        error => {
          this.#context.log.error('body transformation failed', { message: String(error), request_id: exchange.id })
          if (!exchange.isOver) this.failed(exchange, 'internal')
        },
      )
    }
    return true
  }

  #sendTransformed(exchange: Exchange, body: Buffer): void {
    if (exchange.isOver) return
    exchange.transformation = null
    exchange.pendingHead = sealAnswer(exchange, exchange.response.known, frameAnswer(exchange, null, body.length))
    this.answerBytes(exchange, body, 0, body.length, true)
  }

  /** A plugin answers instead of the upstream. */
  #reply(exchange: Exchange, reply: Reply): void {
    this.#answer(exchange, replyAnswer(exchange, reply))
  }

  /** Something went wrong: an error answer, or, if the answer has begun, an end that cannot be taken for its end. */
  failed(exchange: Exchange, code: FailureCode): void {
    if (exchange.isOver) return
    if (exchange.sentHead !== '') return this.#breakOff(exchange)
    exchange.pendingHead = ''
    exchange.sendsChunks = false
    this.#answer(exchange, failureAnswer(exchange, code))
  }

  #answer(exchange: Exchange, answer: OwnAnswer): void {
    if (exchange.isOver) return
    this.forwarder.abort(exchange)
    if (exchange.body !== null) exchange.body.discard()
    if (exchange.matchedRoute === null) adoptPlan(exchange, this.#context.config.globalPlan())
    const headers = buildOwnAnswer(exchange, answer)
    if (exchange.hasHeaderFilter) this.#filterHeaders(exchange)
    setOwnFields(exchange, headers, null)
    const transforms = exchange.answerEdits?.transforms ?? null
    if (transforms !== null && answer.body.length > 0 && exchange.head.method !== 'HEAD') {
      exchange.transformation = new BodyTransformation(transforms)
      this.#transformBytes(exchange, answer.body, 0, answer.body.length, true)
      return
    }
    exchange.pendingHead = sealAnswer(exchange, headers, frameAnswer(exchange, null, answer.body.length))
    const length = exchange.hasBodilessAnswer ? 0 : answer.body.length
    this.answerBytes(exchange, answer.body, 0, length, true)
  }

  #pluginFailed(exchange: Exchange, instance: PluginInstance, error: unknown): void {
    this.#logPluginError(exchange, instance, error)
    // Bodies that a plugin asked for may be too large or never end; both say so themselves.
    const status = error instanceof Error && 'status' in error ? error.status : 500
    if (status === 413) this.failed(exchange, 'body_too_large')
    else this.failed(exchange, 'plugin_failed')
  }

  #logPluginError(exchange: Exchange, instance: PluginInstance, error: unknown): void {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
    this.#context.log.error(`plugin ${instance.name} failed`, { message, request_id: exchange.id })
  }

  interimHead(exchange: Exchange, connection: Connection): void {
    const { head } = connection
    const lines = interimLines(head, this.#replaced)
    exchange.client.write(`HTTP/1.1 ${head.statusText}\r\n${lines}\r\n`, null, 0, 0, '')
  }

  /** The upstream agreed to speak WebSocket: from here on bytes pass both ways until either side ends. */
  switchedProtocols(exchange: Exchange, connection: Connection): void {
    exchange.status = exchange.upstreamStatus = 101
    exchange.answeredAt = this.#context.clock.now()
    const headers = loadProxiedAnswer(exchange, connection.head, this.#replaced)
    this.#filterHeaders(exchange)
    setOwnFields(exchange, headers, connection.head)
    exchange.isTunnel = true
    exchange.sentHead = sealAnswer(exchange, headers, 'Connection: upgrade\r\nUpgrade: websocket\r\n')
    exchange.responseBytes = exchange.sentHead.length
    exchange.client.write(exchange.sentHead, null, 0, 0, '')
  }

  tunnelEnded(exchange: Exchange): void {
    this.#finish(exchange)
  }

  /** The client closed or reset its connection before the answer was complete. */
  clientGone(exchange: Exchange): void {
    if (exchange.isOver) return
    // nginx's code for it; it is only ever logged.
    if (exchange.sentHead === '') exchange.status = 499
    this.#breakOff(exchange)
  }

  #breakOff(exchange: Exchange): void {
    this.forwarder.abort(exchange)
    this.#log(exchange)
    exchange.client.destroy()
  }

  #finish(exchange: Exchange): void {
    if (exchange.upstream !== null) this.forwarder.abort(exchange)
    this.#log(exchange)
    exchange.client.finish(exchange.keepAlive)
  }

  #log(exchange: Exchange): void {
    exchange.isOver = true
    exchange.body?.abandon()
    if (exchange.hasLog) {
      for (const instance of exchange.instances) {
        try {
          instance?.handlers.log?.(exchange)
        } catch (error) {
          this.#logPluginError(exchange, instance!, error)
        }
      }
    }
    this.#context.accessLog?.exchange(exchange)
    exchange.body?.release()
    exchange.answerSpool?.close()
  }
}

function adoptPlan(exchange: Exchange, plan: ResolvedPlan): void {
  exchange.instances = plan.instances
  exchange.hasAccess = plan.hasAccess
  exchange.hasHeaderFilter = plan.hasHeaderFilter
  exchange.hasLog = plan.hasLog
}

/** Instances at earlier positions stay those that have run, for their header filters and logs. */
function adoptConsumer(exchange: Exchange, from: number): void {
  const plan = exchange.plan!
  if (plan.consumerIndependent) return
  const id = exchange.consumerId
  const resolved = id === null ? plan.anonymous : plan.forConsumer(id)
  exchange.instances = [...exchange.instances.slice(0, from), ...resolved.instances.slice(from)]
  exchange.hasHeaderFilter ||= resolved.hasHeaderFilter
  exchange.hasLog ||= resolved.hasLog
}

function trailersFor(exchange: Exchange): Exchange['answerTrailers'] {
  return exchange.head.acceptsTrailers ? exchange.answerTrailers : null
}

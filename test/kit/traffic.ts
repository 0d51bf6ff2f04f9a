/** Requests, upstreams and waiting, for black-box tests. */
import { Agent, createServer, type IncomingHttpHeaders, request as httpRequest, type Server } from 'node:http'
import { Agent as TlsAgent, request as tlsRequest } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  json(): any
}

export interface RequestOptions {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: string | object
  readonly agent?: Agent
  readonly timeoutMs?: number
}

/** One request, whatever certificate the other side has; on a connection of its own (unless an agent is given); rejects when there is no whole answer. */
export function send(
  url: string,
  { method = 'GET', headers = {}, body, agent, timeoutMs = 10_000 }: RequestOptions = {},
): Promise<Answer> {
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
  const contentType = typeof body === 'object' ? { 'content-type': 'application/json' } : {}
  return new Promise((resolve, reject) => {
    const request = url.startsWith('https:') ? tlsRequest : httpRequest
    const outgoing = request(
      url,
      { method, headers: { ...contentType, ...headers }, agent: agent ?? false, rejectUnauthorized: false },
      incoming => {
        const chunks: Buffer[] = []
        incoming.on('data', chunk => chunks.push(chunk))
        incoming.on('error', reject)
        incoming.on('aborted', () => reject(new Error('the answer was cut off')))
        incoming.on('end', () => {
          const answer = Buffer.concat(chunks).toString('utf8')
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: answer,
            json: () => JSON.parse(answer),
          })
        })
      },
    )
    outgoing.setTimeout(timeoutMs, () => outgoing.destroy(new Error(`no answer from ${url} within ${timeoutMs} ms`)))
    outgoing.on('error', reject)
    outgoing.end(text)
  })
}

/** An Admin API call that must succeed; returns the entity. */
export async function admin(base: string, method: string, path: string, body?: object) {
  const answer = await send(`${base}${path}`, body === undefined ? { method } : { method, body })
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`)
  return answer.body === '' ? null : answer.json()
}

export interface Upstream {
  readonly port: number
  readonly url: string
  /** Requests seen so far. */
  readonly requests: { readonly method: string; readonly url: string; readonly headers: IncomingHttpHeaders }[]
}

/** An upstream that answers JSON with what it received and its own name. */
export async function anUpstream(t: TestContext, name = 'upstream'): Promise<Upstream> {
  const requests: Upstream['requests'] = []
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = []
    incoming.on('data', chunk => chunks.push(chunk))
    incoming.on('end', () => {
      const { method = '', url = '', headers } = incoming
      requests.push({ method, url, headers })
      const answer = JSON.stringify({ name, method, url, headers, body: Buffer.concat(chunks).toString('utf8') })
      outgoing.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(answer) })
      outgoing.end(answer)
    })
  })
  await listen(t, server)
  const { port } = server.address() as AddressInfo
  return { port, url: `http://127.0.0.1:${port}`, requests }
}

/** Listens on a free port until the test is over. */
export async function listen(t: TestContext, server: Server): Promise<void> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
}

/** Asks again until the condition holds. For what has no event that a black-box test could await. */
export async function eventually<T>(
  what: string,
  condition: () => Promise<T | false | null | undefined>,
  timeoutMs = 15_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs
  let last: unknown
  while (performance.now() < deadline) {
    try {
      const value = await condition()
      if (value) return value
      last = value
    } catch (error) {
      last = error
    }
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  throw new Error(
    `waited ${timeoutMs} ms for: ${what} (last: ${last instanceof Error ? last.message : JSON.stringify(last)})`,
  )
}

/** Steady traffic on keep-alive connections until it is stopped or the test is over; counts what did not succeed. */
export class Traffic {
  readonly #agent: Agent
  readonly failures: string[] = []
  answered = 0
  #isRunning = true
  readonly #clients: Promise<void>[]

  constructor(
    t: Pick<TestContext, 'after'>,
    url: string,
    { clients = 4, headers = {}, isGood = (answer: Answer) => answer.status === 200 } = {},
  ) {
    t.after(() => this.stop())
    const options = { keepAlive: true, maxSockets: 16 }
    this.#agent = url.startsWith('https:') ? new TlsAgent(options) : new Agent(options)
    this.#clients = Array.from({ length: clients }, async () => {
      while (this.#isRunning) {
        try {
          const answer = await send(url, { agent: this.#agent, headers })
          if (isGood(answer)) this.answered += 1
          else this.failures.push(`${answer.status} ${answer.body.slice(0, 200)}`)
        } catch (error) {
          this.failures.push((error as Error).message)
        }
        await new Promise(resolve => setImmediate(resolve))
      }
    })
  }

  /** Resolves when that many more requests were answered. */
  async more(count: number): Promise<void> {
    const target = this.answered + count
    await eventually(
      `${count} more answers (failures: ${this.failures.slice(0, 3).join('; ')})`,
      async () => this.answered >= target,
    )
  }

  async stop(): Promise<void> {
    this.#isRunning = false
    await Promise.all(this.#clients)
    this.#agent.destroy()
  }
}

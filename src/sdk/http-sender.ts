/** Sends one HTTP request to a server that the operator configured, over connections that are kept alive. */
import type { Agent } from 'node:http'
import https from 'node:https'
import { http } from '../base/node-http.ts'

export interface HttpSend {
  readonly url: URL
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array
  /** Longest time without progress, while connecting, sending or waiting. */
  readonly timeoutMs: number
  /** How long an idle connection is kept. */
  readonly keepaliveMs: number
  /** Kong's log plugins accept any certificate (`ssl_verify = false` in 3.9); others should say true. */
  readonly verifyTls: boolean
}
export interface HttpAnswer {
  readonly status: number
  /** At most the first `answerBytesMax` bytes. */
  readonly body: string
}
/** Rejects when no complete answer came. */
export type HttpSender = (request: HttpSend) => Promise<HttpAnswer>

/** An answer is only read for its status and an excerpt in a log line. */
const answerBytesMax = 4096
/** Agents by keep-alive time and verification; configurations rarely have more than a few. */
const agentCountMax = 64

export function createHttpSender(): HttpSender & { close(): void } {
  const agents = new Map<string, Agent>()

  function agentFor({ url, keepaliveMs, verifyTls }: HttpSend): Agent {
    const key = `${url.protocol}${keepaliveMs}${verifyTls}`
    const known = agents.get(key)
    if (known !== undefined) return known
    for (const [oldest, agent] of agents) {
      if (agents.size < agentCountMax) break
      agent.destroy()
      agents.delete(oldest)
    }
    const options = { keepAlive: true, timeout: keepaliveMs, maxSockets: 32 }
    const agent =
      url.protocol === 'https:'
        ? new https.Agent({ ...options, rejectUnauthorized: verifyTls })
        : new http.Agent(options)
    agents.set(key, agent)
    return agent
  }

  function closeAgents() {
    for (const agent of agents.values()) agent.destroy()
    agents.clear()
  }

  function send(request: HttpSend): Promise<HttpAnswer> {
    const { url, method, headers, body, timeoutMs } = request
    const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>()
    const client = url.protocol === 'https:' ? https : http
    const outgoing = client.request(
      url,
      { method, headers, agent: agentFor(request), timeout: timeoutMs },
      incoming => {
        const chunks: Buffer[] = []
        let kept = 0
        incoming.on('data', (chunk: Buffer) => {
          if (kept < answerBytesMax) chunks.push(chunk.subarray(0, answerBytesMax - kept))
          kept += chunk.length
        })
        incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, body: Buffer.concat(chunks).toString() }))
        incoming.on('error', reject)
      },
    )
    outgoing.on('timeout', () => outgoing.destroy(new Error('timeout')))
    outgoing.on('error', reject)
    outgoing.end(body)
    return promise
  }

  return Object.assign(send, { close: closeAgents })
}

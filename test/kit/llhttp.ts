/** Node's own HTTP parser, strict, as another opinion on what a text means. */
import { createRequire } from 'node:module'

interface NodeParser {
  initialize(type: number, resource: object): void
  execute(bytes: Buffer): number | Error
  finish(): unknown
  [event: number]: unknown
}
interface NodeParserClass {
  new (): NodeParser
  readonly REQUEST: number
  readonly RESPONSE: number
  readonly kOnHeaders: number
  readonly kOnHeadersComplete: number
  readonly kOnBody: number
  readonly kOnMessageComplete: number
}
/** Not public, but what `node:http` itself uses, and there in every Node that runs this. */
const { HTTPParser, methods } = createRequire(import.meta.url)('_http_common') as {
  readonly HTTPParser: NodeParserClass
  readonly methods: readonly string[]
}

export interface ParsedMessage {
  /** Of a request. */
  readonly method: string
  readonly target: string
  /** Of an answer; 0 otherwise. */
  readonly status: number
  /** How many, trailers not counted. */
  readonly fields: number
  readonly body: string
}

/** All complete messages; an answer whose body has no end of its own ends with the text. */
export function parseWithNode(text: string, kind: 'REQUEST' | 'RESPONSE'): ParsedMessage[] {
  const messages: ParsedMessage[] = []
  const parser = new HTTPParser()
  parser.initialize(HTTPParser[kind], {})
  const nothing = { method: '', target: '', status: 0, fields: 0, body: '' }
  let message = { ...nothing }
  let isHeadDone = false
  // Comes before the head is complete when there are many fields, and again for trailers.
  parser[HTTPParser.kOnHeaders] = (headers: string[], url: string) => {
    if (isHeadDone) return
    message.fields += headers.length / 2
    message.target += url
  }
  parser[HTTPParser.kOnHeadersComplete] = (
    _major: number,
    _minor: number,
    headers: string[] | undefined,
    method: number,
    url: string,
    status: number,
  ) => {
    message.method = kind === 'REQUEST' ? methods[method]! : ''
    message.target += url ?? ''
    message.status = status ?? 0
    message.fields += (headers?.length ?? 0) / 2
    isHeadDone = true
  }
  parser[HTTPParser.kOnBody] = (piece: Buffer) => {
    message.body += piece.toString('latin1')
  }
  parser[HTTPParser.kOnMessageComplete] = () => {
    messages.push(message)
    message = { ...nothing }
    isHeadDone = false
  }
  if (!(parser.execute(Buffer.from(text, 'latin1')) instanceof Error)) parser.finish()
  return messages
}

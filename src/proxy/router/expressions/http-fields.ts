/** What the fields of HTTP routes' expressions read from a request. */
import { type SegmentRange, segmentRange } from '../../../entities/expressions/check.ts'
import type { RouterInput } from '../router.ts'
import type { FieldReader } from './compile.ts'

type Reader = FieldReader<RouterInput>

/** '' is how the listener says that there is none. */
const present = (text: string) => (text === '' ? undefined : text)

const FIELDS: Readonly<Record<string, Reader>> = {
  'net.protocol': { type: 'text', read: input => input.scheme },
  'tls.sni': { type: 'text', read: input => present(input.sni) },
  'net.src.ip': { type: 'ip', read: input => input.sourceIp },
  'net.src.port': { type: 'number', read: input => input.sourcePort },
  'net.dst.ip': { type: 'ip', read: input => input.destinationIp },
  'net.dst.port': { type: 'number', read: input => input.port },
  'http.method': { type: 'text', read: input => input.method },
  'http.host': { type: 'text', read: input => present(input.host) },
  'http.path': { type: 'text', read: input => input.path },
  'http.path.segments.len': { type: 'number', read: input => segmentsOf(input.path).length },
}

export function httpField(field: string): Reader {
  const fixed = FIELDS[field]
  if (fixed !== undefined) return fixed
  const name = field.slice(field.lastIndexOf('.') + 1)
  if (field.startsWith('http.headers.')) return headerReader(name)
  if (field.startsWith('http.queries.')) return { type: 'texts', read: input => input.queryValues(name) }
  return segmentReader(segmentRange(name)!)
}

/** Underscores stand for dashes; a header that was sent with underscores is meant first, as in Kong. */
function headerReader(name: string): Reader {
  const dashed = name.toLowerCase().replaceAll('_', '-')
  if (dashed === name.toLowerCase()) return { type: 'texts', read: input => input.headerValues(dashed) }
  const underscored = name.toLowerCase()
  return {
    type: 'texts',
    read: input => {
      const sent = input.headerValues(underscored)
      return sent.length > 0 ? sent : input.headerValues(dashed)
    },
  }
}

function segmentReader({ first, last, isRange }: SegmentRange): Reader {
  if (!isRange) return { type: 'text', read: input => segmentsOf(input.path)[first] }
  return {
    type: 'text',
    read: input => {
      const segments = segmentsOf(input.path)
      return last < segments.length ? segments.slice(first, last + 1).join('/') : undefined
    },
  }
}

let lastPath = ''
let lastSegments: readonly string[] = []

/** Without the empty ones at the end: `/a/b/` has two. Many routes ask for those of one request. */
function segmentsOf(path: string): readonly string[] {
  if (path === lastPath) return lastSegments
  const segments = path.slice(1).split('/')
  while (segments.at(-1) === '') segments.pop()
  lastPath = path
  lastSegments = segments
  return segments
}

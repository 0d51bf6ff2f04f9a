/** Small numbers for the header names that the proxy itself acts on, so that it compares names once, while scanning. */

export const OTHER = 0
export const HOST = 1
export const CONNECTION = 2
export const CONTENT_LENGTH = 3
export const TRANSFER_ENCODING = 4
export const EXPECT = 5
export const UPGRADE = 6
export const TE = 7
export const KEEP_ALIVE = 8
export const PROXY_CONNECTION = 9
export const PROXY = 10
export const X_FORWARDED_FOR = 11
export const X_FORWARDED_PROTO = 12
export const X_FORWARDED_HOST = 13
export const X_FORWARDED_PORT = 14
export const X_FORWARDED_PATH = 15
export const X_FORWARDED_PREFIX = 16
export const X_REAL_IP = 17
export const VIA = 18
export const X_KONG_REQUEST_ID = 19
export const TRAILER = 20
export const DATE = 21
export const SERVER = 22
export const X_KONG_UPSTREAM_LATENCY = 23
export const X_KONG_PROXY_LATENCY = 24
export const X_KONG_UPSTREAM_STATUS = 25
export const HTTP2_SETTINGS = 26
export const KONG_DEBUG = 27
export const CONTENT_TYPE = 28
export const CONTENT_ENCODING = 29

const NAMES: readonly (readonly [name: string, id: number])[] = [
  ['host', HOST],
  ['connection', CONNECTION],
  ['content-length', CONTENT_LENGTH],
  ['transfer-encoding', TRANSFER_ENCODING],
  ['expect', EXPECT],
  ['upgrade', UPGRADE],
  ['te', TE],
  ['keep-alive', KEEP_ALIVE],
  ['proxy-connection', PROXY_CONNECTION],
  ['proxy', PROXY],
  ['x-forwarded-for', X_FORWARDED_FOR],
  ['x-forwarded-proto', X_FORWARDED_PROTO],
  ['x-forwarded-host', X_FORWARDED_HOST],
  ['x-forwarded-port', X_FORWARDED_PORT],
  ['x-forwarded-path', X_FORWARDED_PATH],
  ['x-forwarded-prefix', X_FORWARDED_PREFIX],
  ['x-real-ip', X_REAL_IP],
  ['via', VIA],
  ['x-kong-request-id', X_KONG_REQUEST_ID],
  ['trailer', TRAILER],
  ['date', DATE],
  ['server', SERVER],
  ['x-kong-upstream-latency', X_KONG_UPSTREAM_LATENCY],
  ['x-kong-proxy-latency', X_KONG_PROXY_LATENCY],
  ['x-kong-upstream-status', X_KONG_UPSTREAM_STATUS],
  ['http2-settings', HTTP2_SETTINGS],
  ['kong-debug', KONG_DEBUG],
  ['content-type', CONTENT_TYPE],
  ['content-encoding', CONTENT_ENCODING],
]

interface Candidate {
  readonly codes: Uint8Array
  readonly id: number
}

const NO_CANDIDATES: readonly Candidate[] = []

/** Indexed by the length of a name; names of other lengths cost one lookup. */
const CANDIDATES: readonly (readonly Candidate[])[] = Array.from({ length: 32 }, (_, length) =>
  NAMES.filter(([name]) => name.length === length).map(([name, id]) => ({ codes: Buffer.from(name, 'latin1'), id })),
)

/** The id of the name in `bytes[from, to)`, which consists of token characters, compared without case. */
export function headerId(bytes: Uint8Array, from: number, to: number): number {
  const length = to - from
  const candidates = length < 32 ? CANDIDATES[length]! : NO_CANDIDATES
  for (let c = 0; c < candidates.length; c++) {
    const { codes, id } = candidates[c]!
    // Setting 0x20 lower-cases letters and maps no other token character onto a letter, digit or hyphen.
    let i = 0
    while (i < length && (bytes[from + i]! | 0x20) === codes[i]) i++
    if (i === length) return id
  }
  return OTHER
}

const IDS: ReadonlyMap<string, number> = new Map(NAMES)

/** The id of a name given as text in lower case. */
export function headerIdOf(lowerName: string): number {
  return IDS.get(lowerName) ?? OTHER
}

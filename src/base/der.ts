/** ASN.1 in DER (X.690): the few types that certificates and certificate requests are made of. */

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

function encode(tag: number, content: Buffer): Buffer {
  const length = content.length
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content])
  const bytes: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  return Buffer.concat([Buffer.from([tag, 0x80 | bytes.length, ...bytes]), content])
}

export const der = {
  sequence: (...members: readonly Buffer[]) => encode(TAG.sequence, Buffer.concat(members)),
  set: (...members: readonly Buffer[]) => encode(TAG.set, Buffer.concat(members)),
  octetString: (content: Buffer) => encode(TAG.octetString, content),
  utf8String: (text: string) => encode(TAG.utf8String, Buffer.from(text)),
  printableString: (text: string) => encode(TAG.printableString, Buffer.from(text, 'latin1')),
  boolean: (value: boolean) => encode(TAG.boolean, Buffer.from([value ? 0xff : 0])),
  null: () => Buffer.from([0x05, 0]),
  /** Whole bytes only, or with `unused` bits at the end. */
  bitString: (content: Buffer, unused = 0) => encode(TAG.bitString, Buffer.concat([Buffer.from([unused]), content])),
  /** Positive, big-endian. */
  integer(content: Buffer) {
    let start = 0
    while (start < content.length - 1 && content[start] === 0) start++
    const bytes = content.subarray(start)
    return encode(TAG.integer, (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : Buffer.from(bytes))
  },
  oid(dotted: string) {
    const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
    const bytes = [first * 40 + second]
    for (const arc of rest) {
      const groups = [arc & 0x7f]
      for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
        groups.unshift((left & 0x7f) | 0x80)
      bytes.push(...groups)
    }
    return encode(TAG.oid, Buffer.from(bytes))
  },
  /** RFC 5280, 4.1.2.5: two-digit years before 2050, four-digit years from then on. */
  time(date: Date) {
    const digits = date.toISOString().replace(/[-:T]|\.\d+/g, '')
    return date.getUTCFullYear() < 2050
      ? encode(TAG.utcTime, Buffer.from(digits.slice(2)))
      : encode(TAG.generalizedTime, Buffer.from(digits))
  },
  /** `[number] EXPLICIT`, or with a constructed content. */
  tagged: (number: number, content: Buffer) => encode(0xa0 | number, content),
  /** `[number] IMPLICIT` of a primitive type. */
  implicit: (number: number, content: Buffer) => encode(0x80 | number, content),
}

export interface DerNode {
  readonly tag: number
  readonly content: Buffer
  /** Tag, length and content: what a signature covers. */
  readonly whole: Buffer
}

/** Reads one value, which must fill `bytes`. Throws on anything else: the input comes from strangers. */
export function readDer(bytes: Buffer): DerNode {
  const { node, end } = readAt(bytes, 0)
  if (end !== bytes.length) throw new Error('malformed DER: bytes after the value')
  return node
}

/** The members of a sequence or set. */
export function readMembers(node: DerNode): DerNode[] {
  const members: DerNode[] = []
  for (let at = 0; at < node.content.length; ) {
    const { node: member, end } = readAt(node.content, at)
    members.push(member)
    at = end
  }
  return members
}

function readAt(bytes: Buffer, at: number): { node: DerNode; end: number } {
  const tag = bytes[at]
  const first = bytes[at + 1]
  if (tag === undefined || first === undefined) throw new Error('malformed DER: value cut off')
  if ((tag & 0x1f) === 0x1f) throw new Error('malformed DER: long tag')
  let length = first
  let start = at + 2
  if (first >= 0x80) {
    const count = first & 0x7f
    // Four bytes say four gigabytes; indefinite length (zero bytes) is BER, not DER.
    if (count === 0 || count > 4 || start + count > bytes.length) throw new Error('malformed DER: length')
    length = bytes.readUIntBE(start, count)
    start += count
  }
  const end = start + length
  if (end > bytes.length) throw new Error('malformed DER: value cut off')
  return { node: { tag, content: bytes.subarray(start, end), whole: bytes.subarray(at, end) }, end }
}

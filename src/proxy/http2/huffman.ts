/** HPACK's Huffman code (RFC 7541 appendix B). It is canonical, so the lengths of its codes say all of it. */

/** Bits per symbol, `A` for 5; the last one is the end-of-string symbol. */
const LENGTHS =
  'ISXXXXXXXTZXXZXXXXXXXXZXXXXXXXXXBFFHIBDGFFDGDBBBAAABBBBBBBCDKBHFIBCCCCCCCCCCCCCCCCCCCCCCDCDIOIJBKABABABBBACCBBBABC' +
  'BAABCCCCCKGJIXPRPPRRRSRSSSSSTSTTRSTSSSSQRSRSSTRQPRRSSQSRRTQRSSQQRQSRSSPRRRSRRSVVPORSRUVVVWWVTUOQVWWVWTQQVVXWWWPTPQR' +
  'QQSRRUUTTVSVWVVWWWWWXWWWWWVZ'
const END_OF_STRING = 256

const lengths = Uint8Array.from(LENGTHS, letter => letter.charCodeAt(0) - 60)
const codes = new Uint32Array(257)

/** Indexed by state and half a byte: the next state, with what happens on the way. */
const NEXT = 0xffff
const EMITS = 0x10000
const FAILS = 0x20000
const SYMBOL_SHIFT = 18
let transitions = new Int32Array(0)
/** States in which a string may end: less than a byte of ones since the last symbol (section 5.2). */
let isFinal = new Uint8Array(0)

/** Inner nodes of the code's tree; a number below zero is a symbol, `~symbol`. */
interface Node {
  readonly children: [number, number]
  readonly depth: number
  readonly isAllOnes: boolean
}

function assignCodes(): void {
  const order = Array.from(lengths.keys()).sort((a, b) => lengths[a]! - lengths[b]! || a - b)
  let code = 0
  let length = lengths[order[0]!]!
  for (const symbol of order) {
    code *= 2 ** (lengths[symbol]! - length)
    length = lengths[symbol]!
    codes[symbol] = code++
  }
}

function buildTree(): Node[] {
  const nodes: Node[] = [{ children: [0, 0], depth: 0, isAllOnes: true }]
  for (let symbol = 0; symbol <= END_OF_STRING; symbol++) {
    let node = nodes[0]!
    for (let bit = lengths[symbol]! - 1; bit >= 0; bit--) {
      const side = (codes[symbol]! >>> bit) & 1
      if (bit === 0) node.children[side] = ~symbol
      else {
        if (node.children[side] === 0) {
          node.children[side] = nodes.length
          nodes.push({ children: [0, 0], depth: node.depth + 1, isAllOnes: node.isAllOnes && side === 1 })
        }
        node = nodes[node.children[side]!]!
      }
    }
  }
  return nodes
}

function buildTransitions(nodes: readonly Node[]): void {
  transitions = new Int32Array(nodes.length * 16)
  isFinal = Uint8Array.from(nodes, ({ depth, isAllOnes }) => (isAllOnes && depth < 8 ? 1 : 0))
  for (let state = 0; state < nodes.length; state++) {
    for (let half = 0; half < 16; half++) transitions[state * 16 + half] = walk(nodes, state, half)
  }
}

function walk(nodes: readonly Node[], state: number, half: number): number {
  let at = state
  let emitted = 0
  for (let bit = 3; bit >= 0; bit--) {
    const child = nodes[at]!.children[(half >> bit) & 1]!
    if (child >= 0) at = child
    else if (~child === END_OF_STRING) return FAILS
    else {
      // The shortest code has five bits, so half a byte ends one symbol at most.
      emitted = EMITS | (~child << SYMBOL_SHIFT)
      at = 0
    }
  }
  return at | emitted
}

assignCodes()
buildTransitions(buildTree())

/** Bytes that `bytes` of Huffman-coded text may become at most. */
export function decodedBytesMax(bytes: number): number {
  return Math.ceil((bytes * 8) / 5)
}

/** Writes the text of `bytes[from, to)` to `target` from 0 on. Returns its length, or -1 for what is no code. */
export function decodeHuffman(bytes: Uint8Array, from: number, to: number, target: Uint8Array): number {
  let state = 0
  let length = 0
  for (let i = from; i < to; i++) {
    const byte = bytes[i]!
    let step = transitions[state * 16 + (byte >> 4)]!
    if ((step & EMITS) !== 0) target[length++] = step >> SYMBOL_SHIFT
    else if ((step & FAILS) !== 0) return -1
    step = transitions[(step & NEXT) * 16 + (byte & 15)]!
    if ((step & EMITS) !== 0) target[length++] = step >> SYMBOL_SHIFT
    else if ((step & FAILS) !== 0) return -1
    state = step & NEXT
  }
  return isFinal[state] === 1 ? length : -1
}

/** Bytes that this latin1 text takes when coded. */
export function huffmanBytes(text: string): number {
  let bits = 0
  for (let i = 0; i < text.length; i++) bits += lengths[text.charCodeAt(i)]!
  return (bits + 7) >> 3
}

/** Writes coded latin1 text at `at`; returns the position behind it. */
export function encodeHuffman(text: string, target: Uint8Array, at: number): number {
  let held = 0
  let bits = 0
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i)
    let left = lengths[symbol]!
    const code = codes[symbol]!
    // At most seven bits are held, and codes have up to 28 for bytes: too many for 32 bits at once.
    while (left > 0) {
      const take = Math.min(left, 8 - bits)
      held = (held << take) | ((code >>> (left - take)) & ((1 << take) - 1))
      bits += take
      left -= take
      if (bits === 8) {
        target[at++] = held
        held = 0
        bits = 0
      }
    }
  }
  if (bits > 0) target[at++] = (held << (8 - bits)) | (0xff >> bits)
  return at
}

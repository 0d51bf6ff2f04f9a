/**
 * Runs an expression in a time that is bounded by its size times the length of the text, however it is made: it
 * backtracks, but comes to no place of the expression at the same place of the text twice.
 */
import type { Assertion, CharacterSet, RegexNode, RegexTree } from './regex-syntax.ts'

/** Instructions. Of a larger expression even a linear run could take too long. */
export const PROGRAM_MAX = 5000
/** Instructions times characters: what a text may cost (about a quarter of a second); a longer one does not match. */
const STEPS_MAX = 2 ** 25

type Instruction =
  | { readonly op: 'set'; readonly set: CharacterSet }
  | { readonly op: 'assert'; readonly assertion: Assertion }
  | { readonly op: 'save'; readonly slot: number }
  /** Tries `first`, and `second` should that fail. */
  | { readonly op: 'split'; first: number; second: number }
  | { readonly op: 'jump'; to: number }
  | { readonly op: 'match' }

/** Kinds of steps, as numbers: the loop over them is all that runs. */
const SET = 0
const ASSERT = 1
const SAVE = 2
const SPLIT = 3
const JUMP = 4
const MATCH = 5

interface Program {
  readonly ops: Uint8Array
  /** First argument: where to go, a slot, or an index in `sets` or `assertions`. */
  readonly firsts: Int32Array
  /** Second way of a split. */
  readonly seconds: Int32Array
  /** Number of each step that can be come to from several, which are the ones to mark; -1 for the others. */
  readonly labels: Int32Array
  readonly labelCount: number
  readonly sets: readonly CharacterSet[]
  readonly assertions: readonly Assertion[]
}

export class LinearRegex {
  readonly #program: Program
  readonly #tree: RegexTree
  readonly #isAnchored: boolean

  private constructor(program: Program, tree: RegexTree) {
    this.#program = program
    this.#tree = tree
    this.#isAnchored = program.ops[1] === ASSERT && program.assertions[program.firsts[1]!] === 'start'
  }

  /** Null when the expression is too large. */
  static compile(tree: RegexTree): LinearRegex | null {
    const writer = new ProgramWriter()
    const whole: RegexNode = { kind: 'capture', index: 0, part: tree.root }
    const isWritten = writer.write(whole) && writer.add({ op: 'match' })
    return isWritten ? new LinearRegex(assemble(writer.program), tree) : null
  }

  /** As `RegExp.exec` of an expression without state. */
  exec(text: string): RegExpExecArray | null {
    const width = text.length + 1
    if (this.#program.ops.length * width > STEPS_MAX) return null
    const visited = new Uint32Array((this.#program.labelCount * width + 31) >>> 5)
    const slots = new Int32Array(this.#tree.captures * 2)
    for (let start = 0; start < width; start++) {
      slots.fill(-1)
      if (this.#run(text, start, { visited, slots })) return this.#result(text, slots)
      if (this.#isAnchored) return null
    }
    return null
  }

  #run(text: string, start: number, { visited, slots }: { visited: Uint32Array; slots: Int32Array }): boolean {
    const { ops, firsts, seconds, labels, sets, assertions } = this.#program
    const width = text.length + 1
    /** Where to go on: a step with a position, or (negative) a slot with its value before. */
    const pending = [0, start]
    while (pending.length > 0) {
      let at = pending.pop()!
      let step = pending.pop()!
      if (step < 0) {
        slots[-step - 1] = at
        continue
      }
      for (;;) {
        const label = labels[step]!
        if (label >= 0) {
          const mark = label * width + at
          if (((visited[mark >>> 5]! >>> (mark & 31)) & 1) !== 0) break
          visited[mark >>> 5] = visited[mark >>> 5]! | (1 << (mark & 31))
        }
        const op = ops[step]
        const first = firsts[step]!
        if (op === SET) {
          const length = this.#lengthOf(sets[first]!, text, at)
          if (length === 0) break
          at += length
          step++
        } else if (op === SPLIT) {
          pending.push(seconds[step]!, at)
          step = first
        } else if (op === JUMP) step = first
        else if (op === SAVE) {
          pending.push(-first - 1, slots[first]!)
          slots[first] = at
          step++
        } else if (op === MATCH) return true
        else if (holds(assertions[first]!, text, at)) step++
        else break
      }
    }
    return false
  }

  /** Units of the character at a place when it is in the set, else 0. */
  #lengthOf({ latin, rest }: CharacterSet, text: string, at: number): number {
    if (at >= text.length) return 0
    const code = text.charCodeAt(at)
    if (code < 256) return latin[code]!
    if (rest === null) return 0
    if (!this.#tree.isUnicode) return rest.test(text[at]!) ? 1 : 0
    const character = String.fromCodePoint(text.codePointAt(at)!)
    return rest.test(character) ? character.length : 0
  }

  #result(text: string, slots: Int32Array): RegExpExecArray {
    const captures: (string | undefined)[] = []
    for (let i = 0; i < slots.length; i += 2)
      captures.push(slots[i + 1]! < 0 ? undefined : text.slice(slots[i], slots[i + 1]))
    const names = [...this.#tree.names]
    const groups = names.length === 0 ? undefined : Object.fromEntries(names.map(([name, i]) => [name, captures[i]]))
    return Object.assign(captures, { index: slots[0]!, input: text, groups }) as unknown as RegExpExecArray
  }
}

function assemble(instructions: readonly Instruction[]): Program {
  const size = instructions.length
  const [ops, firsts, seconds] = [new Uint8Array(size), new Int32Array(size), new Int32Array(size)]
  const sets: CharacterSet[] = []
  const assertions: Assertion[] = []
  const targets = new Set<number>()
  instructions.forEach((instruction, step) => {
    const [op, first, second] = encode(instruction, sets, assertions)
    ops[step] = op
    firsts[step] = first
    seconds[step] = second
    if (op === SPLIT) targets.add(step).add(first).add(second)
    else if (op === JUMP) targets.add(first)
  })
  const labels = new Int32Array(size).fill(-1)
  let labelCount = 0
  for (const step of targets) labels[step] = labelCount++
  return { ops, firsts, seconds, labels, labelCount, sets, assertions }
}

function encode(
  instruction: Instruction,
  sets: CharacterSet[],
  assertions: Assertion[],
): readonly [op: number, first: number, second: number] {
  switch (instruction.op) {
    case 'set':
      return [SET, sets.push(instruction.set) - 1, 0]
    case 'assert':
      return [ASSERT, assertions.push(instruction.assertion) - 1, 0]
    case 'save':
      return [SAVE, instruction.slot, 0]
    case 'split':
      return [SPLIT, instruction.first, instruction.second]
    case 'jump':
      return [JUMP, instruction.to, 0]
    default:
      return [MATCH, 0, 0]
  }
}

function isWord(text: string, at: number): boolean {
  return at >= 0 && at < text.length && /\w/.test(text[at]!)
}

function holds(assertion: Assertion, text: string, at: number): boolean {
  switch (assertion) {
    case 'start':
      return at === 0
    case 'end':
      return at === text.length
    case 'line start':
      return at === 0 || text[at - 1] === '\n'
    case 'line end':
      return at === text.length || text[at] === '\n'
    case 'word boundary':
      return isWord(text, at - 1) !== isWord(text, at)
    default:
      return isWord(text, at - 1) === isWord(text, at)
  }
}

/** Each method returns false when the program became too large. */
class ProgramWriter {
  readonly program: Instruction[] = []

  add(instruction: Instruction): boolean {
    return this.program.push(instruction) <= PROGRAM_MAX
  }

  write(node: RegexNode): boolean {
    switch (node.kind) {
      case 'set':
        return this.add({ op: 'set', set: node.set })
      case 'assertion':
        return this.add({ op: 'assert', assertion: node.assertion })
      case 'sequence':
        return node.parts.every(part => this.write(part))
      case 'capture': {
        const slot = node.index * 2
        return this.add({ op: 'save', slot }) && this.write(node.part) && this.add({ op: 'save', slot: slot + 1 })
      }
      case 'alternation':
        return this.#alternation(node.parts)
      default:
        return this.#repetition(node)
    }
  }

  #alternation(parts: readonly RegexNode[]): boolean {
    const jumps: { op: 'jump'; to: number }[] = []
    for (const [index, part] of parts.entries()) {
      if (index === parts.length - 1) {
        if (!this.write(part)) return false
        continue
      }
      const split = this.#split()
      const jump = { op: 'jump', to: 0 } as { op: 'jump'; to: number }
      if (!this.write(part) || !this.add(jump)) return false
      jumps.push(jump)
      split.second = this.program.length
    }
    for (const jump of jumps) jump.to = this.program.length
    return true
  }

  #repetition({ part, min, max, isLazy }: Extract<RegexNode, { kind: 'repetition' }>): boolean {
    for (let i = 0; i < min; i++) if (!this.write(part)) return false
    if (max === Number.POSITIVE_INFINITY) {
      const begin = this.program.length
      const split = this.#split()
      if (!this.write(part) || !this.add({ op: 'jump', to: begin })) return false
      this.#endOptional(split, isLazy)
      return true
    }
    const splits: Extract<Instruction, { op: 'split' }>[] = []
    for (let i = min; i < max; i++) {
      splits.push(this.#split())
      if (!this.write(part)) return false
    }
    for (const split of splits) this.#endOptional(split, isLazy)
    return true
  }

  /** Goes on with the next instruction; where else is filled in later. */
  #split(): Extract<Instruction, { op: 'split' }> {
    const split = { op: 'split', first: this.program.length + 1, second: 0 } as const
    const made: Extract<Instruction, { op: 'split' }> = { ...split }
    this.program.push(made)
    return made
  }

  #endOptional(split: Extract<Instruction, { op: 'split' }>, isLazy: boolean): void {
    split.second = this.program.length
    if (isLazy) [split.first, split.second] = [split.second, split.first]
  }
}

/**
 * How the time that a backtracking engine takes for an expression grows with the length of the text, whatever the text.
 *
 * Linearly when at each character there is only one way to go on (Glushkov's construction has no place with two
 * successors for one character). A choice outside of loops may double it. A loop such as `.*` that may end anywhere
 * multiplies it by the length, together with each loop that follows. Of anything else nothing is claimed.
 */
import type { CharacterSet, RegexNode, RegexTree } from './regex-syntax.ts'

/** Places for characters, counted repetitions written out. Beyond, judging would take too long. */
const POSITIONS_MAX = 300
/** Each may double the time. */
const CHOICES_MAX = 8

/** Steps: some milliseconds. */
const STEPS_MAX = 2 ** 22

/** The longest text, in characters, for which a backtracking engine can be trusted; 0 when it cannot be at all. */
export function backtrackingLengthMax(tree: RegexTree): number {
  const judge = new Judge()
  try {
    judge.whole(tree.root)
  } catch (error) {
    if (error instanceof Unsafe) return 0
    throw error
  }
  const growth = judge.growth()
  if (growth === null) return 0
  // Not anchored, it is tried at each character anew.
  const degree = growth.degree + (judge.isBounded() || isAnchoredAt(tree.root) ? 0 : 1)
  return degree < 2 ? Number.POSITIVE_INFINITY : Math.floor((STEPS_MAX / 2 ** growth.choices) ** (1 / degree))
}

/** Tried at one place only, and not at each character anew. */
function isAnchoredAt(node: RegexNode): boolean {
  switch (node.kind) {
    case 'assertion':
      return node.assertion === 'start'
    case 'sequence':
      return node.parts.length > 0 && isAnchoredAt(node.parts[0]!)
    case 'alternation':
      return node.parts.every(isAnchoredAt)
    case 'capture':
      return isAnchoredAt(node.part)
    default:
      return false
  }
}

/** Nothing can be claimed. */
class Unsafe extends Error {}

interface Part {
  readonly isNullable: boolean
  readonly first: readonly number[]
  readonly last: readonly number[]
}

const NOTHING: Part = { isNullable: true, first: [], last: [] }

class Judge {
  readonly #sets: CharacterSet[] = []
  /** In a loop without end. */
  readonly #isLooped: boolean[] = []
  readonly #follow: Set<number>[] = []
  #first: readonly number[] = []
  #loops = 0
  /** Ways to match nothing, beyond one each. */
  #choices = 0
  /** Places that form a loop of their own, outside of all others, by where the loop stands among all loops. */
  readonly #selfLoops = new Map<number, number>()
  #loopCount = 0

  whole(root: RegexNode): void {
    this.#first = this.#part(root).first
  }

  isBounded(): boolean {
    return this.#loopCount === 0
  }

  /** `degree` 1 is linear; null when nothing can be claimed. */
  growth(): { readonly degree: number; readonly choices: number } | null {
    let firstOpen = Number.POSITIVE_INFINITY
    for (const successors of [this.#first, ...this.#follow]) {
      const list = [...successors]
      for (let i = 0; i < list.length; i++)
        for (let j = i + 1; j < list.length; j++) {
          if (!overlaps(this.#sets[list[i]!]!, this.#sets[list[j]!]!)) continue
          const loop = this.#openLoop(list[i]!, list[j]!)
          if (loop === null) return null
          firstOpen = Math.min(firstOpen, loop)
        }
    }
    if (this.#choices > CHOICES_MAX) return null
    return { degree: Math.max(1, this.#loopCount - firstOpen + 1), choices: this.#choices }
  }

  /** Which loop may end although it could go on; Infinity when it is a choice outside of loops; null for others. */
  #openLoop(a: number, b: number): number | null {
    const [isA, isB] = [this.#isLooped[a]!, this.#isLooped[b]!]
    if (!isA && !isB) {
      this.#choices++
      return Number.POSITIVE_INFINITY
    }
    const loops = [a, b].filter((_, i) => (i === 0 ? isA : isB)).map(at => this.#selfLoops.get(at))
    return loops.includes(undefined) ? null : Math.min(...(loops as number[]))
  }

  #part(node: RegexNode): Part {
    switch (node.kind) {
      case 'set':
        return this.#position(node.set)
      case 'assertion':
        return NOTHING
      case 'capture':
        return this.#part(node.part)
      case 'sequence':
        return node.parts.map(part => this.#part(part)).reduce((before, after) => this.#joined(before, after), NOTHING)
      case 'alternation':
        return this.#alternation(node.parts.map(part => this.#part(part)))
      default:
        return this.#repetition(node)
    }
  }

  #position(set: CharacterSet): Part {
    const at = this.#sets.push(set) - 1
    if (at >= POSITIONS_MAX) throw new Unsafe()
    this.#isLooped.push(this.#loops > 0)
    this.#follow.push(new Set())
    return { isNullable: false, first: [at], last: [at] }
  }

  #joined(before: Part, after: Part): Part {
    this.#link(before.last, after.first)
    return {
      isNullable: before.isNullable && after.isNullable,
      first: before.isNullable ? [...before.first, ...after.first] : before.first,
      last: after.isNullable ? [...before.last, ...after.last] : after.last,
    }
  }

  #alternation(parts: readonly Part[]): Part {
    this.#choices += Math.max(0, parts.filter(part => part.isNullable).length - 1)
    return {
      isNullable: parts.some(part => part.isNullable),
      first: parts.flatMap(part => part.first),
      last: parts.flatMap(part => part.last),
    }
  }

  #repetition({ part, min, max }: Extract<RegexNode, { kind: 'repetition' }>): Part {
    let whole = NOTHING
    for (let i = 0; i < min; i++) whole = this.#joined(whole, this.#part(part))
    // A counted repetition of one character costs no more than one without end.
    const isLoop = max === Number.POSITIVE_INFINITY || (part.kind === 'set' && max > min + 1)
    if (isLoop) return this.#joined(whole, this.#loop(part))
    // `x{0,2}` is `(x(x)?)?`.
    let optional = NOTHING
    for (let i = min; i < max; i++) {
      const once = this.#part(part)
      if (once.isNullable) this.#choices++
      optional = { ...this.#joined(once, optional), isNullable: true }
    }
    return this.#joined(whole, optional)
  }

  #loop(part: RegexNode): Part {
    this.#loops++
    const body = this.#part(part)
    this.#loops--
    // Round after round of nothing.
    if (body.isNullable) throw new Unsafe()
    this.#link(body.last, body.first)
    this.#loopCount++
    const [only] = body.first
    if (this.#loops === 0 && body.first.length === 1 && body.last.length === 1 && body.last[0] === only)
      this.#selfLoops.set(only!, this.#loopCount)
    return { ...body, isNullable: true }
  }

  /** Two ways from one place to another are ambiguous although both lead to the same. */
  #link(from: readonly number[], to: readonly number[]): void {
    for (const at of from)
      for (const next of to) {
        if (this.#follow[at]!.has(next)) throw new Unsafe()
        this.#follow[at]!.add(next)
      }
  }
}

function overlaps(a: CharacterSet, b: CharacterSet): boolean {
  if (a.rest !== null && b.rest !== null) return true
  for (let code = 0; code < 256; code++) if (a.latin[code] === 1 && b.latin[code] === 1) return true
  return false
}

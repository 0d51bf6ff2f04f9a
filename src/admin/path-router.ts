/** From a request path to its endpoint: a tree of segments, in which a literal one wins over a parameter. */
import { percentDecode } from './arguments.ts'
import type { Endpoint } from './endpoint.ts'

export interface PathMatch {
  readonly endpoint: Endpoint
  readonly params: Readonly<Record<string, string>>
}

interface Node {
  readonly literals: Map<string, Node>
  parameter: Node | null
  endpoint: Endpoint | null
  names: readonly string[]
}

const newNode = (): Node => ({ literals: new Map(), parameter: null, endpoint: null, names: [] })

export interface PathRouter {
  find(path: string): PathMatch | null
}

export function createPathRouter(endpoints: readonly Endpoint[]): PathRouter {
  const root = newNode()
  for (const endpoint of endpoints) add(root, endpoint)
  return { find: path => findFrom(root, path) }
}

function add(root: Node, endpoint: Endpoint): void {
  const names: string[] = []
  let node = root
  for (const segment of segmentsOf(endpoint.path)) {
    const name = /^\{(.+)\}$/.exec(segment)?.[1]
    if (name === undefined) {
      let next = node.literals.get(segment)
      if (next === undefined) node.literals.set(segment, (next = newNode()))
      node = next
    } else {
      names.push(name)
      node = node.parameter ??= newNode()
    }
  }
  if (node.endpoint !== null) throw new Error(`two endpoints at ${endpoint.path}`)
  node.endpoint = endpoint
  node.names = names
}

/** `/a/b/` is `/a/b`; an empty segment anywhere else never matches. */
function segmentsOf(path: string): readonly string[] {
  const trimmed = path.length > 1 && path.endsWith('/') ? path.slice(1, -1) : path.slice(1)
  return trimmed === '' ? [] : trimmed.split('/')
}

/** No endpoint is deeper; a longer path is not worth splitting. */
const pathLengthMax = 8192

function findFrom(root: Node, path: string): PathMatch | null {
  if (path.length > pathLengthMax || !path.startsWith('/')) return null
  const segments = segmentsOf(path)
  const values: string[] = []
  const node = descend(root, segments, 0, values)
  if (node === null || node.endpoint === null) return null
  const params: Record<string, string> = {}
  for (const [i, name] of node.names.entries()) params[name] = values[i]!
  return { endpoint: node.endpoint, params }
}

/** Tries the literal branch first and comes back for the parameter: `/plugins/enabled` and `/plugins/{plugins}/route`. */
function descend(node: Node, segments: readonly string[], at: number, values: string[]): Node | null {
  const segment = segments[at]
  if (segment === undefined) return node.endpoint === null ? null : node
  if (segment === '') return null
  const literal = node.literals.get(segment)
  if (literal !== undefined) {
    const found = descend(literal, segments, at + 1, values)
    if (found !== null) return found
  }
  if (node.parameter === null) return null
  values.push(percentDecode(segment))
  const found = descend(node.parameter, segments, at + 1, values)
  if (found === null) values.pop()
  return found
}

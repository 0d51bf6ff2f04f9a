/** Applies transformation steps to a request body: JSON object, form or multipart form. */
import { bodyFormat, encodeBodyArguments, parseBodyArguments } from './body-arguments.ts'
import { multipartBoundary, simplePart, type MultipartPart } from './multipart.ts'
import { transformMembers, type MemberSteps, type MemberTable } from './transform-members.ts'

/** Only additions make sense to an empty body. */
function stepsFor(bodyBytes: number, steps: MemberSteps): MemberSteps {
  return bodyBytes > 0 ? steps : { ...steps, remove: [], rename: [], replace: [] }
}

/** A body without members, in the form of its type. */
function emptyBody(contentType: string | undefined): Buffer {
  const format = bodyFormat(contentType)
  if (format === 'json') return Buffer.from('{}')
  const boundary = format === 'multipart' ? multipartBoundary(contentType!) : null
  return Buffer.from(boundary === null ? '' : `--${boundary}--\r\n`)
}

/** Null when the body stays as it is: of another type, not what its type says, or untouched by every step. */
export function transformBodyMembers(
  contentType: string | undefined,
  body: Uint8Array,
  given: MemberSteps,
): string | Uint8Array | null {
  const steps = stepsFor(body.length, given)
  const parsed = parseBodyArguments(contentType, body.length === 0 ? emptyBody(contentType) : body)
  if (parsed === null) return null
  if (parsed.format === 'multipart') {
    return transformParts(parsed.parts, steps) ? encodeBodyArguments(parsed) : null
  }
  if (parsed.format === 'form') {
    const isChanged = transformMembers(parsed.table as MemberTable, steps)
    return isChanged ? encodeBodyArguments(parsed) : null
  }
  // A list at the top has no members by name.
  if (Array.isArray(parsed.members)) return null
  const table: MemberTable = new Map(Object.entries(parsed.members))
  return transformMembers(table, steps) ? JSON.stringify(Object.fromEntries(table)) : null
}

/** Kong's order for multipart differs, and it does not append. */
function transformParts(parts: MultipartPart[], steps: MemberSteps): boolean {
  let isChanged = steps.remove.length > 0
  const indexOf = (name: string) => parts.findIndex(part => part.name === name)
  const removeAll = (name: string) => parts.splice(0, parts.length, ...parts.filter(part => part.name !== name))
  for (const [from, to] of steps.rename) {
    const at = indexOf(from)
    if (at === -1 || from === to) continue
    const { value } = parts[at]!
    removeAll(from)
    parts.push({ ...simplePart(to, ''), value })
    isChanged = true
  }
  for (const name of steps.remove) removeAll(name)
  for (const [name, value] of steps.replace) {
    if (indexOf(name) === -1) continue
    removeAll(name)
    parts.push(simplePart(name, String(value)))
    isChanged = true
  }
  for (const [name, value] of steps.add) {
    if (indexOf(name) !== -1) continue
    parts.push(simplePart(name, String(value)))
    isChanged = true
  }
  return isChanged
}

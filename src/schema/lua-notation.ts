/** Values as Kong's messages print them: Lua tables in Penlight's notation (`{id="…",name=null}`, keys in order). */

const identifier = /^[A-Za-z_][A-Za-z0-9_]*$/
const luaKeywords = new Set(
  'and break do else elseif end false for function goto if in local nil not or repeat return then true until while'.split(
    ' ',
  ),
)

/** On one line, as in `UNIQUE violation detected on '{name="x"}'`. */
export function luaNotation(value: unknown): string {
  return write(value, null, '')
}

/** On several lines, as nested field errors are printed. */
export function luaNotationIndented(value: unknown): string {
  return write(value, '  ', '')
}

function write(value: unknown, step: string | null, indent: string): string {
  if (value === null || value === undefined) return 'null'
  if (typeof value === 'string') return quote(value)
  if (typeof value !== 'object') return String(value)
  const inner = step === null ? '' : indent + step
  const items = Array.isArray(value)
    ? value.map(item => inner + write(item, step, inner))
    : Object.keys(value)
        .sort()
        .map(key => {
          const member = write((value as Record<string, unknown>)[key], step, inner)
          return `${inner}${luaKey(key)}${step === null ? '=' : ' = '}${member}`
        })
  if (items.length === 0) return step === null ? '{}' : `{\n${indent}}`
  return step === null ? `{${items.join(',')}}` : `{\n${items.join(',\n')}\n${indent}}`
}

function luaKey(key: string): string {
  return identifier.test(key) && !luaKeywords.has(key) ? key : `[${quote(key)}]`
}

function quote(text: string): string {
  // Lua's %q: a newline is written as a backslash and a real newline.
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\\n').replaceAll('\r', '\\r').replaceAll('\0', '\\0')}"`
}

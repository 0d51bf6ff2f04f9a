/** From the text of a declarative file to the value it holds. */
import { createHash } from 'node:crypto'
import { isObject } from '../schema/defaults.ts'
import { parseYaml } from './yaml.ts'

export type ReadText =
  | { readonly ok: true; readonly document: Readonly<Record<string, unknown>>; readonly hash: string }
  | { readonly ok: false; readonly error: string }

/** By the file's extension; without a name JSON is tried first, then YAML. The hash tells whether a text is known. */
export function readText(text: string, filename?: string): ReadText {
  const json = filename === undefined || filename.endsWith('json')
  const yaml = filename === undefined || /ya?ml$/.test(filename)
  if (!json && !yaml) return { ok: false, error: `unknown file type: ${filename}. (Accepted types: json, yaml)` }
  let reason = ''
  for (const parse of [...(json ? [JSON.parse] : []), ...(yaml ? [parseYaml] : [])] as ((text: string) => unknown)[]) {
    try {
      const document = parse(text)
      if (isObject(document)) return { ok: true, document, hash: textHash(text) }
      reason = 'expected an object'
    } catch (error) {
      // RangeError: nested so deeply that the parser's stack ran out.
      reason = (error as Error).message
    }
  }
  return { ok: false, error: `failed parsing declarative configuration: ${reason}` }
}

export function textHash(text: string): string {
  return createHash('md5').update(text).digest('hex')
}

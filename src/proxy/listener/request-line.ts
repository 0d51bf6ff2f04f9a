/** What can be told of a request whose head is refused. */

const LINE = /^([!#$%&'*+.^`|~\w-]{1,32}) (?:(\/[\x21-\x7e]*) HTTP\/1\.[01]\r?$)?/

/**
 * Method and target of the first line; each is empty where it cannot be read. A line that is too long keeps its method
 * only, as in nginx.
 */
export function readRequestLine(
  bytes: Buffer,
  from: number,
  to: number,
  lineBytesMax: number,
): { readonly method: string; readonly target: string } {
  const lineEnd = bytes.subarray(from, Math.min(to, from + lineBytesMax)).indexOf(10)
  const end = lineEnd === -1 ? Math.min(to, from + lineBytesMax) : from + lineEnd
  const match = LINE.exec(bytes.toString('latin1', from, end))
  return { method: match?.[1] ?? '', target: match?.[2] ?? '' }
}

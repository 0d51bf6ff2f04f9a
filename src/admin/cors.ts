/** Which pages of other origins may read the Admin API. */

/** Of the manager's addresses, which may have a path. */
export function originsOf(urls: readonly string[]): readonly string[] {
  return [...new Set(urls.map(url => new URL(url).origin))]
}

/**
 * Headers as a flat list. Without configured origins the caller's own is echoed, as in Kong: whoever can reach the
 * Admin API may use it. With them, a foreign page is told the first one and its browser keeps the answer from it.
 */
export function corsHeaders(origins: readonly string[], origin: string | undefined): string[] {
  const allowed =
    origins.length === 0 ? (origin ?? '*') : origin !== undefined && origins.includes(origin) ? origin : origins[0]!
  const headers = ['Access-Control-Allow-Origin', allowed, 'Access-Control-Allow-Credentials', 'true']
  if (allowed !== '*') headers.push('Vary', 'Origin')
  return headers
}

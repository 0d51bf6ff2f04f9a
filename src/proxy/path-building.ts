/** The path an upstream is asked for: service path, request path and `strip_path` joined by Kong's `v0` or `v1` rules. */

/** What is left of a path after the route's part of it was taken off must not climb or stay (`./`, `../`). */
function sanitizePostfix(postfix: string): string {
  if (postfix === '.' || postfix === '..') return ''
  if (postfix.startsWith('./')) return postfix.slice(2)
  if (postfix.startsWith('../')) return postfix.slice(3)
  return postfix
}

export function buildUpstreamPath(servicePath: string, requestPath: string, strippedPrefix: string | null): string {
  if (strippedPrefix === null) return joinWhole(servicePath, requestPath)
  // A route without paths strips the first slash, as if it had `/`.
  const postfix = requestPath.slice(strippedPrefix.length || 1)
  return joinStripped(servicePath, requestPath, sanitizePostfix(postfix))
}

/** The rules of old: the parts are put together as they are, but for a slash that would stand twice. */
export function buildUpstreamPathV1(servicePath: string, requestPath: string, strippedPrefix: string | null): string {
  if (strippedPrefix === null) return servicePath + requestPath.slice(1)
  const postfix = sanitizePostfix(requestPath.slice(strippedPrefix.length || 1))
  return servicePath.endsWith('/') && postfix.startsWith('/') ? servicePath + postfix.slice(1) : servicePath + postfix
}

function joinWhole(base: string, path: string): string {
  if (base === '/') return path
  if (base.endsWith('/')) return base + path.slice(1)
  return path === '/' ? base : base + path
}

function joinStripped(base: string, path: string, postfix: string): string {
  const baseEndsInSlash = base.endsWith('/')
  if (postfix === '') {
    if (base === '/') return base
    const wantsSlash = path.length > 1 && path.endsWith('/')
    if (baseEndsInSlash) return path.endsWith('/') ? base : base.slice(0, -1)
    return wantsSlash ? `${base}/` : base
  }
  if (postfix.startsWith('/')) return baseEndsInSlash ? base.slice(0, -1) + postfix : base + postfix
  return baseEndsInSlash ? base + postfix : `${base}/${postfix}`
}

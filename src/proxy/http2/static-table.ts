/** The fields that every HPACK endpoint knows (RFC 7541 appendix A); the first has index 1. */
import { HeaderField } from './header-field.ts'

const ENTRIES = `:authority|:method=GET|:method=POST|:path=/|:path=/index.html|:scheme=http|:scheme=https|:status=200|
:status=204|:status=206|:status=304|:status=400|:status=404|:status=500|accept-charset|accept-encoding=gzip, deflate|
accept-language|accept-ranges|accept|access-control-allow-origin|age|allow|authorization|cache-control|
content-disposition|content-encoding|content-language|content-length|content-location|content-range|content-type|cookie|
date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range|if-unmodified-since|last-modified|
link|location|max-forwards|proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after|server|set-cookie|
strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate`

export const STATIC_FIELDS: readonly HeaderField[] = ENTRIES.replaceAll('\n', '')
  .split('|')
  .map(entry => {
    const equals = entry.indexOf('=')
    return equals === -1 ? new HeaderField(entry, '') : new HeaderField(entry.slice(0, equals), entry.slice(equals + 1))
  })

/** Index of the first static field with a name. */
export const STATIC_NAMES: ReadonlyMap<string, number> = new Map(
  STATIC_FIELDS.map(({ name }, index) => [name, index + 1] as const).reverse(),
)

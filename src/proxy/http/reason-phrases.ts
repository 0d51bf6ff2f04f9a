/** Status lines of answers that the gateway makes itself; texts as nginx writes them, since clients compare them. */
import { http } from '../../base/node-http.ts'

const NGINX_PHRASES: Readonly<Record<number, string>> = {
  302: 'Moved Temporarily',
  405: 'Not Allowed',
  408: 'Request Time-out',
  413: 'Request Entity Too Large',
  414: 'Request-URI Too Large',
  416: 'Requested Range Not Satisfiable',
  503: 'Service Temporarily Unavailable',
  504: 'Gateway Time-out',
}

/** `404 Not Found`; a code without phrase stands alone. */
export function statusText(status: number): string {
  const phrase = NGINX_PHRASES[status] ?? http.STATUS_CODES[status]
  return phrase === undefined ? `${status}` : `${status} ${phrase}`
}

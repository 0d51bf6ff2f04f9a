/** What an endpoint answers: a value, written to the socket by server.ts. */

export interface Reply {
  readonly status: number
  /** Sent as JSON. */
  readonly body?: unknown
  /** Sent as it is, instead of `body`. */
  readonly text?: { readonly type: string; readonly content: string }
  readonly headers?: Readonly<Record<string, string>>
}

export function json(status: number, body: unknown, headers?: Readonly<Record<string, string>>): Reply {
  return headers === undefined ? { status, body } : { status, body, headers }
}

export function message(status: number, text: string): Reply {
  return { status, body: { message: text } }
}

export const noContent: Reply = { status: 204 }
export const notFound = message(404, 'Not found')
export const methodNotAllowed = message(405, 'Method not allowed')
export const unexpectedError = message(500, 'An unexpected error occurred')

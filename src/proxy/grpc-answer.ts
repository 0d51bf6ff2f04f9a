/** The gateway's own answers to gRPC calls: a status and a message in the head, no body (proxy.md 7). */
import { CONTENT_TYPES, grpcStatusOf } from './error-templates.ts'

/** By gRPC status; said where nothing better is known. */
const NAMES = [
  'OK',
  'Canceled',
  'Unknown',
  'InvalidArgument',
  'DeadlineExceeded',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Aborted',
  'OutOfRange',
  'Unimplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
]

/** By its type, whatever its protocol: what a route for gRPC wants, and what errors of nginx's go by in Kong. */
export function isGrpcRequest(head: { find(lowerName: string): string | undefined }): boolean {
  return head.find('content-type')?.startsWith('application/grpc') === true
}

/** Whose client can read a gRPC status: over HTTP/1.1 there is no gRPC, and plain errors are told, as by Kong. */
export function isGrpcCall(head: { find(lowerName: string): string | undefined; readonly isHttp2: boolean }): boolean {
  return head.isHttp2 && isGrpcRequest(head)
}

export function grpcHeaders(status: number, message: string | null): readonly (readonly [string, string])[] {
  const code = grpcStatusOf(status)
  return [
    ['Content-Type', CONTENT_TYPES.grpc],
    ['grpc-status', `${code}`],
    ['grpc-message', encodeMessage(message ?? NAMES[code] ?? 'Unknown')],
  ]
}

/** What is not printable ASCII goes percent-encoded (gRPC over HTTP/2, "Status-Message"). */
function encodeMessage(message: string): string {
  return message.replace(/[^\x20-\x24\x26-\x7e]+/gu, characters =>
    Array.from(Buffer.from(characters), byte => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  )
}

/** What happens to a control plane's machine (control-plane.ts), and what it wants done. */
import type { ConfigHead } from '../entities/config.ts'
import type { HealthMark, UpstreamReport } from './health-messages.ts'
import type { FromControlPlane, FromDataPlane } from './messages.ts'
import type { DataPlaneRecord } from '../entities/cluster-view.ts'
import type { Peer, SessionId } from './session.ts'

export type ControlPlaneEvent =
  /** `isAnswer`: read from the store just now, as `read-head` asked. */
  | { readonly type: 'head'; readonly head: ConfigHead; readonly isAnswer: boolean }
  | { readonly type: 'opened'; readonly session: SessionId; readonly peer: Peer }
  | { readonly type: 'message'; readonly session: SessionId; readonly message: FromDataPlane }
  /** So many frames left the send queue of the session. */
  | { readonly type: 'flushed'; readonly session: SessionId; readonly frames: number }
  | { readonly type: 'closed'; readonly session: SessionId }
  /** Answers `build-delta`; null when only a snapshot will do, `failed` when the store did not answer. */
  | { readonly type: 'delta'; readonly from: number; readonly built: BuiltDelta | null | 'failed' }
  /** Answers `start-spool`, and again whenever chunks were added. */
  | {
      readonly type: 'spool'
      readonly spool: number
      readonly head: ConfigHead
      readonly chunks: number
      readonly complete: boolean
    }
  | { readonly type: 'spool-failed'; readonly spool: number }
  | {
      readonly type: 'renewed'
      readonly session: SessionId
      readonly certificate: string
      readonly expiresAt: number
    }
  | { readonly type: 'revoked'; readonly nodeId: string }
  /** All marks there are now, oldest first. */
  | { readonly type: 'marks'; readonly marks: readonly HealthMark[] }
  | { readonly type: 'tick' }

export interface BuiltDelta {
  readonly head: ConfigHead
  readonly frame: Uint8Array
}

export type ControlPlaneAction =
  | { readonly type: 'send'; readonly session: SessionId; readonly message: FromControlPlane }
  | { readonly type: 'send-delta'; readonly session: SessionId; readonly frame: Uint8Array }
  | { readonly type: 'send-chunk'; readonly session: SessionId; readonly spool: number; readonly chunk: number }
  | { readonly type: 'close'; readonly session: SessionId; readonly reason: string }
  | { readonly type: 'build-delta'; readonly from: number }
  | { readonly type: 'start-spool'; readonly spool: number }
  | { readonly type: 'free-spool'; readonly spool: number }
  | { readonly type: 'read-head' }
  | { readonly type: 'renew'; readonly session: SessionId }
  /** `changed`: the applied version or the error is new, so it should be seen at once. */
  | { readonly type: 'record'; readonly record: DataPlaneRecord; readonly changed: boolean }
  /** What a data plane sees of some upstreams; `health-over`: it is not connected to us any more. */
  | {
      readonly type: 'health'
      readonly session: SessionId
      readonly nodeId: string
      readonly upstreams: readonly UpstreamReport[]
    }
  | { readonly type: 'health-over'; readonly session: SessionId }
  /** A `tick` is wanted after so many milliseconds, besides the regular one. */
  | { readonly type: 'wake'; readonly ms: number }

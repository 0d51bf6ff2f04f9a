/** What a node that was started in the background tells the command that waits for it. */

export type NodeMessage =
  | { readonly kind: 'ready'; readonly pid: number; readonly lines: readonly string[] }
  | { readonly kind: 'failed'; readonly message: string; readonly stack: string | null }

/** Internal command: the node itself, in the process of its own that `kong start` makes. */
export const NODE_COMMAND = 'node-process'

/** How a reload ended, for the command that asked for it; a file, since the two share nothing else. */
export interface ReloadReport {
  /** Counts the reloads of this node. */
  readonly count: number
  readonly error: string | null
}

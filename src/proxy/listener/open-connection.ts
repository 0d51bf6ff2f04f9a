/** What a listener knows of a connection, whatever protocol it speaks. */

export interface OpenConnection {
  /** As nginx counts connections. */
  readonly state: 'reading' | 'writing' | 'waiting'
  /** Waits for a request that may never come: may be closed for want of room. */
  readonly isReusable: boolean
  /** No more requests; what has begun is finished. */
  drain(): void
  destroy(): void
}

export interface ConnectionOwner {
  closed(connection: OpenConnection): void
}

/** How long the two sides wait for one another. */

export const HEARTBEAT_INTERVAL_MS = 15_000
/** Two lost heartbeats and a half; with a tick each second a dead peer is noticed well within the promised 45 s. */
export const PEER_TIMEOUT_MS = 40_000
/** As Kong waits for the first frame. */
export const HELLO_TIMEOUT_MS = 5_000
/** The longest that one update may take to be read, compiled and answered; far above 100,000 entities on a slow line. */
export const UPDATE_TIMEOUT_MS = 15 * 60_000
export const TICK_INTERVAL_MS = 1_000

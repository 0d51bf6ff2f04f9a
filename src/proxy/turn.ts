/**
 * What one turn of the event loop gathers: texts that leave together at its end, and the time, read once.
 *
 * A busy worker reads from dozens of sockets in a turn. If each answer is written at once, the kernel's way of sending,
 * Node's and ours take turns in the processor's caches, which costs a sixth of a proxied request. A worker that is not
 * busy writes at once, since waiting would only cost a turn of the queue. Which of the two it is, is looked at again
 * and again.
 */
import type { Socket } from 'node:net'
import type { Clock } from '../base/clock.ts'
import { sendText } from './send-text.ts'

/** A turn with fewer writes is not worth gathering. */
const CROWD = 5
/** So many small turns in a row, and writes leave at once again. */
const QUIET_TURNS = 32
/** More than these leave before the turn is over, so that peers have something to do meanwhile. */
const QUEUE_MAX = 32
/** Larger texts leave at once: their bytes cost more than their way. */
const TEXT_MAX = 16 * 1024
/** After so many writes at once a worker counts again what one turn brings. */
const WRITES_PER_LOOK = 128

let isCrowded = false
let isEndAwaited = false
/** In this turn, as far as they were counted. */
let writes = 0
let writesUntilLook = 1
let quietTurns = 0
let waiting = 0
/** Milliseconds since the epoch as of this turn; 0 when nobody asked yet. */
let time = 0
/** Not emptied when they are sent: that would cost as much as filling them, and the next ones take their places. */
const sockets: Socket[] = []
const texts: string[] = []

/** Writes to the socket's handle, at once or together with others of this turn, in the order in which they came. */
export function sendInTurn(socket: Socket, text: string): void {
  writes++
  if (!isCrowded) {
    if (--writesUntilLook === 0) look()
    return sendText(socket, text)
  }
  if (!isEndAwaited) look()
  if (text.length > TEXT_MAX) {
    sendWaiting()
    return sendText(socket, text)
  }
  sockets[waiting] = socket
  texts[waiting] = text
  if (++waiting === QUEUE_MAX) sendWaiting()
}

/** For whoever is about to do anything else with a socket: what waits for it goes first. */
export function sendWaiting(): void {
  const count = waiting
  if (count === 0) return
  waiting = 0
  time = 0
  for (let index = 0; index < count; index++) sendText(sockets[index]!, texts[index]!)
}

function look(): void {
  isEndAwaited = true
  writes = 1
  writesUntilLook = 0
  setImmediate(endTurn)
}

function endTurn(): void {
  isEndAwaited = false
  sendWaiting()
  // Small turns come between large ones: many in a row mean that it became quiet.
  quietTurns = writes >= CROWD ? 0 : quietTurns + 1
  isCrowded = isCrowded ? quietTurns < QUIET_TURNS : quietTurns === 0
  writesUntilLook = WRITES_PER_LOOK
}

/** A clock that is read once while texts wait: they are all of one turn. */
export function turnClock(clock: Clock): Clock {
  return {
    ...clock,
    now: () => {
      if (waiting === 0) return clock.now()
      if (time === 0) time = clock.now()
      return time
    },
  }
}

/**
 * One HTTP/2 connection, seen from either end: frames in, frames out, and the rules that hold between them (RFC 9113).
 *
 * What a stream means to a proxy is the business of subclasses. Everything that a peer can make us do or keep is
 * limited here: streams, header blocks, frames without use, bytes not yet read.
 */
import type { Socket } from 'node:net'
import { CONTROL_COST, DATA_GAIN, FINISHED_GAIN, FloodGuard, RESET_COST, SETTINGS_COST } from './flood-guard.ts'
import * as f from './frames.ts'
import type { FrameWriter } from './frame-writer.ts'
import { type FieldSink, HpackDecoder } from './hpack-decoder.ts'
import type { Http2Stream } from './http2-stream.ts'
import type { Outbox } from '../outbox.ts'
import type { GatheringWriterEvents } from '../gathering-writer.ts'
import { SocketWriter } from './socket-writer.ts'
import { encodeSettings, INITIAL_WINDOW_SIZE, PeerSettings } from './peer-settings.ts'

/** Of one stream: what a peer may send before we have used it, so what a stalled stream may cost us. */
export const STREAM_WINDOW = 256 * 1024
/** Of all streams of a connection together. */
const CONNECTION_WINDOW = 4 * 1024 * 1024
/** Compressed header block, all of its frames. Half of them may be empty at most (CVE-2024-27983). */
const BLOCK_BYTES_MAX = 64 * 1024
const BLOCK_FRAMES_MAX = 32
/** Streams whose end we remember, to tell late frames from senseless ones. */
const ENDED_STREAMS = 256
const HEADER_TABLE_BYTES = 4096

interface Block {
  readonly streamId: number
  readonly isEnd: boolean
  readonly pieces: Buffer[]
  bytes: number
}

export interface SessionClock {
  /** Monotonic milliseconds. */
  readonly now: number
}

export abstract class Http2Session<S extends Http2Stream = Http2Stream> implements f.FrameSink, GatheringWriterEvents {
  readonly streams = new Map<number, S>()
  readonly peer = new PeerSettings()
  isOpen = true
  /** Nothing of it has come since. */
  protected lastPeerStreamId = 0
  protected readonly clock: SessionClock
  protected resetCost = RESET_COST
  readonly #reader = new f.FrameReader()
  readonly #decoder = new HpackDecoder(HEADER_TABLE_BYTES)
  readonly #writer: SocketWriter
  readonly #guard: FloodGuard
  #block: Block | null = null
  #hasSettings = false
  #sendWindow = f.WINDOW_DEFAULT
  #receiveWindow = CONNECTION_WINDOW
  #unacknowledged = 0
  /** Ids of ended streams, negative if it was us who reset them. */
  readonly #ended = new Int32Array(ENDED_STREAMS)
  #endedCount = 0

  constructor(socket: Socket, clock: SessionClock) {
    this.#writer = new SocketWriter(socket, this)
    this.clock = clock
    this.#guard = new FloodGuard(clock.now)
  }

  /** A header block begins on a stream that is not open: its fields' place, or null when an error has been dealt with. */
  protected abstract openStream(id: number, isEnd: boolean): FieldSink | null
  /** That block is complete. */
  protected abstract streamOpened(id: number, isEnd: boolean): void
  /** No further streams from the peer's point of view, up to `lastId` those of ours are worked on. */
  protected abstract goneAway(lastId: number, code: number): void
  /** The stream is over and forgotten. */
  protected abstract forgotten(stream: S): void
  /** The last byte is out, or the connection failed. Streams have been told. */
  protected abstract sessionClosed(): void
  protected abstract settingsArrived(): void
  protected abstract logError(reason: string): void

  /** Sends what begins our side: the preface if we are the client, our settings, and a larger connection window. */
  protected start(preface: Buffer | null, settings: readonly (readonly [id: number, value: number])[]): void {
    if (preface !== null) this.write.raw(preface)
    const payload = encodeSettings([...settings, [INITIAL_WINDOW_SIZE, STREAM_WINDOW]])
    this.write.frame(f.SETTINGS, 0, 0, payload)
    this.write.windowUpdate(0, CONNECTION_WINDOW - f.WINDOW_DEFAULT)
  }

  get isFull(): boolean {
    return this.#writer.isFull
  }

  get isWithinBlock(): boolean {
    return this.#block !== null || this.#reader.isWithinFrame
  }

  read(bytes: Buffer, from: number, to: number): void {
    this.#reader.read(bytes, from, to, this)
  }

  frameTooLarge(): void {
    this.fail(f.FRAME_SIZE_ERROR, 'frame too large')
  }

  frame(type: number, flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    if (this.#block !== null && (type !== f.CONTINUATION || id !== this.#block.streamId)) {
      return this.fail(f.PROTOCOL_ERROR, 'header block interrupted')
    }
    if (!this.#hasSettings && (type !== f.SETTINGS || (flags & f.ACK) !== 0)) {
      return this.fail(f.PROTOCOL_ERROR, 'no SETTINGS first')
    }
    if (type === f.DATA) this.#data(flags, id, bytes, from, to)
    else if (type === f.HEADERS) this.#headers(flags, id, bytes, from, to)
    else if (type === f.WINDOW_UPDATE) this.#windowUpdate(id, bytes, from, to)
    else if (type === f.RST_STREAM) this.#rstStream(id, bytes, from, to)
    else if (type === f.SETTINGS) this.#settings(flags, id, bytes, from, to)
    else if (type === f.PING) this.#ping(flags, id, bytes, from, to)
    else if (type === f.CONTINUATION) this.#continuation(flags, bytes, from, to)
    else if (type === f.GOAWAY) this.#goAway(id, bytes, from, to)
    else if (type === f.PRIORITY) this.#priority(id, from, to)
    else if (type === f.PUSH_PROMISE) this.fail(f.PROTOCOL_ERROR, 'push was not asked for')
    else this.#spend(CONTROL_COST)
  }

  /** False, and the end of the connection, when the peer makes more work than sense. */
  #spend(cost: number): boolean {
    if (this.#guard.spend(cost, this.clock.now)) return true
    this.fail(f.ENHANCE_YOUR_CALM, 'flood of frames without use')
    return false
  }

  #data(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    if (id === 0) return this.fail(f.PROTOCOL_ERROR, 'DATA without stream')
    const charged = to - from
    this.#receiveWindow -= charged
    if (this.#receiveWindow < 0) return this.fail(f.FLOW_CONTROL_ERROR, 'connection window exceeded')
    const padding = (flags & f.PADDED) === 0 ? 0 : charged === 0 ? -1 : bytes[from]! + 1
    if (padding < 0 || padding > charged) return this.fail(f.PROTOCOL_ERROR, 'padding longer than its frame')
    const stream = this.streams.get(id)
    if (stream === undefined) return this.#lateData(id, charged)
    if (stream.isRemoteClosed) {
      this.#giveBack(charged)
      return this.failStream(stream, f.STREAM_CLOSED, 'DATA after the end')
    }
    stream.receiveWindow -= charged
    if (stream.receiveWindow < 0) {
      this.#giveBack(charged)
      return this.failStream(stream, f.FLOW_CONTROL_ERROR, 'stream window exceeded')
    }
    const isEnd = (flags & f.END_STREAM) !== 0
    if (charged > padding) this.#guard.earn(DATA_GAIN)
    else if (!isEnd && !this.#spend(CONTROL_COST)) return
    if (padding > 0) this.consumed(stream, padding)
    const start = padding === 0 ? from : from + 1
    stream.isRemoteClosed = isEnd
    stream.dataArrived(bytes, start, start + charged - padding, isEnd)
    this.#settle(stream)
  }

  /** On streams that we have reset they may be on their way for a while. */
  #lateData(id: number, charged: number): void {
    if (this.isIdleId(id)) return this.fail(f.PROTOCOL_ERROR, 'DATA on an idle stream')
    this.#giveBack(charged)
    if (!this.#spend(CONTROL_COST) || this.#ended.includes(-id)) return
    this.write.reset(id, f.STREAM_CLOSED)
  }

  /** Payload has been used: the peer may send as much again. Told in large pieces. */
  consumed(stream: S | Http2Stream, bytes: number): void {
    this.#giveBack(bytes)
    stream.unacknowledged += bytes
    if (stream.isRemoteClosed || stream.unacknowledged < STREAM_WINDOW / 2) return
    stream.receiveWindow += stream.unacknowledged
    this.write.windowUpdate(stream.id, stream.unacknowledged)
    stream.unacknowledged = 0
  }

  #giveBack(bytes: number): void {
    this.#unacknowledged += bytes
    if (this.#unacknowledged < CONNECTION_WINDOW / 4) return
    this.#receiveWindow += this.#unacknowledged
    this.write.windowUpdate(0, this.#unacknowledged)
    this.#unacknowledged = 0
  }

  #headers(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    if (id === 0) return this.fail(f.PROTOCOL_ERROR, 'HEADERS without stream')
    let start = from
    let end = to
    if ((flags & f.PADDED) !== 0) end -= bytes[start++]!
    if ((flags & f.HAS_PRIORITY) !== 0) start += 5
    if (start > to) return this.fail(f.FRAME_SIZE_ERROR, 'HEADERS too short')
    if (start > end) return this.fail(f.PROTOCOL_ERROR, 'padding longer than its frame')
    const isEnd = (flags & f.END_STREAM) !== 0
    if ((flags & f.END_HEADERS) !== 0) return this.#decode(id, isEnd, bytes, start, end)
    this.#block = { streamId: id, isEnd, pieces: [Buffer.copyBytesFrom(bytes, start, end - start)], bytes: end - start }
  }

  #continuation(flags: number, bytes: Buffer, from: number, to: number): void {
    const block = this.#block
    if (block === null) return this.fail(f.PROTOCOL_ERROR, 'CONTINUATION without HEADERS')
    block.bytes += to - from
    block.pieces.push(Buffer.copyBytesFrom(bytes, from, to - from))
    if (block.bytes > BLOCK_BYTES_MAX || block.pieces.length > BLOCK_FRAMES_MAX) {
      return this.fail(f.ENHANCE_YOUR_CALM, 'header block too large')
    }
    if ((flags & f.END_HEADERS) === 0) return
    this.#block = null
    const whole = Buffer.concat(block.pieces)
    this.#decode(block.streamId, block.isEnd, whole, 0, whole.length)
  }

  #decode(id: number, isEnd: boolean, bytes: Buffer, from: number, to: number): void {
    const stream = this.streams.get(id)
    const sink =
      stream === undefined ? this.#sinkForNew(id, isEnd) : stream.isRemoteClosed ? IGNORED : stream.headerSink()
    if (sink === null) return
    // Blocks that nobody wants are read too, since they change the table.
    if (!this.#decoder.decode(bytes, from, to, sink)) return this.fail(f.COMPRESSION_ERROR, this.#decoder.reason)
    if (stream === undefined) {
      if (sink !== IGNORED) this.streamOpened(id, isEnd)
      return
    }
    if (stream.isRemoteClosed) return this.failStream(stream, f.STREAM_CLOSED, 'HEADERS after the end')
    if (from === to && !this.#spend(CONTROL_COST)) return
    stream.isRemoteClosed = isEnd
    stream.headersArrived(isEnd)
    this.#settle(stream)
  }

  #sinkForNew(id: number, isEnd: boolean): FieldSink | null {
    if (this.isIdleId(id)) return this.openStream(id, isEnd)
    if (this.#ended.includes(-id)) return this.#spend(CONTROL_COST) ? IGNORED : null
    if (this.#ended.includes(id)) {
      this.fail(f.STREAM_CLOSED, 'HEADERS on a closed stream')
      return null
    }
    return this.openStream(id, isEnd)
  }

  /** For `openStream`: fields are read and dropped. */
  protected refuseStream(id: number): FieldSink | null {
    this.#noteEnded(-id)
    if (!this.#spend(RESET_COST)) return null
    this.write.reset(id, f.REFUSED_STREAM)
    return IGNORED
  }

  #windowUpdate(id: number, bytes: Buffer, from: number, to: number): void {
    if (to - from !== 4) return this.fail(f.FRAME_SIZE_ERROR, 'WINDOW_UPDATE of a wrong size')
    if (!this.#spend(CONTROL_COST)) return
    const increment = f.readUint31(bytes, from)
    if (id === 0) return this.#widenConnection(increment)
    const stream = this.streams.get(id)
    if (stream === undefined) {
      if (this.isIdleId(id)) this.fail(f.PROTOCOL_ERROR, 'WINDOW_UPDATE on an idle stream')
      return
    }
    if (increment === 0) return this.failStream(stream, f.PROTOCOL_ERROR, 'window increment of nothing')
    stream.sendWindow += increment
    if (stream.sendWindow > f.WINDOW_MAX) return this.failStream(stream, f.FLOW_CONTROL_ERROR, 'window too large')
    stream.pump()
  }

  #widenConnection(increment: number): void {
    if (increment === 0) return this.fail(f.PROTOCOL_ERROR, 'window increment of nothing')
    this.#sendWindow += increment
    if (this.#sendWindow > f.WINDOW_MAX) return this.fail(f.FLOW_CONTROL_ERROR, 'connection window too large')
    this.#pumpAll()
  }

  #pumpAll(): void {
    for (const stream of this.streams.values()) {
      if (this.#sendWindow <= 0 && this.peer.initialWindowSize > 0) return
      stream.pump()
    }
  }

  #rstStream(id: number, bytes: Buffer, from: number, to: number): void {
    if (id === 0) return this.fail(f.PROTOCOL_ERROR, 'RST_STREAM without stream')
    if (to - from !== 4) return this.fail(f.FRAME_SIZE_ERROR, 'RST_STREAM of a wrong size')
    const stream = this.streams.get(id)
    if (stream === undefined) {
      if (this.isIdleId(id)) return this.fail(f.PROTOCOL_ERROR, 'RST_STREAM on an idle stream')
      return void this.#spend(CONTROL_COST)
    }
    const code = bytes.readUInt32BE(from)
    // The end of an exchange whose answer is whole is no waste (RFC 9113 section 8.1).
    const isFinal = stream.isRemoteClosed && code === f.NO_ERROR
    if (!isFinal && !this.#spend(this.resetCost)) return
    this.#forget(stream, id)
    stream.ended(code)
  }

  #settings(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    if (id !== 0) return this.fail(f.PROTOCOL_ERROR, 'SETTINGS on a stream')
    if ((flags & f.ACK) !== 0) {
      if (from !== to) this.fail(f.FRAME_SIZE_ERROR, 'SETTINGS acknowledgement with payload')
      return
    }
    if (!this.#spend(SETTINGS_COST)) return
    const windowBefore = this.peer.initialWindowSize
    const error = this.peer.apply(bytes, from, to)
    if (error !== f.NO_ERROR) return this.fail(error, 'invalid SETTINGS')
    this.#hasSettings = true
    this.#writer.frames.limitTable(this.peer.headerTableSize)
    if (!this.#shiftWindows(this.peer.initialWindowSize - windowBefore)) return
    this.write.frame(f.SETTINGS, f.ACK, 0, NOTHING)
    this.settingsArrived()
  }

  #shiftWindows(difference: number): boolean {
    if (difference === 0) return true
    for (const stream of this.streams.values()) {
      stream.sendWindow += difference
      if (stream.sendWindow > f.WINDOW_MAX) {
        this.fail(f.FLOW_CONTROL_ERROR, 'window too large')
        return false
      }
    }
    if (difference > 0) this.#pumpAll()
    return true
  }

  #ping(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    if (id !== 0) return this.fail(f.PROTOCOL_ERROR, 'PING on a stream')
    if (to - from !== 8) return this.fail(f.FRAME_SIZE_ERROR, 'PING of a wrong size')
    if ((flags & f.ACK) === 0 && this.#spend(CONTROL_COST)) this.write.frame(f.PING, f.ACK, 0, bytes.subarray(from, to))
  }

  #goAway(id: number, bytes: Buffer, from: number, to: number): void {
    if (id !== 0) return this.fail(f.PROTOCOL_ERROR, 'GOAWAY on a stream')
    if (to - from < 8) return this.fail(f.FRAME_SIZE_ERROR, 'GOAWAY too short')
    if (this.#spend(CONTROL_COST)) this.goneAway(f.readUint31(bytes, from), bytes.readUInt32BE(from + 4))
  }

  /** Priorities are out of use (RFC 9113 section 5.3); a stream that depends on itself hurts nobody. */
  #priority(id: number, from: number, to: number): void {
    if (id === 0) return this.fail(f.PROTOCOL_ERROR, 'PRIORITY without stream')
    if (!this.#spend(CONTROL_COST) || to - from === 5) return
    const stream = this.streams.get(id)
    if (stream === undefined) this.write.reset(id, f.FRAME_SIZE_ERROR)
    else this.failStream(stream, f.FRAME_SIZE_ERROR, 'PRIORITY of a wrong size')
  }

  /** Whether frames on this id come before the stream does. */
  protected abstract isIdleId(id: number): boolean

  /** An error of the peer's that concerns one stream. It is paid for like a reset (CVE-2025-8671). */
  failStream(stream: S, code: number, reason: string): void {
    this.logError(`stream error: ${reason}`)
    if (!this.#spend(RESET_COST)) return
    this.write.reset(stream.id, code)
    this.#forget(stream, -stream.id)
    stream.ended(code)
  }

  /** We give a stream up. */
  resetStream(stream: Http2Stream, code: number): void {
    if (!this.streams.has(stream.id)) return
    this.write.reset(stream.id, code)
    this.#forget(stream as S, -stream.id)
  }

  /** Our half is closed. */
  localClosed(stream: Http2Stream): void {
    this.#settle(stream as S)
  }

  #settle(stream: S): void {
    if (!stream.isLocalClosed || !stream.isRemoteClosed || !this.streams.has(stream.id)) return
    this.#guard.earn(FINISHED_GAIN)
    this.#forget(stream, stream.id)
  }

  #forget(stream: S, ended: number): void {
    this.streams.delete(stream.id)
    this.#noteEnded(ended)
    stream.isLocalClosed = true
    stream.discardQueue()
    this.forgotten(stream)
  }

  #noteEnded(ended: number): void {
    this.#ended[this.#endedCount++ % ENDED_STREAMS] = ended
  }

  /** The place for frames; whatever is written there leaves soon. */
  get write(): FrameWriter {
    return this.#writer.frames
  }

  get out(): Outbox {
    return this.#writer.out
  }

  /** Writes as much as the windows allow; returns how much that was. */
  writeData(stream: Http2Stream, bytes: Buffer, from: number, to: number): number {
    let at = from
    while (at < to) {
      const length = Math.min(to - at, f.FRAME_BYTES_MAX, stream.sendWindow, this.#sendWindow)
      if (length <= 0) break
      this.#sendWindow -= length
      stream.wroteData(this.write.data(stream.id, bytes, at, at + length), length)
      this.#guard.earn(DATA_GAIN)
      at += length
    }
    return at - from
  }

  /** The peer broke the protocol: it is told, and the connection ends. */
  fail(code: number, reason: string): void {
    if (!this.isOpen) return
    this.logError(`connection error ${code}: ${reason}`)
    this.write.goAway(this.lastPeerStreamId, code)
    this.endSocket()
    this.isOpen = false
    this.#endStreams(code)
  }

  /** What is written is sent; nothing more is read. */
  protected endSocket(): void {
    this.#writer.end()
  }

  /** All streams end as if reset. */
  #endStreams(code: number): void {
    const open = [...this.streams.values()]
    this.streams.clear()
    for (const stream of open) {
      stream.isLocalClosed = true
      stream.discardQueue()
      stream.ended(code)
      this.forgotten(stream)
    }
  }

  roomAgain(): void {
    for (const stream of [...this.streams.values()]) {
      if (stream.queuedBytes === 0 && !stream.isEnding) stream.drained()
      if (this.isFull) return
    }
  }

  finished(): void {
    this.sessionClosed()
  }

  /** The socket is gone. */
  protected socketGone(): void {
    this.isOpen = false
    this.#endStreams(f.CANCEL)
  }
}

const NOTHING = Buffer.alloc(0)
/** Reads a block for the sake of the table only. */
export const IGNORED: FieldSink = { field() {} }

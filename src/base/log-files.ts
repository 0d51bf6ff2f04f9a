/** Log files of a process: opened at first use, and again after somebody has moved them away (SIGUSR1). */
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'

/** A node that cannot write its log must not stop for it; the loss is told once per file and opening. */
export interface LogFiles {
  /** Appends one line; the line break is added. Lines are gathered for a moment. */
  to(file: string): (line: string) => void
  /** Appends whole lines, each at once: for the log of errors, which must survive a crash. */
  direct(file: string): (text: string) => void
  /** Opens the file now. Throws when it cannot be written, which otherwise is only told. */
  open(file: string): void
  reopen(): void
  close(): void
}

/** Lines are gathered for that long, so that busy traffic costs one system call for many of them. */
const FLUSH_MS = 100
const PENDING_LENGTH_MAX = 256 * 1024
/** A reader of our output (a container's log driver) that hangs must not fill memory: what exceeds this is dropped. */
const UNSENT_BYTES_MAX = 4 * 1024 * 1024

export interface LogFilesOptions {
  readonly prefix: string
  /** In the foreground everything goes to the output, whatever file was meant. */
  readonly output: ((text: string) => void) | null
  readonly after: (ms: number, callback: () => void) => void
  readonly onError: (message: string) => void
}

export function createLogFiles({ prefix, output, after, onError }: LogFilesOptions): LogFiles {
  const files = new Map<string, LogFile>()
  const find = (file: string) => {
    const path = isAbsolute(file) ? file : join(prefix, file)
    const found = files.get(path) ?? new LogFile(path, after, onError)
    files.set(path, found)
    return found
  }
  return {
    to(file) {
      if (output !== null) return line => output(`${line}\n`)
      const found = find(file)
      return line => found.append(line)
    },
    direct(file) {
      if (output !== null) return output
      const found = find(file)
      return text => found.write(text)
    },
    open(file) {
      if (output === null) find(file).open()
    },
    reopen() {
      for (const file of files.values()) file.close()
    },
    close() {
      for (const file of files.values()) file.close()
    },
  }
}

/** The file of a log setting, or null for `off`. A format after the path is Kong's and ignored. */
export function logFileOf(setting: string): string | null {
  const file = setting.trim().split(/\s+/)[0]!
  return file === 'off' || file === '' ? null : file
}

const NOTHING = Buffer.alloc(0)

class LogFile {
  readonly #path: string
  readonly #after: LogFilesOptions['after']
  readonly #onError: (message: string) => void
  #descriptor: number | null = null
  #pending = ''
  #unsent: Buffer = NOTHING
  #isScheduled = false
  #hasFailed = false
  constructor(path: string, after: LogFilesOptions['after'], onError: (message: string) => void) {
    this.#path = path
    this.#after = after
    this.#onError = onError
  }

  append(line: string): void {
    this.#pending += `${line}\n`
    if (this.#pending.length >= PENDING_LENGTH_MAX) this.#flush()
    else this.#flushLater()
  }

  write(text: string): void {
    this.#pending += text
    this.#flush()
  }

  close(): void {
    this.#flush()
    if (this.#descriptor !== null && this.#descriptor > 2) closeSync(this.#descriptor)
    this.#descriptor = null
    this.#hasFailed = false
  }

  open(): void {
    this.#descriptor ??= openLog(this.#path)
  }

  #flushLater(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#after(FLUSH_MS, () => {
      this.#isScheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    if (this.#pending === '' && this.#unsent.length === 0) return
    const bytes =
      this.#unsent.length === 0 ? Buffer.from(this.#pending) : Buffer.concat([this.#unsent, Buffer.from(this.#pending)])
    this.#pending = ''
    this.#unsent = NOTHING
    let at = 0
    try {
      this.#descriptor ??= openLog(this.#path)
      while (at < bytes.length) at += writeSync(this.#descriptor, bytes, at)
    } catch (error) {
      // A pipe whose reader is behind; other programs share it and may have made it non-blocking.
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN' && bytes.length - at < UNSENT_BYTES_MAX) {
        this.#unsent = bytes.subarray(at)
        this.#flushLater()
        return
      }
      if (!this.#hasFailed) this.#onError(`could not write ${this.#path}: ${(error as Error).message}`)
      this.#hasFailed = true
    }
  }
}

function openLog(path: string): number {
  // Containers point logs at these; the descriptors are there already, and may not be opened anew.
  if (path === '/dev/stdout') return 1
  if (path === '/dev/stderr') return 2
  mkdirSync(dirname(path), { recursive: true })
  return openSync(path, 'a', 0o644)
}

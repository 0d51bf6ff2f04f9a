/** Simulated data planes in processes of their own, over real TLS; each process tells when all of its nodes have a version. */
import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import type { Stage } from './measure.ts'

const PROCESSES = 4

export class Fleet {
  readonly #processes: ChildProcess[]

  constructor(stage: Stage, clusterPort: number, nodes: number) {
    const script = join(import.meta.dirname, 'fleet-nodes.ts')
    this.#processes = Array.from({ length: PROCESSES }, (_, i) => {
      const count = Math.floor(nodes / PROCESSES) + (i < nodes % PROCESSES ? 1 : 0)
      const child = fork(script, [String(clusterPort), String(count), join(stage.folder, `fleet-${i}`)])
      stage.atEnd(() => child.kill('SIGKILL'))
      return child
    })
  }

  /** Resolves, with the milliseconds it took, when every node has applied at least this version. */
  async follow(version: number): Promise<number> {
    const startedAt = performance.now()
    await Promise.all(
      this.#processes.map(
        child =>
          new Promise<void>((resolve, reject) => {
            const onExit = () => reject(new Error('a process of simulated data planes has ended'))
            const onMessage = (message: unknown) => {
              if (message !== version) return
              child.off('message', onMessage)
              child.off('exit', onExit)
              resolve()
            }
            child.on('message', onMessage)
            child.once('exit', onExit)
            child.send(version)
          }),
      ),
    )
    return performance.now() - startedAt
  }
}

/** A TCP relay that counts what passes through it each way. */
import { connect, createServer } from 'node:net'
import type { Stage } from './measure.ts'

export interface CountingRelay {
  readonly port: number
  /** Bytes from the target to those who connect, and back. */
  counts(): { readonly down: number; readonly up: number }
}

export async function startRelay(stage: Stage, targetPort: number): Promise<CountingRelay> {
  let down = 0
  let up = 0
  const server = createServer(client => {
    const target = connect(targetPort, '127.0.0.1')
    client.on('data', chunk => {
      up += chunk.length
    })
    target.on('data', chunk => {
      down += chunk.length
    })
    client.pipe(target).pipe(client)
    for (const [one, other] of [
      [client, target],
      [target, client],
    ] as const) {
      one.on('error', () => other.destroy())
      one.on('close', () => other.destroy())
    }
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  stage.atEnd(() => server.close())
  const { port } = server.address() as { port: number }
  return { port, counts: () => ({ down, up }) }
}

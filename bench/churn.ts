/**
 * Latency of a data plane with 10,000 routes at a fixed moderate rate: quiet, and with one route written each second.
 * `--rate N --seconds N --rounds N`
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { admin } from '../test/kit/traffic.ts'
import { startPair } from './hybrid-pair.ts'
import { machineLine, median, pin, run, Stage, table } from './measure.ts'
import { startUpstream } from './nginx.ts'

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '3' },
  },
})

interface Latency {
  readonly count: number
  readonly failed: number
  readonly p50: number
  readonly p99: number
  readonly max: number
}

await Stage.run(async stage => {
  const upstream = await startUpstream(stage, '1')
  const pair = await startPair(stage, 'churn', 10_000, upstream.port)
  for (const pid of pair.dataPlane.workerProcessIds()) pin(pid, '0')
  const measure = async (): Promise<Latency> => {
    const script = join(import.meta.dirname, 'steady-load.ts')
    const args = [String(pair.proxyPort), '/route-77', values.rate!, values.seconds!, '20']
    return JSON.parse(
      await run('taskset', ['-c', '1', process.execPath, '--disable-warning=ExperimentalWarning', script, ...args]),
    )
  }
  await measure()
  const rounds: { quiet: Latency; churned: Latency }[] = []
  let change = 0
  for (let round = 0; round < Number(values.rounds); round++) {
    const quiet = await measure()
    const writing = setInterval(() => {
      const i = change++
      void admin(pair.admin, 'PUT', `/services/s/routes/route-${i % 100}`, {
        paths: [`/route-${i % 100}`, `/changed-${i}`],
        strip_path: false,
      })
    }, 1000)
    const churned = await measure()
    clearInterval(writing)
    rounds.push({ quiet, churned })
  }
  const row = (name: string, of: (round: { quiet: Latency; churned: Latency }) => Latency) => [
    name,
    median(rounds.map(round => of(round).p50)).toFixed(2),
    median(rounds.map(round => of(round).p99)).toFixed(2),
    median(rounds.map(round => of(round).max)).toFixed(2),
    rounds.reduce((sum, round) => sum + of(round).failed, 0),
  ]
  console.log(
    `### Traffic under churn\n\n${machineLine()}; ${values.rate} requests/s, 10,000 routes, ${values.rounds} rounds of ${values.seconds} s\n`,
  )
  console.log(
    table(
      ['', 'p50 ms', 'p99 ms', 'max ms', 'failed'],
      [row('quiet', r => r.quiet), row('one change a second', r => r.churned)],
    ),
  )
  console.log(
    `\np99 under churn: ${median(rounds.map(r => r.churned.p99 / r.quiet.p99)).toFixed(2)} × quiet (target 1.2)`,
  )
})

/** Marks by hand as the nodes on one store share them: who takes one over, and who passes it on to data planes. */
import type { ClusterEvents } from '../cluster/cluster-events.ts'
import type { HealthMark } from '../cluster/health-messages.ts'
import { createMarkRecords, type MarkRecords, MARKS_MAX, type MarkRequest } from '../cluster/mark-records.ts'
import type { ControlHalf, ControlHalfOptions } from './control-half.ts'

export interface ClusterMarks {
  /** Null when it is kept, else why not. */
  put(request: MarkRequest): Promise<string | null>
  close(): void
}

/** Targets go seldom, and the mark of one that is gone does no harm. */
const SWEEP_EVERY_MS = 60_000
const CHANNEL = 'health_marks'

/** `tell` gets all marks, oldest first: now, and whenever there is another one, here or on another node. */
export async function openClusterMarks(
  control: Pick<ControlHalf, 'store' | 'events'>,
  { clock, random, log }: Pick<ControlHalfOptions, 'clock' | 'random' | 'log'>,
  tell: (marks: readonly HealthMark[]) => void,
): Promise<ClusterMarks> {
  const { store, events } = control
  const marks: MarkRecords = createMarkRecords({ records: store.records, clock, random })
  const retell = () =>
    marks.list().then(tell, (error: Error) => log.error(`marks of targets cannot be read: ${error.message}`))
  const sweep = async () => {
    try {
      const count = await marks.sweep(async ({ target }) => (await store.find('targets', target)) !== null)
      if (count > 0) await retell()
    } catch (error) {
      log.error(`marks of targets cannot be checked: ${(error as Error).message}`)
    }
  }
  listen(events, retell)
  const sweeping = clock.every(SWEEP_EVERY_MS, () => void sweep())
  await retell()
  return {
    async put(request) {
      const mark = await marks.put(request)
      if (mark === null)
        return `there are ${MARKS_MAX} marks of targets already; mark some of these as healthy, or remove them`
      await retell()
      await events.publish(CHANNEL, { id: mark.id })
      return null
    },
    close: () => sweeping.cancel(),
  }
}

function listen(events: ClusterEvents, retell: () => Promise<void>): void {
  events.on(CHANNEL, () => void retell())
}

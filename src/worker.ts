/** Entry of a worker process. */
import { flushCompileCache } from 'node:module'

await import('./node/worker.ts')
// The cache is written when a process ends, which a worker may do by a signal: write it while there is time.
flushCompileCache()

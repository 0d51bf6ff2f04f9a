/** Entry of a worker process: the module cache first, so that its own modules come out of it. */
import { enableCompileCache } from 'node:module'

const [cacheFolder] = process.argv.slice(2)
if (cacheFolder !== undefined && cacheFolder !== '') enableCompileCache(cacheFolder)
await import('./node/worker.ts')

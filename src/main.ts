/** Process entry: the command line. `bin/kong` starts it, with the folder in which compiled modules are kept. */
import { runProcess } from './cli/run-process.ts'

await runProcess()

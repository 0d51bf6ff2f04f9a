/** The command line of this process: its arguments, output and exit code. */
import { systemClock } from '../base/clock.ts'
import { NODE_COMMAND } from './node-messages.ts'
import { runCli } from './run.ts'

export async function runProcess(): Promise<void> {
  const argv = process.argv.slice(2)
  const { env } = process
  if (argv[0] === NODE_COMMAND) {
    const { runBackgroundNode } = await import('./background-node.ts')
    process.exit(await runBackgroundNode(argv[argv.indexOf('--prefix') + 1]!, env))
  }
  // `kong ... | head` closes the pipe early; that is no error.
  process.stdout.on('error', error => {
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error
  })
  process.exitCode = await runCli(argv, {
    out: text => process.stdout.write(text),
    err: text => process.stderr.write(text),
    env,
    folder: process.cwd(),
    now: systemClock.now,
  })
  // A node in the foreground may leave idle handles behind; its end is the end of the process.
  if (['start', 'restart', 'dev'].includes(argv[0] ?? '')) process.exit()
}

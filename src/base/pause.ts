/** Waiting in a command that has nothing else to do: unlike the clock's timers, this one keeps the process alive. */

export function pause(ms: number): Promise<void> {
  return new Promise(resolve => {
    setTimeout(resolve, ms)
  })
}

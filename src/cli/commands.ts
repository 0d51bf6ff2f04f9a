/** All commands, with what help says of each; a command's own module is loaded only when it is called. */
import type { Command } from './command.ts'

const modules: Readonly<Record<string, { summary: string; load: () => Promise<{ default: Command }> }>> = {
  check: { summary: 'check a configuration file', load: () => import('./check.ts') },
  completion: { summary: 'print completions for a shell', load: () => import('./completion.ts') },
  config: { summary: 'use declarative configuration files', load: () => import('./config.ts') },
  dev: { summary: 'run a configuration file, again at each change', load: () => import('./dev.ts') },
  drain: { summary: 'make the readiness endpoint say no', load: () => import('./drain.ts') },
  health: { summary: 'tell whether a node is running', load: () => import('./health.ts') },
  hybrid: { summary: 'certificates, tokens and nodes of a cluster', load: () => import('./hybrid.ts') },
  migrations: { summary: 'manage the tables of the store', load: () => import('./migrations.ts') },
  prepare: { summary: 'prepare the prefix without starting', load: () => import('./prepare.ts') },
  quit: { summary: 'stop a node when its requests are done', load: () => import('./quit.ts') },
  reload: { summary: 'let a running node take new settings', load: () => import('./reload.ts') },
  restart: { summary: 'stop a node and start it again', load: () => import('./restart.ts') },
  route: { summary: 'tell which route a request would take, and why', load: () => import('./route.ts') },
  start: { summary: 'start a node', load: () => import('./start.ts') },
  stop: { summary: 'stop a node at once', load: () => import('./stop.ts') },
  vault: { summary: 'look up a secret by its reference', load: () => import('./vault.ts') },
  version: { summary: 'print the version', load: () => import('./version.ts') },
}

export const commandSummaries: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(modules).map(([name, { summary }]) => [name, summary]),
)

export async function findCommand(name: string): Promise<Command | null> {
  const entry = Object.hasOwn(modules, name) ? modules[name] : undefined
  return entry === undefined ? null : (await entry.load()).default
}

/** `kong hybrid`: certificates, join tokens and nodes of a cluster. */
import { systemClock } from '../base/clock.ts'
import { type AdminAnswer, type ApiAddress, answerMessage, callAdmin, listenerUrl } from './admin-client.ts'
import { generateClusterCertificate } from './cluster-certificate.ts'
import {
  CliError,
  type Command,
  type CommandContext,
  CONF_OPTION,
  type Invocation,
  JSON_OPTION,
  PREFIX_OPTION,
} from './command.ts'
import { namedAdmin } from './configuration-input.ts'
import { loadRunningOrGiven } from './node-settings.ts'
import type { Terminal } from './terminal.ts'

const command: Command = {
  name: 'hybrid',
  description:
    'Certificates, join tokens and nodes of a cluster. All but gen_cert ask the control plane that runs in the prefix.',
  options: {
    days: { short: 'd', value: 'NUMBER', description: 'Validity of the certificate (default 1095).', numberFrom: 1 },
    conf: CONF_OPTION,
    prefix: PREFIX_OPTION,
    'admin-url': { value: 'URL', description: "Admin API of the control plane; default: the prefix's own." },
    name: { value: 'TEXT', description: 'What to call a new token.' },
    ttl: { value: 'SECONDS', description: 'Life of a new token (default 86400).', numberFrom: 60 },
    uses: {
      value: 'NUMBER',
      description: 'How many data planes may join with a new token (default: any).',
      numberFrom: 1,
    },
    delete: { value: 'ID', description: 'With token: delete the token of that id instead of making one.' },
    tokens: { description: 'With list: the tokens instead of the nodes.' },
    json: JSON_OPTION,
  },
  subcommands: {
    gen_cert: {
      arguments: '[<cert> <key>]',
      description:
        'Make the certificate and key that all nodes share in cluster_mtls = shared (default ./cluster.crt and ' +
        './cluster.key).',
    },
    token: { description: 'Make a token with which data planes join, and print it. It cannot be shown again.' },
    list: { description: 'List the nodes that joined or ask to.' },
    approve: { arguments: '<node>', description: 'Admit a node that asks to join. The start of its id is enough.' },
    revoke: { arguments: '<node>', description: 'Expel a node; its connection is cut at once.' },
  },
  async run(invocation, context) {
    if (invocation.subcommand === 'gen_cert') return generate(invocation, context)
    const base = adminAddress(invocation, context)
    switch (invocation.subcommand) {
      case 'token':
        return invocation.options['delete'] === undefined
          ? createToken(base, invocation, context.terminal)
          : deleteToken(base, invocation.options['delete'], context.terminal)
      case 'list':
        return invocation.options['tokens'] === undefined
          ? listNodes(base, invocation, context.terminal)
          : listTokens(base, invocation, context.terminal)
      case 'approve':
      case 'revoke':
        return decide(base, invocation, context.terminal)
    }
    throw new CliError(`unknown command '${invocation.subcommand}'`)
  },
}
export default command

async function generate({ positionals, options }: Invocation, { terminal, folder }: CommandContext): Promise<number> {
  const { cert, key } = await generateClusterCertificate({
    files: positionals,
    days: options['days'],
    folder,
    nowMs: systemClock.now(),
  })
  if (options['json'] !== undefined) terminal.printRaw(JSON.stringify({ cert, key }))
  else {
    const where = `they have been written to: '${cert}' and '${key}'.`
    terminal.print(`Successfully generated certificate/key pairs, ${where}`)
  }
  return 0
}

function adminAddress(invocation: Invocation, context: CommandContext): ApiAddress {
  const named = namedAdmin(invocation, context)
  if (named !== null) return named
  const { settings } = loadRunningOrGiven(invocation, context)
  if (settings.role === 'proxy') throw new CliError('this is a data plane: ask its control plane, see --admin-url')
  const base = listenerUrl(settings.admin_listen)
  if (base === null) throw new CliError('the node has no Admin API: admin_listen is off')
  return { url: base, token: settings.admin_token }
}

async function expect(answer: Promise<AdminAnswer>, ...statuses: number[]): Promise<unknown> {
  const received = await answer
  if (!statuses.includes(received.status)) throw new CliError(answerMessage(received))
  return received.body
}

async function createToken(base: ApiAddress, { options }: Invocation, terminal: Terminal): Promise<number> {
  const { name, ttl, uses } = options
  const body = {
    ...(name === undefined ? {} : { name }),
    ...(ttl === undefined ? {} : { ttl: Number(ttl) }),
    ...(uses === undefined ? {} : { uses: Number(uses) }),
  }
  const token = (await expect(callAdmin(base, 'POST', '/clustering/tokens', body), 201)) as Row
  // Alone on its line, so that a script can take it as it is.
  terminal.printRaw(options['json'] === undefined ? String(token['token']) : JSON.stringify(token))
  return 0
}

async function deleteToken(base: ApiAddress, id: string, terminal: Terminal): Promise<number> {
  await expect(callAdmin(base, 'DELETE', `/clustering/tokens/${encodeURIComponent(id)}`), 204)
  terminal.print(`token ${id} deleted`)
  return 0
}

type Row = Readonly<Record<string, unknown>>

/** Follows the pages to their end. */
async function readAll(base: ApiAddress, path: string): Promise<Row[]> {
  const rows: Row[] = []
  let next: string | null = path
  while (next !== null) {
    const page = (await expect(callAdmin(base, 'GET', next), 200)) as { data?: Row[]; next?: string | null }
    rows.push(...(page.data ?? []))
    next = page.next ?? null
  }
  return rows
}

async function listNodes(base: ApiAddress, { options }: Invocation, terminal: Terminal): Promise<number> {
  const nodes = await readAll(base, '/clustering/nodes')
  if (options['json'] !== undefined) terminal.printRaw(JSON.stringify(nodes))
  else if (nodes.length === 0) terminal.print('no node has asked to join')
  else printTable(terminal, ['id', 'status', 'hostname', 'ip', 'key_fingerprint'], nodes)
  return 0
}

async function listTokens(base: ApiAddress, { options }: Invocation, terminal: Terminal): Promise<number> {
  const tokens = await readAll(base, '/clustering/tokens')
  if (options['json'] !== undefined) terminal.printRaw(JSON.stringify(tokens))
  else if (tokens.length === 0) terminal.print('there is no token')
  else {
    const rows = tokens.map(token => ({
      ...token,
      expires_at: expiryText(Number(token['expires_at']) * 1000),
      uses_left: token['uses_left'] ?? 'any',
    }))
    printTable(terminal, ['id', 'name', 'expires_at', 'uses_left'], rows)
  }
  return 0
}

function expiryText(ms: number): string {
  return new Date(ms).toISOString() + (ms <= systemClock.now() ? ' (expired)' : '')
}

/** What the other side sent is printed without control characters: a node chooses its own host name. */
function printTable(terminal: Terminal, columns: readonly string[], rows: readonly Row[]): void {
  const cells = [
    columns,
    ...rows.map(row => columns.map(column => String(row[column] ?? '-').replace(/[^\x20-\x7e]/g, '?'))),
  ]
  const widths = columns.map((_, at) => Math.max(...cells.map(line => line[at]!.length)))
  for (const line of cells)
    terminal.print(
      line
        .map((cell, at) => cell.padEnd(widths[at]!))
        .join('  ')
        .trimEnd(),
    )
}

async function decide(
  base: ApiAddress,
  { subcommand, positionals, options }: Invocation,
  terminal: Terminal,
): Promise<number> {
  const [given] = positionals
  if (given === undefined) throw new CliError(`the '${subcommand}' command needs a <node>; see 'kong hybrid list'`)
  const id = await completeId(base, given)
  const path = `/clustering/nodes/${encodeURIComponent(id)}/${subcommand}`
  const node = (await expect(callAdmin(base, 'POST', path), 200)) as Row
  if (options['json'] !== undefined) terminal.printRaw(JSON.stringify(node))
  else terminal.print(`node ${id} is ${String(node['status'])}`)
  return node['status'] === (subcommand === 'approve' ? 'approved' : 'revoked') ? 0 : 1
}

async function completeId(base: ApiAddress, start: string): Promise<string> {
  const ids = (await readAll(base, '/clustering/nodes')).map(node => String(node['id']))
  if (ids.includes(start)) return start
  const matching = ids.filter(id => id.startsWith(start))
  if (matching.length === 1) return matching[0]!
  throw new CliError(
    matching.length === 0 ? `no node with id '${start}'` : `several nodes have an id that begins with '${start}'`,
  )
}

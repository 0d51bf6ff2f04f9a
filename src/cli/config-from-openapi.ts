/** `kong config from-openapi` and `kong config schema`: what they make goes to the output, or into a file. */
import { existsSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Settings } from '../settings/definition.ts'
import { CliError, type CommandContext, type Invocation } from './command.ts'

export async function convertOpenApi(file: string, { options }: Invocation, context: CommandContext): Promise<number> {
  const { OpenApiError, fromOpenApi } = await import('../declarative/from-openapi.ts')
  const { readText } = await import('../declarative/read-text.ts')
  const { toYaml } = await import('../declarative/yaml.ts')
  const { readDeclarativeFile } = await import('../node/typescript-config.ts')
  const path = resolve(context.folder, file)
  const { text, filename } = await readDeclarativeFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new CliError(error.code === 'ENOENT' ? `${path}: No such file or directory` : error.message)
  })
  const read = readText(text, filename)
  if (!read.ok) throw new CliError(`${path}: ${read.error}`)
  try {
    const { document, notes } = fromOpenApi(read.document)
    for (const note of notes) context.terminal.warn(note)
    return write(toYaml(document), options['output'], context)
  } catch (error) {
    if (error instanceof OpenApiError) throw new CliError(`${path}: ${error.message}`)
    throw error
  }
}

export async function printSchema(
  settings: Settings,
  { options }: Invocation,
  context: CommandContext,
): Promise<number> {
  const { fileSchema } = await import('../declarative/file-schema.ts')
  const { nodeCatalog } = await import('../node/offline-config.ts')
  return write(`${JSON.stringify(fileSchema(nodeCatalog(settings)), null, 1)}\n`, options['output'], context)
}

function write(text: string, output: string | undefined, { folder, terminal }: CommandContext): number {
  if (output === undefined) {
    terminal.printRaw(text.trimEnd())
    return 0
  }
  const path = resolve(folder, output)
  if (existsSync(path)) throw new CliError(`${path} already exists. Will not overwrite it.`)
  writeFileSync(path, text, { flag: 'wx' })
  return 0
}

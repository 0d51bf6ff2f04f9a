/** Writes the metrics of several workers, added up, in Prometheus's text format (version 0.0.4). */
import type { MetricDump } from './metrics.ts'

/** Every name begins with it, as in Kong: `kong_latency_ms` is shown as `kong_kong_latency_ms`. */
export const metricPrefix = 'kong_'

/** Gauges of workers are added up too; what belongs to the node as a whole comes in `extra`. */
export function renderMetrics(dumps: readonly (readonly MetricDump[])[], extra: readonly MetricDump[] = []): string {
  const families = new Map<string, SummedFamily>()
  for (const dump of dumps.flat()) sumInto(families, dump)
  for (const dump of extra) sumInto(families, dump)
  const byName = [...families.values()].sort((a, b) => (a.dump.name < b.dump.name ? -1 : 1))
  return byName
    .filter(({ series }) => series.size > 0)
    .map(renderFamily)
    .join('')
}

interface SummedSeries {
  readonly labels: readonly string[]
  value: number
  readonly counts: number[] | null
}
interface SummedFamily {
  readonly dump: MetricDump
  readonly series: Map<string, SummedSeries>
}

function sumInto(families: Map<string, SummedFamily>, dump: MetricDump): void {
  const family = families.get(dump.name) ?? { dump, series: new Map<string, SummedSeries>() }
  families.set(dump.name, family)
  for (const { labels, value, counts } of dump.series) {
    const key = JSON.stringify(labels)
    const known = family.series.get(key)
    if (known === undefined) {
      family.series.set(key, { labels, value, counts: counts === undefined ? null : [...counts] })
      continue
    }
    known.value += value
    for (const [i, count] of (counts ?? []).entries()) known.counts![i]! += count
  }
}

function renderFamily({ dump, series }: SummedFamily): string {
  const name = metricPrefix + dump.name
  let text = `# HELP ${name} ${dump.help.replace(/[\\\n]/g, escapeOne)}\n# TYPE ${name} ${dump.type}\n`
  const sorted = [...series].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one)
  for (const one of sorted) {
    text += one.counts === null ? line(name, dump.labels, one.labels, one.value) : histogramLines(name, dump, one)
  }
  return text
}

function histogramLines(name: string, { labels, buckets = [] }: MetricDump, series: SummedSeries): string {
  let cumulative = 0
  let text = ''
  for (const [i, count] of series.counts!.entries()) {
    cumulative += count
    const le = i < buckets.length ? String(buckets[i]) : '+Inf'
    text += line(`${name}_bucket`, [...labels, 'le'], [...series.labels, le], cumulative)
  }
  text += line(`${name}_count`, labels, series.labels, cumulative)
  return text + line(`${name}_sum`, labels, series.labels, series.value)
}

function line(name: string, labels: readonly string[], values: readonly string[], value: number): string {
  if (labels.length === 0) return `${name} ${numberText(value)}\n`
  const pairs = labels.map((label, i) => `${label}="${(values[i] ?? '').replace(/[\\"\n]/g, escapeOne)}"`)
  return `${name}{${pairs.join(',')}} ${numberText(value)}\n`
}

function escapeOne(character: string): string {
  return character === '\n' ? '\\n' : `\\${character}`
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return 'Nan'
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value)
}

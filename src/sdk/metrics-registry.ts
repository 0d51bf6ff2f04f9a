/** The metrics of one worker. Adding to a series follows its labels through maps: nothing is joined or allocated. */
import type { Counter, Gauge, Histogram, MetricDump, MetricRegistry } from './metrics.ts'

/** Labels come from configuration, but also from status codes and consumers; memory must end somewhere. */
export const seriesCountMax = 50_000

interface Series {
  readonly labels: readonly string[]
  value: number
  readonly counts: number[] | null
}
type Branch = Map<string, Branch | Series>

interface Family {
  readonly type: MetricDump['type']
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]
  readonly buckets: readonly number[] | null
  readonly root: Branch
  readonly all: Series[]
}

/** Counts what had to be left out; Kong's name for it. */
const errorsName = 'nginx_metric_errors_total'

export function createMetricRegistry(): MetricRegistry {
  const families = new Map<string, Family>()
  let errorCount = 0

  function familyOf(
    type: Family['type'],
    name: string,
    help: string,
    labels: readonly string[],
    buckets: Family['buckets'] = null,
  ): Family {
    const known = families.get(name)
    if (known !== undefined) {
      if (known.type !== type || known.labels.join() !== labels.join()) {
        throw new Error(`metric '${name}' is registered with another type or other labels`)
      }
      return known
    }
    const family = { type, name, help, labels, buckets, root: new Map(), all: [] }
    families.set(name, family)
    return family
  }

  /** Null when the labels do not fit or there are too many series; both are counted, none may fail a request. */
  function seriesOf(family: Family, labels: readonly string[]): Series | null {
    const depth = family.labels.length
    if (labels.length !== depth) return refuse()
    let branch = family.root
    for (let i = 0; i < depth - 1; i++) {
      let next = branch.get(labels[i]!) as Branch | undefined
      if (next === undefined) {
        if (family.all.length >= seriesCountMax) return refuse()
        branch.set(labels[i]!, (next = new Map()))
      }
      branch = next
    }
    const last = depth === 0 ? '' : labels[depth - 1]!
    const known = branch.get(last) as Series | undefined
    if (known !== undefined) return known
    if (family.all.length >= seriesCountMax) return refuse()
    const counts = family.buckets === null ? null : new Array<number>(family.buckets.length + 1).fill(0)
    const series = { labels: [...labels], value: 0, counts }
    branch.set(last, series)
    family.all.push(series)
    return series
  }

  function refuse(): null {
    errorCount++
    return null
  }

  return {
    counter(name, help, labels): Counter {
      const family = familyOf('counter', name, help, labels)
      return {
        add(values, amount) {
          const series = seriesOf(family, values)
          if (series !== null) series.value += amount
        },
      }
    },
    gauge(name, help, labels): Gauge {
      const family = familyOf('gauge', name, help, labels)
      return {
        set(values, value) {
          const series = seriesOf(family, values)
          if (series !== null) series.value = value
        },
      }
    },
    histogram(name, help, labels, buckets): Histogram {
      const family = familyOf('histogram', name, help, labels, buckets)
      return {
        observe(values, value) {
          const series = seriesOf(family, values)
          if (series === null) return
          let bucket = 0
          while (bucket < buckets.length && value > buckets[bucket]!) bucket++
          series.counts![bucket]!++
          series.value += value
        },
      }
    },
    dump() {
      const help = 'Number of samples that were left out.'
      const series = [{ labels: [], value: errorCount }]
      return [
        { name: errorsName, help, type: 'counter', labels: [], series },
        ...[...families.values()].map(dumpFamily),
      ]
    },
  }
}

function dumpFamily({ name, help, type, labels, buckets, all }: Family): MetricDump {
  const series = all.map(({ labels: values, value, counts }) =>
    counts === null ? { labels: values, value } : { labels: values, value, counts: [...counts] },
  )
  return { name, help, type, labels, series, ...(buckets === null ? {} : { buckets }) }
}

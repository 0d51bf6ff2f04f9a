/** Counters, gauges and histograms of one worker, in a form that can be added up over workers. */

export interface Counter {
  /** `labels` in the order declared; the array may be reused by the caller. */
  add(labels: readonly string[], amount: number): void
}
export interface Gauge {
  set(labels: readonly string[], value: number): void
}
export interface Histogram {
  observe(labels: readonly string[], value: number): void
}

/** Asking for a name again returns the same metric; its labels must then be the same. */
export interface MetricRegistry {
  counter(name: string, help: string, labels: readonly string[]): Counter
  gauge(name: string, help: string, labels: readonly string[]): Gauge
  histogram(name: string, help: string, labels: readonly string[], buckets: readonly number[]): Histogram
  /** Plain data, for the process that adds up. */
  dump(): MetricDump[]
}

export interface MetricDump {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly labels: readonly string[]
  readonly buckets?: readonly number[]
  /** For histograms `value` is the sum, `counts` per bucket (not cumulative) with +Inf last. */
  readonly series: readonly {
    readonly labels: readonly string[]
    readonly value: number
    readonly counts?: readonly number[]
  }[]
}

/** Ordered sequences that come bit by bit, made into one. */

export async function* inTurn<Item>(items: Iterable<Item>): AsyncGenerator<Item> {
  yield* items
}

/** Each source must be in order. */
export async function* mergeOrdered<Item>(
  sources: readonly AsyncGenerator<Item>[],
  compare: (a: Item, b: Item) => number,
): AsyncGenerator<Item> {
  try {
    const heads = await Promise.all(sources.map(source => source.next()))
    for (;;) {
      let least = -1
      for (const [at, head] of heads.entries()) {
        if (head.done) continue
        const best = heads[least]
        if (best === undefined || compare(head.value, best.value as Item) < 0) least = at
      }
      if (least === -1) return
      yield heads[least]!.value as Item
      heads[least] = await sources[least]!.next()
    }
  } finally {
    for (const source of sources) await source.return(undefined)
  }
}

export async function* withoutRepeats<Item>(source: AsyncIterable<Item>): AsyncGenerator<Item> {
  let last: Item | undefined
  for await (const item of source) {
    if (item === last) continue
    yield item
    last = item
  }
}

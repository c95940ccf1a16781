/** Numbers that a seed decides (mulberry32): the same on every machine. */

export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
    // Neighbouring seeds are to begin differently.
    this.next()
    this.next()
  }

  /** 0 up to 2^32-1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }

  /** 0 up to `end - 1`. */
  below(end: number): number {
    return this.next() % end
  }

  chance(probability: number): boolean {
    return this.next() < probability * 2 ** 32
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item
  }

  /** One of the keys, each as often as its weight says. */
  weighted<Key extends string>(weights: Readonly<Record<Key, number>>): Key {
    let sum = 0
    for (const key in weights) sum += weights[key]
    let rest = this.below(sum)
    for (const key in weights) {
      if (rest < weights[key]) return key
      rest -= weights[key]
    }
    throw new Error('no weights')
  }
}

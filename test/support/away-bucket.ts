/** A bucket that can go away: no request to it is answered any more, or each only with an error. */
import { errors } from '../../src/storage/s3/errors.ts'
import type { ObjectStore } from '../../src/storage/object-store.ts'

export type Away = 'no' | 'silent' | 'refusing'

export class AwayBucket {
  away: Away = 'no'
  /** Requests that came while it was away. */
  readonly asked: string[] = []

  /** What goes away, before `objects`. */
  wrap(objects: ObjectStore): ObjectStore {
    return new Proxy(objects, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target)
        if (typeof value !== 'function') return value
        if (this.away === 'no') return value.bind(target) as unknown
        return async (...args: readonly unknown[]): Promise<unknown> => {
          this.asked.push(`${String(name)} ${typeof args[0] === 'string' ? args[0] : ''}`)
          if (this.away === 'silent') return await new Promise(() => {})
          throw errors.S3_UNAVAILABLE({
            operation: String(name),
            place: objects.place,
            key: null,
            requestId: null,
            reason: 'no answer',
            advice: 'check the network',
            isLate: false,
          })
        }
      },
    })
  }
}

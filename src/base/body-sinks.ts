/**
 * Where the body of an HTTP answer is to lie, told beside its request: connections that know of it (`BodyTap` of
 * transport) put it there as it is decrypted, others do not, and then it comes as a stream.
 */
import type { Allocate } from './buffer-pool.ts'

export interface BodySink {
  /** Asked when the length is known, once for each answer. */
  readonly allocate: Allocate
  /** Longer bodies come as streams. */
  readonly sizeMax: number
  /** Called with the size of each piece as it comes. */
  readonly onBytes: (size: number) => void
  /** The whole body; null as long as it has not come, or if it came as a stream. Its answer has an empty one then. */
  body: Uint8Array<ArrayBuffer> | null
}

const sinks = new WeakMap<object, BodySink>()

/** Says it of the request that is made with this very object of headers. */
export function setBodySink(headers: object, sink: BodySink): void {
  sinks.set(headers, sink)
}

export function bodySinkOf(headers: object): BodySink | undefined {
  return sinks.get(headers)
}

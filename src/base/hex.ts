/** Hex text to bytes and back, validated. */

const HEX = /^(?:[0-9a-fA-F]{2})*$/

/** Lower-case hex of `bytes`. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

/** Bytes of `text`, or null if it is not hex of whole bytes. */
export function fromHex(text: string): Uint8Array | null {
  return HEX.test(text) ? new Uint8Array(Buffer.from(text, 'hex')) : null
}

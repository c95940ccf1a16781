/**
 * Memory of chunks on their way in and out of a server, stored or plain: one pool, so that what a backup has left is
 * what a restore uses. Pools of their own stayed resident side by side.
 */
import { BufferPool } from '../base/buffer-pool.ts'
import { DIRECT_ALIGNMENT } from '../base/fs/native-address.ts'

/**
 * Most chunks of trees fit, all of images do, with their header and the rest of a page. What was never filled is not
 * resident: 64 MiB of images stay when the server is idle.
 */
export const storedBuffers = new BufferPool({
  size: (8 << 20) + DIRECT_ALIGNMENT,
  sizeMin: 256 << 10,
  countMax: 16,
  isAligned: true,
})

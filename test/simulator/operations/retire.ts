/** What a removal of the datastore, or its unmounting, asks first: whether anybody works on it (races.md R-53). */
import { STORE_NAME } from '../sim-process.ts'
import { Violation } from '../violation.ts'
import type { Running } from './operation.ts'

export async function retire({ world, process, random }: Running): Promise<void> {
  for (let round = 1 + random.below(8); round > 0; round -= 1) {
    await process.operations.whileIdle(STORE_NAME, async () => {
      for (const { name } of world.uses.keys()) {
        world.fail(new Violation('R-53', `the store counts as idle, and ${name} works on it`))
      }
      await Promise.resolve()
    })
  }
}

/** The list of snapshots as text, made by threads (snapshot-lists.ts). */
import type { Datastore } from '../../../../datastore/datastore.ts'
import { ownerMatches } from '../../../../datastore/groups.ts'
import { ownerIn } from '../../../../datastore/listing/owner-text.ts'
import type { GroupRef } from '../../../../formats/names.ts'
import { JsonItems } from '../../../reply.ts'
import type { SnapshotLists } from '../../../snapshot-lists.ts'
import type { PermittedPlace } from './access.ts'

/** Items that go out as one piece of text. */
const ITEMS_PER_PIECE = 256

/** Items of the snapshots of `groups`; with `ownedOnly` of the caller's own alone. */
export async function* listInThreads(
  lists: SnapshotLists,
  datastore: Datastore,
  options: {
    readonly place: PermittedPlace
    readonly groups: readonly GroupRef[]
    readonly authId: string
  },
): AsyncIterable<JsonItems> {
  const { place, groups, authId } = options
  for await (const listed of lists.list(datastore, place.ns, groups)) {
    const owner = ownerIn(listed.owner)
    if (place.ownedOnly && (owner === null || !ownerMatches(owner, authId))) continue
    const end = owner === null ? '}' : `,"owner":${JSON.stringify(owner)}}`
    for (let start = 0; start < listed.texts.length; start += ITEMS_PER_PIECE) {
      const texts = listed.texts.slice(start, start + ITEMS_PER_PIECE)
      yield new JsonItems(texts.map((text) => text.slice(0, -1) + end).join(','))
    }
  }
}

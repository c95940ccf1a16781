/** A file system on which a tree is removed entry by entry, so that each of its steps can be the last one. */
import type { FileSystem } from '../../src/base/fs/file-system.ts'

/** `inner`, whose `removeTree` calls what `outer()` gives for each entry: the double around it. */
export function withTreeSteps(inner: FileSystem, outer: () => FileSystem): FileSystem {
  const removeTree = async (path: string): Promise<void> => {
    const fs = outer()
    const stat = await fs.lstat(path).catch(() => null)
    if (stat === null) return
    if (stat.kind !== 'folder') return await fs.unlink(path)
    for (const { name } of await fs.readDir(path)) await removeTree(`${path}/${name}`)
    await fs.rmdir(path)
  }
  return { ...inner, removeTree }
}

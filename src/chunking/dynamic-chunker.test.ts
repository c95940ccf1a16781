import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { suite, test } from 'node:test'
import { chunkerInputs } from '../../test/support/chunker-inputs.ts'
import { DynamicChunker } from './dynamic-chunker.ts'

/** chunker.md 11.1: input and its SHA-256. */
const INPUT_HASHES: readonly (readonly [string, string])[] = [
  ['R1', 'd87f9f1f02c009da220f16f2cfbcddb214e08c338e9e729b49973e6446738728'],
  ['R2', 'c1d07908e57ec9aabcf3d3236526d348d7a3299f1873fcc5b41f97030588c476'],
  ['A16', 'b3cc0ed8466c65f35651fe37b2869266c89170170a48756de1d424713ccdb23b'],
  ['Z', '83ee47245398adee79bd9c0a8bc57b821e92aba10f5f9ade8a5d1fae4d8c4302'],
  ['S1', '3792307081019903a52b479fd4e6e33468049831ea08d37a4b3bdfdc8580cca1'],
  ['C', '21b9bf484e8bb6ca346d2cd113f24594cadb15c31c3e6ea4bd99897b1e728282'],
]

/** chunker.md 11.2: input, average, count of chunks, SHA-256 of the cuts as u64. */
const SUMMARY: readonly (readonly [string, number, number, string])[] = [
  ['R1', 65536, 546, 'c675d34ea43417b531885de9612bf62f0a2329309cc7fd81d60fb2c7f6f25587'],
  ['R1', 131072, 260, '900924e603d3318d767029717ed397753a59b1e5e1a31d14d6eb6fa74ddb7d78'],
  ['R1', 262144, 134, '73978d67c31149798cc93386f36dcbdd15c2a4eb624b88ed756e3e222969ae47'],
  ['R1', 524288, 65, '838fbb6ee69801e031477693bbb7df301010839584ff6ec06ff67b5ea4807af3'],
  ['R1', 1048576, 36, '3ecb1b5ca97ab6e3b313912f33ba0e60e7d62f6d147b3595adc905eee3b60442'],
  ['R1', 2097152, 19, 'f23be9a50c0ce23c7471a7235cc102d268e12bfc0ca917fb1847902e8bebc409'],
  ['R1', 4194304, 9, '2e05acb19bda8349097449d84dfd0ca9ada51e6611b8f78b9dadc904b45bbcef'],
  ['R2', 65536, 552, '81984465c334506fa9dffa75a5623793aec97479f5e892e46ed1f4122b37ab56'],
  ['R2', 1048576, 35, '566a83f5b12f955b517670cdd549defb975c5bba35ef57e75a4e93194fea7210'],
  ['R2', 4194304, 8, 'deb44e3b1e738819b176a2ca176816aff6e31f1fef28041c96a0306779bc2121'],
  ['A16', 65536, 558, '19b3d6b729b0f34c8735c2ef6735a20ca8c194c7afc24dc64ba691ab2bc0f0bd'],
  ['A16', 524288, 69, '3ac3dc1b6fbad860c54635319313cdc27aa8f20030f706d06a75298576da6c47'],
  ['A16', 4194304, 7, '14dbebc68f58ca453ebaba34d58d47575358304f0fc3d9d294281fe057ba6f5c'],
  ['Z', 65536, 128, 'd1623a38989c8ff002becd08dbd8cb2fbac226f548e5e96411b698db66e1c161'],
  ['Z', 4194304, 2, 'f262820ec2434a2bc20f02f4c86b7eff2be496d77de2a32808f6074aa101ead4'],
  ['S1', 65536, 546, '1c6e9965d46bbbdcd281c1655dc0d7d97d12d6d4d3362da0aef5fce9a5c70b63'],
  ['S1', 4194304, 9, '52d9d1f4e5818058de35f81cf9bbef8b824a30b95d70579d3bc3483324811330'],
  ['C', 65536, 5, '4dbc80bfb7ba7d4ac364832545ac0c7c3e8d80d6cf9f9c4b1c6527d05e50f0f8'],
  ['C', 131072, 2, '41bda0affe0e5dd66cd2c5820153dfe5bfbbca6e667bbc36813ba89780042f17'],
]

/** chunker.md 11.3: input, average, all cuts. */
const LISTS: readonly (readonly [string, number, string])[] = [
  ['R1', 4194304, '3663716 5395328 7201970 13089669 16378221 19789106 23921227 32642859 33554432'],
  [
    'R1',
    2097152,
    '1234951 3663716 5055442 6022479 7201970 10316676 11369605 13089669 15306739 ' +
      '16238512 17330785 19789106 21097263 21857465 23921227 25437501 27540056 32642859 ' +
      '33554432',
  ],
  [
    'R1',
    1048576,
    '277814 1234951 3663716 5055442 5395328 6022479 7201970 9540976 10316676 10813703 ' +
      '11369605 11941592 13089669 13823789 14817465 15306739 15700814 16238512 16701457 ' +
      '17330785 19433156 19789106 20754645 21097263 21857465 22974590 23921227 25437501 ' +
      '27540056 30359479 31190857 31577843 32224878 32642859 33545298 33554432',
  ],
  ['R2', 4194304, '4091199 5305949 13403599 15440480 20165972 21759181 32653297 33554432'],
  ['A16', 4194304, '7048164 8294375 10279239 12013572 26562063 28056125 33554432'],
  ['Z', 4194304, '16777216 33554432'],
  ['C', 65536, '143377 405521 667665 929809 1048576'],
  ['C', 131072, '524288 1048576'],
  ['C', 262144, '1048576'],
]

const inputs = chunkerInputs()

function input(name: string): Uint8Array {
  const bytes = inputs[name]
  assert.ok(bytes !== undefined)
  return bytes
}

/** Ends of all chunks when `bytes` arrive in pieces whose sizes `nextSize` gives. */
function cutsOf(bytes: Uint8Array, average: number, nextSize: () => number): number[] {
  const chunker = new DynamicChunker({ average })
  const cuts: number[] = []
  for (let start = 0; start < bytes.length; ) {
    const piece = bytes.subarray(start, start + nextSize())
    const cut = chunker.scan(piece)
    start += cut === 0 ? piece.length : cut
    if (cut !== 0) cuts.push(start)
  }
  if (cuts.at(-1) !== bytes.length && bytes.length > 0) cuts.push(bytes.length)
  return cuts
}

function hashOfCuts(cuts: readonly number[]): string {
  const packed = Buffer.alloc(cuts.length * 8)
  for (const [index, cut] of cuts.entries()) packed.writeBigUInt64LE(BigInt(cut), index * 8)
  return createHash('sha256').update(packed).digest('hex')
}

suite('DynamicChunker', () => {
  for (const [name, hash] of INPUT_HASHES) {
    test(`input ${name} is the one of the vectors`, () => {
      assert.equal(createHash('sha256').update(input(name)).digest('hex'), hash)
    })
  }

  for (const [name, average, count, hash] of SUMMARY) {
    test(`cuts ${name} with average ${average} as stock does`, () => {
      const cuts = cutsOf(input(name), average, () => Number.MAX_SAFE_INTEGER)
      assert.equal(cuts.length, count)
      assert.equal(hashOfCuts(cuts), hash)
    })
  }

  for (const [name, average, list] of LISTS) {
    test(`cuts ${name} with average ${average} at the places listed`, () => {
      const cuts = cutsOf(input(name), average, () => 1_000_003)
      assert.deepEqual(cuts, list.split(' ').map(Number))
    })
  }

  test('adjacent cuts of two averages are told apart', () => {
    const whole = (): number => Number.MAX_SAFE_INTEGER
    assert.ok(cutsOf(input('A16'), 1_048_576, whole).includes(21_323_773))
    assert.ok(cutsOf(input('A16'), 2_097_152, whole).includes(21_323_774))
  })

  test('an inserted byte moves every cut by one and no more', () => {
    const whole = (): number => Number.MAX_SAFE_INTEGER
    const before = cutsOf(input('R1'), 4_194_304, whole)
    const after = cutsOf(input('S1'), 4_194_304, whole)
    assert.deepEqual(
      after,
      before.map((cut) => cut + 1),
    )
  })

  test('the first 1 MiB of R1 alone is cut as the whole, and ends with the rest', () => {
    const start = cutsOf(input('R1').subarray(0, 1_048_576), 65_536, () => 4096)
    const list = '139961 269233 334000 374489 401802 421904 438942 465224 520684 541411 '
    const rest = '709137 784371 873943 907445 935862 1039065 1048576'
    assert.deepEqual(start, (list + rest).split(' ').map(Number))
  })

  for (const pieceSize of [1, 7, 63, 64, 65, 4095, 131_071, 131_073]) {
    test(`pieces of ${pieceSize} bytes do not change the cuts`, () => {
      const bytes = input('R1').subarray(0, 1_500_000)
      const whole = cutsOf(bytes, 65_536, () => bytes.length)
      assert.deepEqual(
        cutsOf(bytes, 65_536, () => pieceSize),
        whole,
      )
    })
  }

  test('pieces of any sizes do not change the cuts, with averages down to the smallest', () => {
    const bytes = input('R2').subarray(0, 700_000)
    let state = 12_345
    const nextSize = (): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
      return 1 + ((state >>> 8) % ((state & 0x80) === 0 ? 100 : 60_000))
    }
    for (const average of [512, 1024, 4096, 65_536]) {
      const whole = cutsOf(bytes, average, () => bytes.length)
      assert.deepEqual(cutsOf(bytes, average, nextSize), whole, `average ${average}`)
    }
  })

  test('reset() begins a chunk as if the stream began there', () => {
    const chunker = new DynamicChunker({ average: 65_536 })
    chunker.scan(input('R2').subarray(0, 20_000))
    assert.equal(chunker.size, 20_000)
    chunker.reset()
    assert.equal(chunker.scan(input('R1')), 139_961)
    assert.equal(chunker.size, 0)
  })

  for (const average of [0, 256, 65_537, 8_388_608]) {
    test(`an average of ${average} is refused`, () => {
      assert.throws(() => new DynamicChunker({ average }), /average size/)
    })
  }
})

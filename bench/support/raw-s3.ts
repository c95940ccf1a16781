/**
 * The bare library against the same store, as a process of its own:
 *
 *   raw-s3.ts put|get COUNT SIZE CONCURRENCY PREFIX    objects of random bytes; prints seconds
 *   raw-s3.ts plant COUNT CONCURRENCY PREFIX           tiny objects under names of chunks
 *   raw-s3.ts list PREFIX                              page after page; prints seconds and the number of keys
 *
 * The store is named by `S3_HOST`, `S3_PORT`, `S3_REGION`, `S3_BUCKET`, `S3_ACCESS_KEY`, `S3_SECRET_KEY`.
 */
import { createHash, randomBytes } from 'node:crypto'
import { Agent } from 'node:https'
import { performance } from 'node:perf_hooks'
import {
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { forEachConcurrent } from '../../src/base/async/map-concurrent.ts'

const { env } = process
const Bucket = env['S3_BUCKET']
const [kind = '', ...args] = process.argv.slice(2)
const maxSockets = 64
const client = new S3Client({
  endpoint: `https://${env['S3_HOST']}:${env['S3_PORT']}`,
  region: env['S3_REGION'] ?? '',
  forcePathStyle: true,
  credentials: {
    accessKeyId: env['S3_ACCESS_KEY'] ?? '',
    secretAccessKey: env['S3_SECRET_KEY'] ?? '',
  },
  requestHandler: {
    httpsAgent: new Agent({ rejectUnauthorized: false, keepAlive: true, maxSockets }),
  },
})

const RUNS: Readonly<Record<string, () => Promise<Record<string, number>>>> = {
  put,
  get,
  plant,
  list,
}
const run = RUNS[kind]
if (run === undefined) throw new Error(`unknown '${kind}'`)
process.stdout.write(`${JSON.stringify(await run())}\n`)
client.destroy()

async function put(): Promise<Record<string, number>> {
  const [count = 0, size = 0, concurrency = 1] = args.slice(0, 3).map(Number)
  const bodies = Array.from({ length: Math.min(count, 64) }, () => randomBytes(size))
  return await timed(async () => {
    await forEachConcurrent(numbers(count), { concurrency }, async (number) => {
      const Body = bodies[number % bodies.length] ?? Buffer.alloc(0)
      await client.send(new PutObjectCommand({ Bucket, Key: `${args[3]}${number}`, Body }))
    })
  })
}

async function get(): Promise<Record<string, number>> {
  const [count = 0, , concurrency = 1] = args.slice(0, 3).map(Number)
  return await timed(async () => {
    await forEachConcurrent(numbers(count), { concurrency }, async (number) => {
      const answer = await client.send(new GetObjectCommand({ Bucket, Key: `${args[3]}${number}` }))
      await answer.Body?.transformToByteArray()
    })
  })
}

async function plant(): Promise<Record<string, number>> {
  const [count = 0, concurrency = 1] = args.slice(0, 2).map(Number)
  const Body = Buffer.from('no chunk')
  return await timed(async () => {
    await forEachConcurrent(numbers(count), { concurrency }, async (number) => {
      const digest = createHash('sha256').update(`planted ${number}`).digest('hex')
      const Key = `${args[2]}.chunks/${digest.slice(0, 4)}/${digest}`
      await client.send(new PutObjectCommand({ Bucket, Key, Body }))
    })
  })
}

async function list(): Promise<Record<string, number>> {
  let keys = 0
  const { seconds } = await timed(async () => {
    let ContinuationToken: string | undefined
    do {
      const input = { Bucket, Prefix: args[0], ContinuationToken }
      const page = await client.send(new ListObjectsV2Command(input))
      keys += page.Contents?.length ?? 0
      ContinuationToken = page.NextContinuationToken
    } while (ContinuationToken !== undefined)
  })
  return { seconds, keys }
}

async function timed(work: () => Promise<void>): Promise<{ seconds: number }> {
  const start = performance.now()
  await work()
  return { seconds: (performance.now() - start) / 1000 }
}

function* numbers(count: number): Iterable<number> {
  for (let number = 0; number < count; number += 1) yield number
}

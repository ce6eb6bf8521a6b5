// BullMQ's part of `bench.bullmq`: adds jobs to a queue on Redis and, unless told to hold them, works them off.
//
//     node bullmq.mjs MODULES SOCKET COUNT CONCURRENCY HOLD_MS|wait
//
// Time runs from the worker's start to the last job completed, which BullMQ tells once Redis has answered. Prints one
// line of JSON; processor time is that of this process and of Redis, by its INFO.

import { createRequire } from 'node:module';

const [modules, path, count, concurrency, hold] = process.argv.slice(2);
const require = createRequire(`${modules}/package.json`);
const { Queue, Worker } = require('bullmq');
const { Redis } = require('ioredis');
const connection = { path, maxRetriesPerRequest: null };
const total = Number(count);
const chunk = 1000;

const queue = new Queue('calls', { connection });
const redis = new Redis(connection); // of our own, for INFO

async function redisCpu() {
  const info = await redis.info('cpu');
  return ['used_cpu_sys', 'used_cpu_user', 'used_cpu_sys_children', 'used_cpu_user_children']
    .reduce((sum, name) => sum + Number(info.match(new RegExp(`^${name}:([0-9.]+)`, 'm'))[1]), 0);
}

const seconds = since => { const { user, system } = process.cpuUsage(since); return (user + system) / 1e6; };

async function add() {
  for (let first = 0; first < total; first += chunk) {
    const size = Math.min(chunk, total - first);
    await queue.addBulk(Array.from({ length: size }, (_, at) => (
      { name: 'call', data: { phone: `+4471${String(first + at).padStart(8, '0')}`, variables: { first: 'Ann' } } }
    )));
  }
}

async function workOff() {
  const work = Number(hold) ? () => new Promise(resolve => setTimeout(resolve, Number(hold))) : async () => {};
  const worker = new Worker('calls', work, { connection, concurrency: Number(concurrency), autorun: false });
  await worker.waitUntilReady();
  let completed = 0;
  const all = new Promise((resolve, reject) => {
    worker.on('completed', () => { if (++completed === total) resolve(); });
    worker.on('failed', (_job, error) => reject(error));
    worker.on('error', reject);
  });
  const redisBefore = await redisCpu(), cpu = process.cpuUsage(), began = process.hrtime.bigint();
  worker.run();
  await all;
  const wall_s = Number(process.hrtime.bigint() - began) / 1e9, node_cpu_s = seconds(cpu);
  const redis_cpu_s = await redisCpu() - redisBefore;
  const stored = await queue.getCompletedCount();
  if (stored !== total) throw new Error(`${stored} of ${total} jobs are completed`);
  await worker.close();
  return { wall_s, per_s: total / wall_s, cpu_s: node_cpu_s + redis_cpu_s, node_cpu_s, redis_cpu_s };
}

const began = process.hrtime.bigint();
await add();
const add_s = Number(process.hrtime.bigint() - began) / 1e9;
const worked = hold === 'wait' ? { waiting: await queue.getWaitingCount() } : await workOff();
console.log(JSON.stringify({ count: total, add_s, ...worked, node_kib: process.resourceUsage().maxRSS }));
await queue.close();
await redis.quit();

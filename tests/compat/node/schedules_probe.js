'use strict';
// What schedules_probe.c is, with BullMQ and its cron-parser: commands as JSON arrays of words, one a line of standard
// input; each answers with lines of JSON and ends with {"end":status}.
const readline = require('node:readline');
const Redis = require('ioredis');
const { FlowProducer, Queue } = require('bullmq');
const { CronExpressionParser } = require('cron-parser');

const connection = new Redis(process.env.REDIS_URL, { maxRetriesPerRequest: null });
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const queues = new Map();

function queueOf(name) {
  if (!queues.has(name)) queues.set(name, new Queue(name, { connection }));
  return queues.get(name);
}

async function put(queue, json) {
  const { id, name, data, opts, ...times } = JSON.parse(json);
  const job = await queueOf(queue).upsertJobScheduler(id, times, { name, data, opts });
  say({ event: 'put', next: job ? Number(job.id.split(':').pop()) : 0 });
  return 0;
}

async function remove(queue, id) {
  say({ event: 'removed', was: await queueOf(queue).removeJobScheduler(id) });
  return 0;
}

async function list(queue) {
  for (const it of await queueOf(queue).getJobSchedulers(0, 99, true)) {
    say({ event: 'schedule', id: it.key, name: it.name, every: Number(it.every ?? 0), pattern: it.pattern ?? '', tz: it.tz ?? '',
      limit: it.limit ?? 0, next: Number(it.next), data: it.template?.data ?? null });
  }
  return 0;
}

const policies = { fpof: 'failParentOnFailure', cpof: 'continueParentOnFailure', idof: 'ignoreDependencyOnFailure',
  rdof: 'removeDependencyOnFailure' };

function treeOf({ queue, name, data, id, failure, opts, children }) {
  const all = { ...opts };
  if (id) all.jobId = id;
  if (failure) all[policies[failure]] = true;
  return { queueName: queue, name, data, opts: all, children: children?.map(treeOf) };
}

async function flow(json) {
  const producer = new FlowProducer({ connection });
  const added = await producer.add(treeOf(JSON.parse(json)));
  say({ event: 'added', id: added.job.id });
  return 0;
}

async function cron(lines) {
  for (const line of JSON.parse(lines)) {
    const [expression, tz, after] = line;
    try {
      const times = CronExpressionParser.parse(expression, { tz, currentDate: new Date(after) });
      say(Array.from({ length: 5 }, () => times.next().getTime()));
    } catch (error) {
      say(error.message);
    }
  }
  return 0;
}

const verbs = { put, remove, list, flow, cron };

async function run([verb, ...words]) {
  try {
    return await verbs[verb](...words);
  } catch (error) {
    say({ event: 'rejected', error: error.message });
    return 2;
  }
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) say({ end: await run(JSON.parse(line)) });
  process.exit(0);
}

main();

'use strict';
// What jobs_probe.c is, with BullMQ: the same verbs, options and lines of JSON.
//   REDIS_URL=... node jobs_probe.js add|work|ctl OPTIONS
//   REDIS_URL=... node jobs_probe.js serve      commands as JSON arrays of words, one a line; each ends with a line {"end":status};
//                                               "work" goes on until "stop"
//   REDIS_URL=... node jobs_probe.js events --queue Q      what QueueEvents hears
//   REDIS_URL=... node jobs_probe.js board --queue Q       what bull-board shows
const readline = require('node:readline');
const Redis = require('ioredis');
const { FlowProducer, Queue, QueueEvents, UnrecoverableError, Worker } = require('bullmq');

const connect = () => new Redis(process.env.REDIS_URL, { maxRetriesPerRequest: null });
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const queues = new Map();
let shared;
let working;

function parse(words) {
  const options = { rest: [] };
  for (let i = 0; i < words.length; i++) {
    if (words[i] === '--lifo') options.lifo = true;
    else if (words[i].startsWith('--')) options[words[i].slice(2)] = words[++i];
    else options.rest.push(words[i]);
  }
  return options;
}

function queueOf({ queue, prefix = 'bull' }) {
  const key = `${prefix}:${queue}`;
  shared ??= connect();
  if (!queues.has(key)) queues.set(key, new Queue(queue, { connection: shared, prefix }));
  return queues.get(key);
}

const keep = (text) => (text === 'true' ? true : text === 'false' ? false : Number(text));
const numbers = { delay: 'delay', priority: 'priority', attempts: 'attempts' };

function jobOptions(o) {
  const out = {};
  for (const [option, name] of Object.entries(numbers)) if (o[option] !== undefined) out[name] = Number(o[option]);
  if (o['job-id'] !== undefined) out.jobId = o['job-id'];
  if (o.lifo) out.lifo = true;
  if (o.backoff) out.backoff = { type: o.backoff.split(':')[0], delay: Number(o.backoff.split(':')[1]) };
  if (o['remove-on-complete'] !== undefined) out.removeOnComplete = keep(o['remove-on-complete']);
  if (o['remove-on-fail'] !== undefined) out.removeOnFail = keep(o['remove-on-fail']);
  if (o['dedup-id'] !== undefined) {
    out.deduplication = { id: o['dedup-id'] };
    if (o['dedup-ttl'] !== undefined) out.deduplication.ttl = Number(o['dedup-ttl']);
    for (const flag of ['extend', 'replace', 'keepLastIfActive']) if (o[`dedup-${flag}`]) out.deduplication[flag] = true;
  }
  return out;
}

async function add(o) {
  for (let i = 0; i < Number(o.count ?? 1); i++) {
    let job;
    try {
      job = await queueOf(o).add(o.name, JSON.parse(o.data ?? '{}'), jobOptions(o));
    } catch (error) {
      say({ event: 'rejected', error: error.message });
      return 2;
    }
    say({ event: 'added', id: job.id });
  }
  return 0;
}

async function ctl(o) {
  const queue = queueOf(o);
  const [verb, id] = o.rest;
  const job = async () => (await queue.getJob(id)) ?? (() => { throw new Error(`no job ${id}`); })();
  if (verb === 'pause') await queue.pause();
  else if (verb === 'resume') await queue.resume();
  else if (verb === 'drain') await queue.drain(id === 'delayed');
  else if (verb === 'promote') await (await job()).promote();
  else if (verb === 'retry') await (await job()).retry();
  else if (verb === 'remove') await (await job()).remove();
  else if (verb === 'state') say({ event: 'state', id, state: await queue.getJobState(id) });
  else if (verb === 'counts') say({ event: 'counts', ...(await queue.getJobCounts()) });
  else if (verb === 'workers') say({ event: 'workers', count: (await queue.getWorkers()).length });
  else if (verb === 'obliterate') await queue.obliterate({ force: true });
  else if (verb === 'clean') await queue.clean(0, 1000, id);
  else if (verb === 'concurrency') await queue.setGlobalConcurrency(Number(id));
  else throw new Error(`no such verb: ${verb}`);
  say({ event: 'ok' });
  return 0;
}

async function behave(job, how, worker) {
  const [verb, number] = how.split(':');
  const echo = { echo: job.data, worker: worker ?? null };
  const boom = () => { throw new Error(`boom ${job.attemptsStarted}`); };
  if (verb === 'fail-until' && job.attemptsStarted <= Number(number)) boom();
  if (verb === 'fail-always') boom();
  if (verb === 'unrecoverable') throw new UnrecoverableError(`fatal ${job.attemptsStarted}`);
  if (verb === 'progress') {
    await job.updateProgress(25);
    await job.updateProgress({ step: 2, of: 2 });
    await job.log('log 1');
    await job.log('log 2');
  }
  if (verb === 'sleep') await sleep(Number(number));
  if (verb === 'hang') await new Promise(() => { setInterval(() => {}, 1000); });
  if (verb === 'crash') process.kill(process.pid, 'SIGKILL');
  if (verb === 'children') return { children: await job.getChildrenValues(), worker: worker ?? null };
  return echo;
}

function work(o) {
  const options = {
    connection: connect(), prefix: o.prefix ?? 'bull', concurrency: Number(o.concurrency ?? 1), name: o.name,
    lockDuration: Number(o['lock-duration'] ?? 30000), stalledInterval: Number(o['stalled-interval'] ?? 30000),
    maxStalledCount: Number(o['max-stalled'] ?? 1),
  };
  if (o.limiter) options.limiter = { max: Number(o.limiter.split('/')[0]), duration: Number(o.limiter.split('/')[1]) };
  const worker = new Worker(o.queue, async (job) => {
    say({ event: 'start', id: job.id, name: job.name, data: job.data, attempt: job.attemptsStarted });
    try {
      const value = await behave(job, job.data?.__behaviour ?? o.behaviour ?? 'echo', o.name);
      say({ event: 'done', id: job.id, returnvalue: value });
      return value;
    } catch (error) {
      say({ event: 'failed', id: job.id, reason: error.message });
      throw error;
    }
  }, options);
  working = worker;
  worker.on('error', (error) => process.stderr.write(`${error.stack}\n`));
  return worker.waitUntilReady().then(() => { say({ event: 'ready' }); return 0; });
}

async function events(o) {
  const heard = new QueueEvents(o.queue, { connection: connect(), prefix: o.prefix ?? 'bull' });
  for (const kind of ['added', 'waiting', 'active', 'completed', 'failed', 'progress', 'delayed', 'drained', 'removed', 'stalled',
    'retries-exhausted', 'paused', 'resumed', 'duplicated', 'deduplicated', 'waiting-children', 'cleaned']) {
    heard.on(kind, (what) => say({ event: kind, ...what }));
  }
  heard.on('error', (error) => say({ event: 'error', error: error.message }));
  await heard.waitUntilReady();
  say({ event: 'ready' });
}

async function board(o) {
  const { createBullBoard } = require('@bull-board/api');
  const { BullMQAdapter } = require('@bull-board/api/bullMQAdapter');
  let routes;
  const server = {
    setQueues(bullBoardQueues) { this.queues = bullBoardQueues; return this; }, setViewsPath() { return this; },
    setStaticPath() { return this; }, setUIConfig() { return this; }, setEntryRoute() { return this; },
    setErrorHandler() { return this; }, setApiRoutes(all) { routes = all; return this; },
  };
  createBullBoard({ queues: [new BullMQAdapter(queueOf(o))], serverAdapter: server });
  const route = routes.find(({ route: path }) => [].concat(path).includes('/api/queues'));
  const answer = async (status) => {
    const query = { activeQueue: o.queue, status, page: '1', jobsPerPage: '100' };
    return (await route.handler({ queues: server.queues, query, params: {}, body: {}, headers: {} })).body.queues[0];
  };
  const out = { jobs: {} };
  for (const status of ['waiting', 'active', 'delayed', 'prioritized', 'completed', 'failed']) {
    const shown = await answer(status);
    out.counts = shown.counts;
    out.jobs[status] = shown.jobs.map((job) => ({ id: job.id, name: job.name, data: job.data, attempts: job.attempts,
      failedReason: job.failedReason ?? null, returnValue: job.returnValue ?? null }));
  }
  say(out);
  return 0;
}

// A parent with a child that ends well and one that fails, by the policy given.
async function flow(o) {
  const flows = new FlowProducer({ connection: connect(), prefix: o.prefix ?? 'bull' });
  const opts = o.policy === 'none' ? {} : { [o.policy]: true };
  const id = (which) => `${which}-${o.policy}`;
  await flows.add({ name: 'parent', queueName: o.queue, data: {}, opts: { jobId: id('parent') }, children: [
    { name: 'good', queueName: o.kids, data: { n: 1 }, opts: { jobId: id('good') } },
    { name: 'bad', queueName: o.kids, data: { __behaviour: 'fail-always' }, opts: { jobId: id('bad'), ...opts } }] });
  await flows.close();
  return 0;
}

async function stop() {
  await working.close();
  return 0;
}

const verbs = { add, ctl, board, flow, work, stop };

async function run(words) {
  try {
    return await verbs[words[0]](parse(words.slice(1)));
  } catch (error) {
    process.stderr.write(`${error.stack}\n`);
    return 1;
  }
}

async function main() {
  const [verb, ...rest] = process.argv.slice(2);
  process.on('SIGTERM', async () => { await working?.close(); process.exit(0); });
  if (verb === 'work') return work(parse(rest));
  if (verb === 'events') return events(parse(rest));
  if (verb !== 'serve') return process.exit(await run([verb, ...rest]));
  for await (const line of readline.createInterface({ input: process.stdin })) say({ end: await run(JSON.parse(line)) });
  return process.exit(0);
}

main();

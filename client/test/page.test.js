// The client in a page, and without one.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { promisify } from 'node:util';
import vm from 'node:vm';

import { page } from './page.js';

test('a page that is hidden or left sends a beacon with the token in the query', async (t) => {
  const world = page(t);
  const client = world.client({ token: 'a/b+c' });
  client.count('seen');
  await world.fire('visibilitychange');
  assert.deepEqual(world.beacons, [], 'it is visible');
  await world.hide();
  client.count('left');
  await world.fire('pagehide');
  const sent = world.beacons.map(({ url, lines }) => [url, ...lines]);
  const url = 'https://proxy.example/batch?token=a%2Fb%2Bc';
  assert.deepEqual(sent, [[url, 'seen:1|c'], [url, 'left:1|c']]);
  await world.pass(10_000);
  assert.deepEqual(world.requests, []);
});

test('beacons share the budget with requests in flight', async (t) => {
  const world = page(t);
  globalThis.fetch = (url, { body }) => {
    world.requests.push(body);
    return new Promise(() => {});
  };
  const client = world.client();
  world.fill(client, 250);
  client.flush();
  await world.pass(0);
  world.fill(client, 400);
  await world.hide();
  assert.equal(world.requests[0].length, 24_999);
  assert.equal(world.beacons[0].bytes, 34_999);
});

test('a refused beacon becomes a request, and refused metrics stay queued', async (t) => {
  const world = page(t, { answers: [new TypeError('over the budget'), 200], beacon: false });
  const client = world.client();
  client.count('c');
  await world.hide();
  assert.deepEqual([world.requests.length, world.requests[0].keepalive], [1, true]);
  await world.pass(500);
  assert.deepEqual([world.requests[1].lines, world.requests[1].keepalive], [['c:1|c'], false]);
});

test('a request without keepalive takes nothing of the budget of beacons', async (t) => {
  const world = page(t, { answers: [500] });
  const client = world.client();
  for (let i = 0; i < 499; i++) {
    client.count('x'.repeat(115)); // 120 bytes with its newline
  }
  await client.flush();
  globalThis.fetch = (url, { keepalive }) => {
    world.requests.push({ keepalive });
    return new Promise(() => {});
  };
  await world.pass(500);
  assert.equal(world.requests[1].keepalive, false);
  client.count('left'.repeat(100));
  await world.hide();
  assert.equal(world.beacons[0].lines[0], 'left'.repeat(100) + ':1|c');
});

test('a request that has ended takes nothing of the budget', async (t) => {
  const world = page(t);
  const client = world.client();
  for (let round = 0; round < 2; round++) {
    world.fill(client, 400);
    await (round ? world.hide() : client.flush());
  }
  assert.deepEqual(world.beacons.map((beacon) => beacon.lines.length), [400]);
});

test('a beacon that exceeds the remaining budget is sent in smaller parts', async (t) => {
  const world = page(t, { beacon: (body) => body.length < 20_000 });
  const client = world.client();
  world.fill(client, 400);
  await world.hide();
  assert.deepEqual(world.beacons.map((beacon) => beacon.lines.length), [150, 150, 100]);
  await world.pass(10_000);
  assert.deepEqual(world.requests, []);
});

test('without sendBeacon, or with one that throws, a request is sent', async (t) => {
  for (const sendBeacon of [undefined, () => { throw new TypeError('forbidden'); }]) {
    await t.test(String(sendBeacon), async (t) => {
      const world = page(t);
      navigator.sendBeacon = sendBeacon;
      world.client().count('c');
      await world.hide();
      assert.deepEqual([world.lines(), world.requests[0].keepalive], [['c:1|c'], true]);
    });
  }
});

test('before it has a token, a page sends no beacon, which would be lost', async (t) => {
  const world = page(t);
  let resolve;
  const client = world.client({ token: () => new Promise((done) => (resolve = done)) });
  client.count('c');
  await world.hide();
  resolve('jwt');
  await world.pass(0);
  assert.deepEqual([world.beacons.length, world.requests[0].headers['X-JWT-Token']], [0, 'jwt']);
  client.count('d');
  await world.fire('pagehide');
  assert.match(world.beacons[0].url, /\?token=jwt$/);
});

test('web vitals are timings, CLS in thousandths', async (t) => {
  const world = page(t);
  const client = world.client();
  const report = (value) => (callback) => callback({ value });
  client.webVitals({ onLCP: report(1234.56789), onINP: report(8), onCLS: report(0.1234), onFCP: 'no function' });
  globalThis.webVitals = { onTTFB: report(0) };
  client.webVitals();
  delete globalThis.webVitals;
  client.webVitals();
  await client.flush();
  const lines = ['lcp:1234.568', 'inp:8', 'cls:123.4', 'ttfb:0'].map((line) => `web_vitals.${line}|ms`);
  assert.deepEqual(world.lines(), lines);
  assert.equal(world.errors.length, 1);
});

test('errors and rejections are counted until that is stopped', async (t) => {
  const world = page(t);
  const client = world.client();
  const stop = client.errors();
  await world.fire('error');
  await world.fire('unhandledrejection');
  stop();
  await world.fire('error');
  await client.flush();
  assert.deepEqual(world.lines(), ['errors.uncaught:1|c', 'errors.unhandled_rejection:1|c']);
});

test('Node sends with its own fetch, and the queue does not keep it alive', { timeout: 20_000 }, async (t) => {
  const bodies = [];
  const server = createServer(async (request, response) => {
    bodies.push(request.headers['content-type'] + ' ' + (await request.toArray()).join(''));
    response.end('{"accepted":1,"rejected":[]}');
  });
  t.after(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const script = `
    import { Client } from 'statsd-http-proxy-client';
    const client = new Client('http://127.0.0.1:${server.address().port}');
    client.errors();
    client.webVitals();
    client.count('sent');
    await client.flush();
    client.child({ prefix: 'a' }).timer('queued')();
  `;
  const start = Date.now();
  const options = { cwd: new URL('..', import.meta.url) };
  await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], options);
  assert.ok(Date.now() - start < 15_000);
  assert.deepEqual(bodies, ['text/plain;charset=UTF-8 sent:1|c']);
});

test('the script has the global', () => {
  const path = new URL('../dist/statsd-http-proxy-client.min.js', import.meta.url);
  const context = vm.createContext({ AbortController });
  vm.runInContext(readFileSync(path, 'utf8'), context);
  assert.equal(vm.runInContext('typeof new StatsDHttpProxy.Client("", "").count', context), 'function');
});

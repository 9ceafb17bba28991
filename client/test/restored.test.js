// Pages that are restored from the back/forward cache, where Firefox and WebKit never settle a request in flight.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { page } from './page.js';

/** A page that can be frozen: its requests are sent, and get an answer only if the test gives one. */
function frozen(t, options) {
  const world = page(t, options);
  const { fetch } = globalThis;
  const pending = [];
  const freeze = () => {
    globalThis.fetch = (...request) => {
      fetch(...request).catch(() => {});
      return new Promise((resolve, reject) => pending.push({ resolve, reject }));
    };
  };
  const thaw = () => (globalThis.fetch = fetch);
  const restore = () => world.fire('pageshow', { persisted: true });
  return Object.assign(world, { pending, freeze, thaw, restore });
}

test('a restored page sends its metrics, although its last request never ends', async (t) => {
  const world = frozen(t);
  world.freeze();
  const client = world.client();
  client.count('before');
  const flushed = client.flush();
  await world.pass(0);
  await world.fire('pagehide', { persisted: true });
  world.thaw();
  await world.restore();
  client.count('after');
  await client.flush();
  assert.deepEqual(world.lines(), ['before:1|c', 'after:1|c']);
  // Later metrics are sent too, and a `flush` from before the restoration settles within a request's time limit.
  client.count('later');
  await world.pass(2_000);
  await world.pass(28_000);
  await flushed;
  await world.pass(3_600_000);
  assert.deepEqual(world.lines(), ['before:1|c', 'after:1|c', 'later:1|c'], 'keepalive requests count as sent');
  assert.deepEqual([world.errors, client.dropped], [[], 0]);
});

test('queued metrics, and metrics that waited for a backoff, are sent when the page is restored', async (t) => {
  const world = frozen(t, { answers: [500, 200], beacon: false });
  const client = world.client({ flushInterval: 3_600_000 });
  client.count('failed');
  await client.flush();
  await world.restore();
  assert.deepEqual(world.lines(), ['failed:1|c', 'failed:1|c']);
  client.count('queued');
  await world.restore();
  assert.deepEqual(world.lines().slice(2), ['queued:1|c']);
});

test('a page that is shown but was not cached changes nothing', async (t) => {
  const world = page(t);
  const client = world.client();
  client.count('c');
  await world.fire('pageshow', { persisted: false });
  assert.deepEqual(world.requests, []);
});

test('a late answer counts: metrics that the proxy could not accept are sent again', async (t) => {
  const world = frozen(t);
  world.freeze();
  const client = world.client();
  client.count('late');
  client.flush();
  await world.pass(0);
  await world.restore();
  world.thaw();
  world.pending[0].resolve(new Response('', { status: 503 }));
  await world.pass(500);
  assert.deepEqual(world.lines(), ['late:1|c', 'late:1|c']);
  assert.equal(world.errors[0].status, 503);
});

test('a late failure of a request counts', async (t) => {
  const world = frozen(t);
  world.freeze();
  world.client().count('late');
  await world.pass(2_000);
  await world.restore();
  world.thaw();
  world.pending[0].reject(new TypeError('Failed to fetch'));
  await world.pass(500);
  assert.deepEqual(world.lines(), ['late:1|c', 'late:1|c']);
});

test('without keepalive, a request that never ends is sent again, and delays no other until then', async (t) => {
  const world = frozen(t, { answers: [500, 200] });
  const client = world.client();
  client.count('a');
  await client.flush();
  world.freeze();
  await world.pass(500);
  assert.equal(world.requests[1].keepalive, false);
  await world.restore();
  world.thaw();
  client.count('b');
  await world.pass(2_000);
  assert.deepEqual(world.lines(), ['a:1|c', 'a:1|c', 'b:1|c']);
  await world.pass(28_000);
  await world.pass(1_000);
  assert.deepEqual(world.lines(), ['a:1|c', 'a:1|c', 'b:1|c', 'a:1|c']);
});

test('the function of a token that never arrives is called again, and its lines are sent once', async (t) => {
  const world = frozen(t);
  const asked = [];
  const client = world.client({ token: () => (asked.length ? 'jwt2' : new Promise((resolve) => asked.push(resolve))) });
  client.count('c');
  await world.pass(2_000);
  await world.restore();
  assert.deepEqual(world.requests.map((request) => request.headers['X-JWT-Token']), ['jwt2']);
  asked[0]('jwt1');
  await world.pass(60_000);
  assert.deepEqual(world.lines(), ['c:1|c']);
  assert.deepEqual(world.errors, []);
});

test('Retry-After is obeyed after a restoration too, and waiting metrics are sent at last', async (t) => {
  const world = frozen(t, { answers: [new Response('', { status: 429, headers: { 'Retry-After': '90' } }), 200] });
  const client = world.client();
  client.count('c');
  await client.flush();
  await world.restore();
  await world.pass(60_000);
  assert.equal(world.requests.length, 1);
  await world.pass(60_000);
  assert.deepEqual(world.lines(), ['c:1|c', 'c:1|c']);
});

test('the return of the network without an event is noticed', async (t) => {
  const world = page(t);
  navigator.onLine = false;
  world.client().count('c');
  await world.pass(2_000);
  navigator.onLine = true;
  await world.pass(60_000);
  assert.deepEqual(world.lines(), ['c:1|c']);
});

// The ways of a page to call the client: detached methods, behind a Proxy, in a subclass, and with any arguments.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Client } from '../src/index.js';
import { page } from './page.js';

/** Makes a Proxy of an object and of every object in it, as Vue's `reactive` does. */
const reactive = (object) =>
  new Proxy(object, {
    get: (target, name, receiver) => {
      const value = Reflect.get(target, name, receiver);
      return Object(value) === value && typeof value != 'function' ? reactive(value) : value;
    },
  });

async function called(t, client, world) {
  const { count, gauge, timing, set, timer, time, child, webVitals, errors, flush } = client;
  t.mock.method(performance, 'now', () => 0);
  count('c');
  gauge('g', -1);
  timing('t', 1);
  set('s', 'x');
  timer('timer')();
  assert.equal(time('time', () => 'result'), 'result');
  const { count: ofChild } = child({ prefix: 'child', tags: { a: 1 } });
  ofChild('c');
  webVitals({ onLCP: (report) => report({ value: 2 }) });
  const stop = errors();
  await world.fire('error');
  stop();
  await flush();
  const lines = ['c:1|c', 'g:0|g', 'g:-1|g', 't:1|ms', 's:x|s', 'timer:0|ms', 'time:0|ms', 'child.c:1|c|#a:1'];
  assert.deepEqual(world.lines(), [...lines, 'web_vitals.lcp:2|ms', 'errors.uncaught:1|c']);
  assert.equal(client.dropped, 0);
  assert.deepEqual(world.errors, []);
}

test('methods work without their client', async (t) => {
  const world = page(t);
  await called(t, world.client(), world);
});

for (const [name, proxy] of [['a Proxy', (client) => new Proxy(client, {})], ['a deep Proxy', reactive]]) {
  test(`methods and children work behind ${name}`, async (t) => {
    const world = page(t);
    const client = proxy(world.client({ prefix: 'p', tags: { b: 2 } }));
    client.count('a');
    client.child({ prefix: 'q' }).count('b');
    proxy(client.child({ tags: { c: 3 } })).timing('c', 1);
    assert.equal(client.dropped, 0);
    await client.flush();
    assert.deepEqual(world.lines(), ['p.a:1|c|#b:2', 'p.q.b:1|c|#b:2', 'p.c:1|ms|#b:2,c:3']);
    client.count('d');
    await client.close();
    assert.equal(world.lines().at(-1), 'p.d:1|c|#b:2');
  });

  test(`methods work without their client that is behind ${name}`, async (t) => {
    const world = page(t);
    await called(t, proxy(world.client()), world);
  });
}

test('a subclass overrides methods, calls those of the client, and has its own', async (t) => {
  const world = page(t);
  class Shop extends Client {
    constructor(options) {
      super(options);
      this.section = 'shop.';
    }

    count(name, ...rest) {
      super.count(this.section + name, ...rest);
    }

    sold(name) {
      this.count(name);
      super.gauge('stock', 0);
    }
  }
  const shop = new Shop({ url: 'https://proxy.example' });
  const { count } = shop;
  shop.count('a');
  count('b', 2);
  shop.sold('c');
  reactive(shop).sold('d');
  await shop.flush();
  assert.ok(shop instanceof Shop && shop.constructor == Shop);
  const lines = ['shop.a:1|c', 'shop.b:2|c', 'shop.c:1|c', 'stock:0|g', 'shop.d:1|c', 'stock:0|g'];
  assert.deepEqual(world.lines(), lines);
});

test('a closed client reports it once, and so do its children', async (t) => {
  const world = page(t);
  const client = world.client();
  const child = client.child();
  client.count('a');
  await client.close();
  assert.deepEqual(world.errors, []);
  for (let i = 0; i < 3; i++) {
    client.count('b');
    child.timing('c', 1);
    await client.flush();
    await client.close();
  }
  assert.deepEqual(world.errors.map((error) => error.message), ['Closed']);
  assert.deepEqual(world.lines(), ['a:1|c']);
});

const bad = () => {
  throw new Error('of the page');
};

/** Values that a page may pass, by mistake or on purpose. */
const odd = [
  undefined, null, true, '', 'x', '\ud800', '[', 0, -0, -1, 1e-9, 1e300, NaN, Infinity, 10n, Symbol('s'), Symbol.iterator,
  [], [1], {}, Object.freeze({ a: 1 }), Object.create(null), new Date(NaN), /x/g, () => {}, bad, class {}, async () => 1,
  { toString: bad }, { valueOf: bad, toString: bad }, { [Symbol.toPrimitive]: bad }, { toString: () => ({}) },
  { get then() { return bad(); } }, { then: bad }, { then: 1 }, { then: (done) => done(1) }, { a: { toString: bad } },
  { get prefix() { return bad(); } }, { get tags() { return bad(); } }, { prefix: Symbol('s') }, { tags: { a: Symbol('s') } },
  { tags: { get a() { return bad(); } } }, { tags: 'text' }, { get onLCP() { return bad(); } }, { onLCP: bad, onCLS: 1 },
  { onLCP: (report) => report(), onCLS: (report) => report({ value: 1n }), onINP: (report) => report({ value: {} }) },
  new Proxy({}, { get: bad, ownKeys: bad, has: bad }), new Proxy(() => {}, { apply: bad, get: bad }),
  Promise.resolve(1), new Error('x'), new Map(), new Uint8Array(2), globalThis,
];

/** Chooses values in a fixed order, so that a failure can be repeated. */
function* chosen(seed) {
  for (;;) {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    yield odd[seed % odd.length];
  }
}

const worlds = {
  'a page': () => {},
  'an onError that throws': (options) => (options.onError = bad),
  'an onError that rejects': (options) => (options.onError = async () => bad()),
  'an onError that is none': (options) => (options.onError = 1),
  'an onError that calls the client': (options) => (options.onError = () => options.client().count('e', NaN)),
  'a token function that throws': (options) => (options.token = bad),
  'a token that is none': (options) => (options.token = () => Symbol('s')),
  'a token that is no text': (options) => (options.token = { toString: bad }),
  'a fetch that throws': () => (globalThis.fetch = bad),
  'a fetch that rejects with nothing': () => (globalThis.fetch = () => Promise.reject()),
  'a fetch that gives something else': () => (globalThis.fetch = () => undefined),
  'a beacon that throws': () => (navigator.sendBeacon = bad),
  'a navigator that is missing': () => (globalThis.navigator = undefined),
  'a document that is missing': () => (globalThis.document = undefined),
  'options that are none': (options) => Object.assign(options, { flushInterval: {}, maxQueue: NaN }),
  'a flush interval that is none': (options) => Object.assign(options, { flushInterval: Symbol('s'), maxQueue: 3 }),
};

for (const [name, prepare] of Object.entries(worlds)) {
  test(`no call throws into the page: ${name}`, async (t) => {
    const world = page(t);
    const faults = [];
    const caught = (error) => faults.push(error);
    process.on('unhandledRejection', caught);
    t.after(() => process.off('unhandledRejection', caught));
    let client;
    const options = { client: () => client };
    prepare(options);
    client = new Client({ url: 'https://proxy.example', onError: () => {}, ...options });
    for (const maker of [client, client.child({ prefix: 'a', tags: { b: 1 } }), new Proxy(client, {})]) {
      const values = chosen(9);
      const next = () => values.next().value;
      for (let i = 0; i < 200; i++) {
        const { count, gauge, timing, set, timer, child, webVitals } = maker;
        for (const call of [count, gauge, timing, set]) {
          assert.equal(call(next(), next(), next()), undefined);
        }
        timer(next())();
        webVitals(next());
        child(next()).count('x');
        const work = next();
        const result = maker.time(next(), () => work);
        if (!Object.is(result, work)) {
          // The work was a promise or a thenable. Its rejection is not a fault of the client.
          result.catch(() => {});
        }
      }
      maker.errors()();
    }
    if (globalThis.document) {
      document.visibilityState = 'hidden';
    }
    for (const type of ['error', 'unhandledrejection', 'online', 'pageshow', 'pagehide', 'visibilitychange']) {
      await world.fire(type, { persisted: true });
    }
    await world.fire('pagehide');
    assert.equal(typeof client.dropped, 'number');
    client.flush();
    await world.pass(60_000);
    client.close();
    await world.pass(60_000);
    assert.deepEqual(faults, []);
  });
}

// Engines that lack a feature: old browsers, workers, React Native, Node.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import vm from 'node:vm';

import { transformSync } from 'esbuild';

import { page } from './page.js';

const SCRIPT = readFileSync(new URL('../dist/statsd-http-proxy-client.min.js', import.meta.url), 'utf8');

/** Removes globals, or methods of them, until the test ends. */
function without(t, ...paths) {
  for (const path of paths) {
    const [name, method] = path.split('.');
    const owner = method ? globalThis[name] : globalThis;
    const key = method ?? name;
    const before = Object.getOwnPropertyDescriptor(owner, key);
    Object.defineProperty(owner, key, { value: undefined, configurable: true, writable: true });
    t.after(() => {
      delete owner[key];
      if (before) {
        Object.defineProperty(owner, key, before);
      }
    });
  }
}

const events = ['addEventListener', 'removeEventListener'];

for (const missing of [
  ['AbortSignal.timeout'],
  ['AbortSignal', 'AbortController'],
  ['TextEncoder'],
  ['performance'],
  ['PerformanceObserver'],
  ['navigator'],
  ['navigator.sendBeacon'],
  ['document'],
  events,
  // These are the features that a worker and React Native lack, and all of them.
  ['document', 'navigator.sendBeacon'],
  ['document', 'navigator.onLine', 'navigator.sendBeacon', 'AbortSignal.timeout', 'TextEncoder', ...events],
  ['document', 'navigator', 'AbortSignal', 'AbortController', 'TextEncoder', 'performance', ...events],
]) {
  test(`without ${missing.join(', ')} it delivers`, async (t) => {
    const world = page(t, { answers: [500, 200] });
    without(t, ...missing);
    const client = world.client({ token: async () => 'jwt' });
    const stop = client.errors();
    client.webVitals();
    client.count('größe.\u{1f600}');
    client.timer('t')();
    assert.equal(await client.time('p', Promise.resolve(1)), 1);
    await world.pass(2_000);
    await world.pass(500);
    const sizes = world.requests.map(({ lines }) => lines.length);
    assert.deepEqual(sizes, [3, 3]);
    assert.match(world.requests[1].body, /^größe\.\u{1f600}:1\|c\nt:\d+(\.\d{1,3})?\|ms\np:\d+(\.\d{1,3})?\|ms$/u);
    client.child({ prefix: 'a' }).count('left');
    for (const type of ['visibilitychange', 'pagehide']) {
      await world.fire(type);
    }
    await client.close();
    stop();
    const sent = [...world.lines(), ...world.beacons.flatMap((beacon) => beacon.lines)];
    assert.deepEqual(sent.slice(6), ['a.left:1|c']);
    assert.equal(client.dropped, 0);
  });
}

test('if keepalive is refused, as with a preflight before Chrome 81, a request without it follows', async (t) => {
  const world = page(t);
  const { fetch } = globalThis;
  globalThis.fetch = (url, init) => (init.keepalive ? Promise.reject(new TypeError('keepalive')) : fetch(url, init));
  world.client({ token: 'jwt' }).count('c');
  await world.pass(2_000);
  await world.pass(500);
  assert.deepEqual(world.lines(), ['c:1|c']);
});

test('a body of any characters stays below the budget, and is not far below it', async (t) => {
  for (const letter of ['x', 'ü', '\u07ff', '\u0800', '€', '\uffff', '\ud800', '\u{1f600}']) {
    await t.test(JSON.stringify(letter), async (t) => {
      const world = page(t);
      const client = world.client();
      for (let i = 0; i < 499; i++) {
        client.count(letter.repeat(200));
      }
      await client.flush();
      const sizes = world.requests.map(({ body }) => Buffer.byteLength(body));
      assert.ok(Math.max(...sizes) <= 60_000, `${sizes}`);
      assert.ok(sizes[0] > 39_000, `${sizes}`);
      assert.equal(world.lines().length, 499);
    });
  }
});

test('the script needs nothing but fetch and timers', async () => {
  const bodies = [];
  const calls = [];
  const context = vm.createContext({
    fetch: async (url, { body }) => {
      bodies.push(`${url} ${body}`);
      return { status: 200, ok: true, text: async () => '' };
    },
    setTimeout: (call) => calls.push(call),
    clearTimeout: () => {},
  });
  vm.runInContext(SCRIPT, context);
  await vm.runInContext(
    `const client = new StatsDHttpProxy.Client('https://proxy.example/');
    client.count('a');
    client.timing('t', 1.23456);
    client.flush()`,
    context,
  );
  assert.deepEqual(bodies, ['https://proxy.example/batch a:1|c\nt:1.235|ms']);
});

test('the script has no syntax after ES2020', () => {
  const written = (target) => transformSync(SCRIPT, { target, minifyWhitespace: true }).code;
  assert.equal(written('es2020'), written('esnext'));
  // esbuild turns a pattern that is too young into a call of RegExp, which fails in the engine. Hermes has no \\p.
  assert.doesNotMatch(written('es2020'), /\\p\{|\(\?<|RegExp\(/);
});

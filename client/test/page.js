// The client's view of a page: a clock, a proxy behind fetch, beacons, and events.
import { mock } from 'node:test';

import { Client } from '../src/index.js';

/** Lets promises settle. The fake clock does not replace `setImmediate`. */
export async function settle() {
  for (let i = 0; i < 5; i++) {
    await new Promise(setImmediate);
  }
}

/** Replaces globals until the test ends. `fetch` gives the `answers` in turn, and then repeats the last one. */
export function page(test, { answers = [200], beacon = true } = {}) {
  const world = { requests: [], beacons: [], errors: [], beacon, events: new EventTarget(), answers };
  const replaced = {
    fetch: async (url, init) => {
      world.requests.push({ url, ...init, lines: init.body.split('\n') });
      const answer = world.answers.length > 1 ? world.answers.shift() : world.answers[0];
      if (answer instanceof Error) {
        throw answer;
      }
      return await (typeof answer == 'number' ? new Response('', { status: answer }) : answer.clone());
    },
    navigator: {
      onLine: true,
      sendBeacon: (url, body) => {
        const taken = typeof world.beacon == 'function' ? world.beacon(body) : world.beacon;
        if (taken) {
          world.beacons.push({ url, lines: body.split('\n'), bytes: Buffer.byteLength(body) });
        }
        return taken;
      },
    },
    document: { visibilityState: 'visible' },
    addEventListener: (...rest) => world.events.addEventListener(...rest),
    removeEventListener: (...rest) => world.events.removeEventListener(...rest),
  };
  const before = Object.fromEntries(
    Object.keys(replaced).map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)]),
  );
  for (const [name, value] of Object.entries(replaced)) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  mock.method(Math, 'random', () => 0);
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.UTC(2026, 10, 22) });
  test.after(() => {
    mock.reset();
    mock.timers.reset();
    for (const name in before) {
      delete globalThis[name];
      if (before[name]) {
        Object.defineProperty(globalThis, name, before[name]);
      }
    }
  });
  return Object.assign(world, {
    client: (options) =>
      new Client({ url: 'https://proxy.example', onError: (error) => world.errors.push(error), ...options }),
    pass: async (milliseconds) => {
      await settle();
      mock.timers.tick(milliseconds);
      await settle();
    },
    fire: async (type, more) => {
      world.events.dispatchEvent(Object.assign(new Event(type), more));
      await settle();
    },
    hide: () => {
      globalThis.document.visibilityState = 'hidden';
      return world.fire('visibilitychange');
    },
    /** Queues lines of 100 bytes with their newline. */
    fill: (client, count) => {
      for (let i = 0; i < count; i++) {
        client.count('x'.repeat(95));
      }
    },
    lines: () => world.requests.flatMap((request) => request.lines),
  });
}

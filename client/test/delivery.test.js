// Requests: their times, their contents, and their failures.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { page } from './page.js';

const answer = (status, headers) => new Response('because', { status, headers });

test('metrics are sent together after the interval, and at once if there are many', async (t) => {
  const world = page(t);
  const client = world.client();
  client.count('a');
  client.count('b');
  await world.pass(1_999);
  assert.equal(world.requests.length, 0);
  await world.pass(1);
  const [request] = world.requests;
  assert.equal(request.body, 'a:1|c\nb:1|c');
  assert.deepEqual([request.method, request.keepalive], ['POST', true]);
  assert.deepEqual(request.headers, {}, 'no header that takes a preflight');
  for (let i = 0; i < 500; i++) {
    client.count('c');
  }
  await world.pass(0);
  assert.equal(world.requests.length, 2);
});

test('a metric that is counted during a request waits for its own interval', async (t) => {
  const world = page(t);
  const { fetch } = globalThis;
  const client = world.client();
  globalThis.fetch = (...request) => {
    client.count('b');
    globalThis.fetch = fetch;
    return fetch(...request);
  };
  client.count('a');
  await client.flush();
  assert.deepEqual(world.lines(), ['a:1|c']);
  await world.pass(2_000);
  assert.deepEqual(world.lines(), ['a:1|c', 'b:1|c']);
});

test('bodies stay below the budget, counted in bytes, one in flight', async (t) => {
  const world = page(t);
  const { fetch } = globalThis;
  let flying = 0;
  globalThis.fetch = async (...request) => {
    assert.equal(++flying, 1);
    const answer = await fetch(...request);
    flying--;
    return answer;
  };
  const client = world.client();
  for (let i = 0; i < 400; i++) {
    client.count('größe.€.' + 'ü'.repeat(200) + i);
  }
  await Promise.all([client.flush(), client.flush()]);
  assert.equal(world.requests.length, 3);
  for (const { body } of world.requests) {
    assert.ok(Buffer.byteLength(body) <= 60_000);
  }
  assert.equal(new Set(world.lines()).size, 400);
});

test('the queue is bounded, and dropped metrics are counted', async (t) => {
  const world = page(t);
  navigator.onLine = false;
  const client = world.client({ maxQueue: 3 });
  for (let i = 0; i < 5; i++) {
    client.count('c', i);
  }
  assert.equal(client.dropped, 2);
  navigator.onLine = true;
  await client.flush();
  assert.deepEqual(world.lines(), ['c:2|c', 'c:3|c', 'c:4|c']);
});

for (const maxQueue of [NaN, Infinity, 'many', null]) {
  test(`the queue is bounded by default if maxQueue is ${maxQueue}`, (t) => {
    const world = page(t);
    navigator.onLine = false;
    const client = world.client({ maxQueue });
    for (let i = 0; i < 10_001; i++) {
      client.count('c');
    }
    assert.deepEqual([client.dropped, world.errors], [1, []]);
  });
}

for (const failure of [new TypeError('Failed to fetch'), 500, 408]) {
  test(`after ${failure} the pauses grow, and at last the metrics are dropped`, async (t) => {
    const world = page(t, { answers: [failure] });
    const client = world.client();
    client.count('c');
    await client.flush();
    for (let attempt = 1; attempt < 10; attempt++) {
      await client.flush();
      await world.pass(Math.min(1_000 * 2 ** (attempt - 1), 60_000) / 2 - 1);
      assert.equal(world.requests.length, attempt, 'not before');
      await world.pass(1);
      assert.equal(world.requests.length, attempt + 1);
    }
    assert.equal(client.dropped, 1);
    assert.equal(world.errors.length, 10);
    world.answers = [200];
    await world.pass(60_000);
    client.count('next');
    await client.flush();
    assert.equal(world.requests.length, 11);
    assert.equal(world.requests[10].body, 'next:1|c');
  });
}

test('jitter spreads the backoff', async (t) => {
  const world = page(t, { answers: [500, 200] });
  Math.random.mock.mockImplementation(() => 0.5);
  world.client().count('c');
  await world.pass(2_000);
  await world.pass(749);
  assert.equal(world.requests.length, 1);
  await world.pass(1);
  assert.equal(world.requests.length, 2);
});

test('a timer that fires a little early ends the backoff', async (t) => {
  const world = page(t, { answers: [500, 200] });
  const { setTimeout } = globalThis;
  globalThis.setTimeout = (call, delay) => setTimeout(call, delay - 1);
  world.client().count('c');
  await world.pass(1_999);
  await world.pass(499);
  assert.equal(world.requests.length, 2);
});

for (const [status, after] of [[429, '120'], [503, 'Sun, 22 Nov 2026 00:02:00 GMT']]) {
  test(`${status} with Retry-After: ${after} is obeyed, also by beacons and when online`, async (t) => {
    const world = page(t, { answers: [answer(status, { 'Retry-After': after }), 200] });
    const client = world.client({ flushInterval: 0 });
    client.count('c');
    await world.pass(0);
    await world.pass(119_999);
    await world.hide();
    await world.fire('online');
    await client.flush();
    assert.deepEqual([world.requests.length, world.beacons.length], [1, 0]);
    await world.pass(1 + 500);
    assert.deepEqual(world.lines(), ['c:1|c', 'c:1|c']);
  });
}

test('other refusals are reported and dropped, and later metrics are sent', async (t) => {
  const world = page(t, { answers: [answer(400), 200] });
  const client = world.client();
  client.count('refused');
  await client.flush();
  client.count('next');
  await client.flush();
  assert.deepEqual(world.lines(), ['refused:1|c', 'next:1|c']);
  assert.deepEqual(world.errors.map(({ status, text }) => [status, text]), [[400, 'because']]);
  assert.equal(client.dropped, 1);
});

test('the rejected lines of a batch are reported', async (t) => {
  const text = '{"accepted":1,"rejected":[{"index":1,"error":"Invalid key specified"}]}';
  const world = page(t, { answers: [new Response(text), new Response('{"accepted":1,"rejected":[]}')] });
  const client = world.client();
  for (const name of ['a', 'b']) {
    client.count(name);
    await client.flush();
  }
  assert.deepEqual(world.errors.map((error) => error.text), [text]);
  assert.equal(world.requests.length, 2);
});

test('a fixed token that is refused is reported', async (t) => {
  const world = page(t, { answers: [answer(403)] });
  const client = world.client({ token: 'jwt' });
  client.count('c');
  await client.flush();
  assert.equal(world.requests[0].headers['X-JWT-Token'], 'jwt');
  assert.deepEqual([world.requests.length, world.errors[0].status, client.dropped], [1, 403, 1]);
});

test('the token function is called once, and again when its token is refused', async (t) => {
  const world = page(t, { answers: [200, answer(401), 200, answer(403)] });
  let calls = 0;
  const client = world.client({ token: async () => 'jwt' + ++calls });
  for (let i = 0; i < 3; i++) {
    client.count('c', i);
    await client.flush();
  }
  const tokens = world.requests.map((request) => request.headers['X-JWT-Token'] + ' ' + request.body);
  assert.deepEqual(tokens, ['jwt1 c:0|c', 'jwt1 c:1|c', 'jwt2 c:1|c', 'jwt2 c:2|c', 'jwt3 c:2|c']);
  assert.deepEqual(world.errors.map((error) => error.status), [403], 'the second refusal in a row');
});

test('a token function or an onError that throws has no effect on the page', async (t) => {
  const world = page(t);
  let calls = 0;
  const token = () => {
    if (!calls++) {
      throw new Error('no token');
    }
    return 'jwt';
  };
  for (const onError of [() => { throw new Error('a'); }, async () => { throw new Error('b'); }]) {
    calls = 0;
    const client = world.client({ token, onError });
    client.count('c', NaN);
    client.count('c', 1);
    await client.flush();
    await world.pass(500);
  }
  assert.deepEqual(world.lines(), ['c:1|c', 'c:1|c']);
});

test('a token function that counts or flushes is called once, and its metrics are sent', async (t) => {
  const world = page(t);
  let calls = 0;
  const client = world.client({
    token: () => {
      calls++;
      client.count('asked');
      client.flush();
      return 'jwt';
    },
  });
  for (let i = 0; i < 500; i++) {
    client.count('c');
  }
  await world.pass(0);
  assert.deepEqual([calls, world.errors, world.lines().length], [1, [], 501]);
});

test('refused and renewed tokens: each batch may renew once', async (t) => {
  const world = page(t, { answers: [answer(401), 200, answer(401), 200] });
  let calls = 0;
  const client = world.client({ token: () => 'jwt' + ++calls });
  // These lines make two batches in one flush.
  client.count('x'.repeat(7_000));
  for (let i = 0; i < 8; i++) {
    client.count('y'.repeat(7_000));
  }
  await client.flush();
  assert.deepEqual(world.requests.map((request) => request.headers['X-JWT-Token']), ['jwt1', 'jwt2', 'jwt2', 'jwt3']);
  assert.deepEqual([world.errors, client.dropped], [[], 0]);
});

test('a success ends a row of failures', async (t) => {
  const world = page(t, { answers: [500, 200, 500, 200] });
  const client = world.client();
  for (const name of ['a', 'b']) {
    client.count(name);
    await client.flush();
    await world.pass(500);
  }
  // Otherwise the backoff of the second failure would be longer.
  assert.deepEqual(world.lines(), ['a:1|c', 'a:1|c', 'b:1|c', 'b:1|c']);
});

test('the queue is bounded after a failure too', async (t) => {
  const world = page(t, { answers: [500, 200] });
  const { fetch } = globalThis;
  const client = world.client({ maxQueue: 2 });
  globalThis.fetch = (...request) => {
    globalThis.fetch = fetch;
    client.count('c');
    return fetch(...request);
  };
  client.count('a');
  client.count('b');
  await client.flush();
  assert.equal(client.dropped, 1);
  await world.pass(500);
  assert.deepEqual(world.requests[1].lines, ['b:1|c', 'c:1|c']);
});

test('a negative maxQueue keeps nothing, and ends', async (t) => {
  const world = page(t);
  const client = world.client({ maxQueue: -1 });
  client.count('a');
  await client.flush();
  assert.deepEqual([world.requests, client.dropped], [[], 1]);
});

test('a request that hangs fails after 30 seconds, and is sent again', async (t) => {
  const world = page(t);
  const { fetch } = globalThis;
  globalThis.fetch = (...request) => {
    globalThis.fetch = fetch;
    fetch(...request);
    // A request of a frozen page is like this: no signal ends it.
    return new Promise(() => {});
  };
  const client = world.client();
  client.count('a');
  client.flush();
  await world.pass(29_999);
  client.count('b');
  await world.pass(1);
  assert.deepEqual(world.errors.map((error) => error.message), ['Timed out']);
  await world.pass(500);
  assert.deepEqual(world.requests.map((request) => request.body), ['a:1|c', 'a:1|c\nb:1|c']);
});

test('a request that hangs releases its connection, and a status counts even if its body fails or hangs', async (t) => {
  const world = page(t);
  const limits = [];
  t.mock.method(AbortSignal, 'timeout', (limit) => {
    limits.push(limit);
    return new AbortController().signal;
  });
  const client = world.client();
  for (const text of [() => Promise.reject(new Error('broken off')), () => new Promise(() => {})]) {
    world.answers = [{ clone: () => ({ status: 200, ok: true, text }) }];
    client.count('a');
    client.flush();
    await world.pass(30_000);
  }
  await world.pass(60_000);
  assert.deepEqual([limits, world.errors, client.dropped], [[30_000, 30_000], [], 0]);
  assert.equal(world.requests[0].signal.aborted, false);
});

test('a token function that hangs is called again after 30 seconds', async (t) => {
  const world = page(t);
  let calls = 0;
  const client = world.client({ token: () => (calls++ ? 'jwt' : new Promise(() => {})) });
  client.count('c');
  client.flush();
  await world.pass(29_999);
  assert.equal(calls, 1);
  await world.pass(1);
  assert.deepEqual(world.errors.map((error) => error.message), ['Timed out']);
  await world.pass(500);
  assert.deepEqual([calls, world.lines()], [2, ['c:1|c']]);
});

test('a Retry-After in the past waits no longer than the backoff', async (t) => {
  const past = 'Sat, 21 Nov 2026 00:00:00 GMT';
  const world = page(t, { answers: [answer(503, { 'Retry-After': past }), 200] });
  world.client({ flushInterval: 0 }).count('c');
  await world.pass(0);
  await world.pass(499);
  assert.equal(world.requests.length, 1);
  await world.pass(1);
  assert.equal(world.requests.length, 2);
});

test('metrics that are counted when a batch is refused are still sent by close', async (t) => {
  const world = page(t, { answers: [answer(400), 200] });
  const client = world.client({
    onError: async () => {
      await null;
      client.count('refused');
      await client.close();
    },
  });
  client.count('c');
  await client.flush();
  await world.pass(0);
  assert.deepEqual(world.lines(), ['c:1|c', 'refused:1|c']);
});

test('close sends metrics that wait for a backoff at once', async (t) => {
  const world = page(t, { answers: [500, 200] });
  const client = world.client();
  client.count('a');
  await client.flush();
  await client.close();
  assert.deepEqual(world.lines(), ['a:1|c', 'a:1|c']);
  // No timer is left.
  await world.pass(3_600_000);
  assert.equal(world.requests.length, 2);
});

test('a close that failed can be repeated, and nothing else sends its metrics', async (t) => {
  const world = page(t, { answers: [500, 200] });
  const client = world.client();
  client.count('a');
  await client.close();
  await world.pass(3_600_000);
  await client.flush();
  assert.equal(world.requests.length, 1);
  await client.close();
  assert.deepEqual(world.lines(), ['a:1|c', 'a:1|c']);
});

test('offline, metrics wait for the network', async (t) => {
  const world = page(t, { answers: [new TypeError('Failed to fetch'), 200] });
  const client = world.client();
  client.count('a');
  await client.flush();
  navigator.onLine = false;
  client.count('b');
  await world.pass(3_600_000);
  await world.hide();
  assert.deepEqual([world.requests.length, world.beacons.length], [1, 0]);
  navigator.onLine = true;
  await world.fire('online');
  assert.deepEqual(world.requests[1].lines, ['a:1|c', 'b:1|c']);
});

test('the return of the network ends the backoff', async (t) => {
  const world = page(t, { answers: [new TypeError('Failed to fetch'), 200] });
  const client = world.client();
  client.count('a');
  await client.flush();
  await world.fire('online');
  assert.deepEqual(world.lines(), ['a:1|c', 'a:1|c']);
});

test('a backoff that the network has ended does not delay the next metrics', async (t) => {
  const world = page(t, { answers: [500, 500, 500, 500, 200] });
  const client = world.client();
  client.count('a');
  await world.pass(2_000);
  for (const wait of [500, 1_000, 2_000]) {
    await world.pass(wait);
  }
  assert.equal(world.requests.length, 4, 'and the fourth backoff takes four seconds or more');
  await world.fire('online');
  client.count('b');
  await world.pass(1_999);
  assert.deepEqual(world.lines().slice(4), ['a:1|c']);
  await world.pass(1);
  assert.deepEqual(world.lines().slice(4), ['a:1|c', 'b:1|c']);
});

test('an online event leaves no long timer', async (t) => {
  const world = page(t);
  const client = world.client();
  navigator.onLine = false;
  client.count('a');
  await world.pass(2_000);
  navigator.onLine = true;
  await world.fire('online');
  client.count('b');
  await world.pass(2_000);
  assert.deepEqual(world.lines(), ['a:1|c', 'b:1|c']);
});

test('a batch that is dropped does not shorten the backoff of the next one', async (t) => {
  const world = page(t, { answers: [503] });
  const client = world.client();
  client.count('first');
  await client.flush();
  for (let attempt = 1; attempt < 10; attempt++) {
    await world.pass(60_000);
  }
  assert.equal(client.dropped, 1);
  client.count('next');
  await world.pass(30_000);
  assert.equal(world.requests.length, 11);
  // The proxy is still down, so the next backoff is as long as the last one.
  await world.pass(29_999);
  assert.equal(world.requests.length, 11);
  await world.pass(1);
  assert.equal(world.requests.length, 12);
  world.answers = [200];
  await world.pass(30_000);
  assert.deepEqual([world.requests[12].body, client.dropped], ['next:1|c', 1]);
});

test('each further batch of an outage has ten attempts of its own', async (t) => {
  const world = page(t, { answers: [503] });
  const client = world.client();
  for (const name of ['first', 'second']) {
    client.count(name);
    for (let attempt = 0; attempt < 10; attempt++) {
      await world.pass(60_000);
    }
  }
  assert.deepEqual([client.dropped, world.requests.length], [2, 20]);
  assert.deepEqual(world.requests.map((request) => request.body).slice(9, 11), ['first:1|c', 'second:1|c']);
});

test('a token that is refused again after a failure is renewed again', async (t) => {
  const failure = new TypeError('Failed to fetch');
  const world = page(t, { answers: [answer(401), failure, answer(401), 200] });
  let calls = 0;
  const client = world.client({ token: () => 'jwt' + ++calls });
  client.count('c');
  await client.flush();
  // The computer sleeps until the second token has expired.
  await world.pass(3_600_000);
  assert.deepEqual(
    world.requests.map((request) => request.headers['X-JWT-Token']),
    ['jwt1', 'jwt2', 'jwt2', 'jwt3'],
  );
  assert.deepEqual([world.errors, client.dropped], [[failure], 0]);
});

test('close sends the queue, and no later metrics', async (t) => {
  const world = page(t, { answers: [200, 500] });
  const [client, failing] = [world.client(), world.client()];
  client.count('a');
  await client.close();
  client.count('b');
  await client.flush();
  assert.deepEqual(world.lines(), ['a:1|c']);
  failing.count('c');
  await failing.close();
  await world.pass(10_000);
  await world.fire('pagehide');
  assert.deepEqual([world.lines(), world.beacons], [['a:1|c', 'c:1|c'], []]);
});

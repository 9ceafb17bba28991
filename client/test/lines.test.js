// The lines that each call writes to the body.
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';

import { Client } from '../src/index.js';
import { page } from './page.js';

async function written(t, options, calls) {
  const world = page(t);
  const client = world.client(options);
  await calls(client);
  await client.flush();
  return { lines: world.lines(), errors: world.errors.map((error) => error.message) };
}

test("the reference's calls, zero among the values", async (t) => {
  const world = page(t);
  const client = new Client('https://proxy.example/', 'jwt');
  client.count('c');
  client.count('c', 0);
  client.count('c', -1, 1);
  client.gauge('g', 0);
  client.gauge('g', 7, 0);
  client.gauge('g', null, 3);
  client.gauge('g', undefined, -3);
  client.timing('t', 0);
  client.set('s', 0);
  client.set('s', 'alice');
  await client.flush();
  assert.equal(world.requests[0].url, 'https://proxy.example/batch');
  const lines = 'c:1|c c:0|c c:-1|c g:0|g g:+0|g g:+3|g g:-3|g t:0|ms s:0|s s:alice|s';
  assert.deepEqual(world.lines(), lines.split(' '));
});

test('the host may be a URL', async (t) => {
  const world = page(t);
  const client = new Client(new URL('https://proxy.example/base/'), 'jwt');
  client.count('c');
  await client.flush();
  const [{ url, headers }] = world.requests;
  assert.deepEqual([url, headers], ['https://proxy.example/base/batch', { 'X-JWT-Token': 'jwt' }]);
});

test('a negative gauge is set to zero first, and both lines stay in one request', async (t) => {
  const world = page(t);
  const client = world.client({ tags: { env: 'x' } });
  // The first line of the gauge fits in the body, and the second does not.
  const line = 'n'.repeat(7_994) + ':1|c|#env:x'; // 8,005 bytes, and a newline
  for (let i = 0; i < 7; i++) {
    client.count(line.slice(0, 7_994));
  }
  client.count('n'.repeat(60_000 - 7 * 8_006 - 12 - 20));
  client.gauge('g', -5);
  await client.flush();
  assert.equal(world.requests.length, 2);
  assert.equal(world.requests[1].body, 'g:0|g|#env:x\ng:-5|g|#env:x');
});

test('numbers have no exponent, and a value that is not a number is reported', async (t) => {
  const { lines, errors } = await written(t, {}, (client) => {
    for (const value of [1e-7, -1.5e-9, 1e21, 1.25e22, 0.1, -0, '2.5']) {
      client.count('c', value);
    }
    for (const value of [NaN, Infinity, null, '', 'x', '12px', '1,234', {}, Symbol('x')]) {
      client.timing('t', value);
    }
  });
  const values = ['0.0000001', '-0.0000000015', '1' + '0'.repeat(21), '125' + '0'.repeat(20), '0.1', '0', '2.5'];
  assert.deepEqual(lines, values.map((value) => `c:${value}|c`));
  assert.equal(errors.length, 9);
});

test('timings have at most three decimals, and other values all of theirs', async (t) => {
  const { lines, errors } = await written(t, {}, (client) => {
    for (const time of [1234.56789, 0.1 + 0.2, 0.0004, 0.0005, 1e-7, -0.0001, 1e21, '2.34567', 7, 100.5, 1e15 + 0.123]) {
      client.timing('t', time);
    }
    client.count('c', 1.23456);
    client.gauge('g', 0.1 + 0.2);
    client.gauge('g', null, 1.23456);
    client.set('s', 1.23456);
    client.webVitals({ onCLS: (report) => report({ value: 0.123456789 }), onLCP: (report) => report({ value: 2.00049 }) });
  });
  const times = ['1234.568', '0.3', '0', '0.001', '0', '0', '1' + '0'.repeat(21), '2.346', '7', '100.5', '1000000000000000.1'];
  const others = ['c:1.23456|c', 'g:0.30000000000000004|g', 'g:+1.23456|g', 's:1.23456|s'];
  const vitals = ['web_vitals.lcp:2|ms', 'web_vitals.cls:123.457|ms'];
  assert.deepEqual(lines, [...times.map((time) => `t:${time}|ms`), ...others, ...vitals]);
  assert.deepEqual(errors, []);
});

test('names, members and tags cannot break a line, nor make JSON of the batch', async (t) => {
  const given = { 'a:b': 'c,d|e\nf', größe: 7, no: null, yes: true };
  const { lines, errors } = await written(t, { tags: given }, (client) => {
    client.count('{a:1|c\nb\u0085');
    client.set('[s', 'x:y|z\r');
    client.count('x'.repeat(9_000));
    client.count(Symbol('x'));
  });
  const tags = '|#a_b:c_d_e_f,größe:7,yes:true';
  assert.deepEqual(lines, ['_a_1_c_b_:1|c' + tags, '_s:x_y_z_|s' + tags]);
  assert.equal(errors.length, 2, 'too long, and no text');
});

test('sampling is random, and writes the rate', async (t) => {
  const { lines } = await written(t, { sampleRate: 0.5 }, (client) => {
    client.count('z', 2, null);
    Math.random.mock.mockImplementation(() => 0.3);
    client.count('a', 2, 0.25);
    client.count('b', 2, 0.375);
    client.timing('c', 2);
    client.timing('d', 2, 1);
    client.gauge('e', 2);
    client.count('f', 2, 0);
    Math.random.mock.mockImplementation(() => 0);
    client.count('g', 2, 1e-7);
  });
  assert.deepEqual(lines, ['z:2|c', 'b:2|c|@0.375', 'c:2|ms|@0.5', 'd:2|ms', 'e:2|g', 'g:2|c|@0.0000001']);
});

test('a child adds prefix and tags, and shares queue and delivery', async (t) => {
  const world = page(t);
  const client = world.client({ prefix: 'shop.', tags: { a: 1, b: 2 }, sampleRate: 0.5 });
  const child = client.child({ prefix: 'cart', tags: { b: 3 } });
  client.gauge('x', 1);
  child.child(null).child().count('y');
  await child.flush();
  assert.deepEqual(
    world.requests.map((request) => request.body),
    ['shop.x:1|g|#a:1,b:2\nshop.cart.y:1|c|@0.5|#a:1,b:3'],
  );
});

test('timer and time measure, and pass results and errors through', async (t) => {
  let now = 0;
  mock.method(performance, 'now', () => now);
  const { lines } = await written(t, {}, async (client) => {
    const stop = client.timer('timer');
    now = 12.3456;
    assert.equal(stop(), 12.346);
    const work = () => {
      now += 1;
      return 'result';
    };
    assert.equal(client.time('function', work), 'result');
    const promise = client.time('promise', Promise.resolve('later'));
    now += 2;
    assert.equal(await promise, 'later');
    const fault = new Error('fault');
    const fail = () => {
      throw fault;
    };
    assert.throws(() => client.time('throws', fail), fault);
    await assert.rejects(client.time('rejects', async () => fail()), fault);
  });
  const expected = ['timer:12.346|ms', 'function:1|ms', 'promise:2|ms', 'throws:0|ms', 'rejects:0|ms'];
  assert.deepEqual(lines, expected);
});

// The metrics of a page on another site arrive with exact values.
'use strict';

const assert = require('node:assert/strict');

const { test } = require('./engine.js');
const { setup } = require('./setup.js');
const { token } = require('./token.js');

// Runs in the page. Every type has values that are easily lost: zero, fractions, signs, large and small numbers.
const metrics = `
  client.count('count.one');
  client.count('count.many', 5);
  client.count('count.zero', 0);
  client.count('count.less', -3);
  client.count('count.part', 0.25);
  client.count('count.large', 1e21);
  client.count('count.small', 1e-7);
  client.gauge('gauge.level', 7);
  client.gauge('gauge.zero', 0);
  client.gauge('gauge.below', -5);
  client.gauge('gauge.up', undefined, 3);
  client.gauge('gauge.down', null, -4.5);
  client.timing('timing.whole', 12);
  client.timing('timing.part', 12.345);
  client.timing('timing.zero', 0);
  client.set('set.number', 42);
  client.set('set.zero', 0);
  client.set('set.text', 'alice');
`;

const lines = [
  'count.one:1|c',
  'count.many:5|c',
  'count.zero:0|c',
  'count.less:-3|c',
  'count.part:0.25|c',
  'count.large:1000000000000000000000|c',
  'count.small:0.0000001|c',
  'gauge.level:7|g',
  'gauge.zero:0|g',
  'gauge.below:0|g',
  'gauge.below:-5|g',
  'gauge.up:+3|g',
  'gauge.down:-4.5|g',
  'timing.whole:12|ms',
  'timing.part:12.345|ms',
  'timing.zero:0|ms',
  'set.number:42|s',
  'set.zero:0|s',
  'set.text:alice|s',
];

test('metrics of every type arrive with exact values and in their order', async (t) => {
  const world = await setup(t, { secret: null });
  await world.open(`
    var client = new StatsDHttpProxy.Client({ url: '${world.forwarder.origin}', flushInterval: 100 });
    ${metrics}
  `);
  assert.deepEqual(await world.receiver.count(lines.length), lines);
  assert.deepEqual(world.forwarder.of('OPTIONS'), [], 'plain text without a token needs no preflight');
});

test('prefix and tags are on every metric, and a child adds its own', async (t) => {
  const world = await setup(t);
  await world.open(`
    var client = new StatsDHttpProxy.Client({
      url: '${world.forwarder.origin}', token: '${token()}', prefix: 'shop', tags: { env: 'prod' }, flushInterval: 100,
    });
    client.count('views', 0);
    client.child({ prefix: 'cart', tags: { page: 'cart' } }).timing('load', 1.5);
    client.gauge('level', -2);
  `);
  assert.deepEqual(await world.receiver.count(4), [
    'shop.views:0|c|#env:prod',
    'shop.cart.load:1.5|ms|#env:prod,page:cart',
    'shop.level:0|g|#env:prod',
    'shop.level:-2|g|#env:prod',
  ]);
});

test('a sampled metric has its rate, and a rate of zero sends none', async (t) => {
  const world = await setup(t);
  await world.open(`
    var client = new StatsDHttpProxy.Client('${world.forwarder.origin}', '${token()}');
    // Below a half, so a metric with a rate of 0.5 is sent.
    Math.random = () => 0.25;
    client.count('drawn', 3, 0.5);
    client.timing('drawn', 4, 0.5);
    client.count('not.drawn', 3, 0.125);
    client.count('never', 1, 0);
    client.timing('never', 1, 0);
    client.count('last', 1, 1);
    client.flush();
  `);
  assert.deepEqual(await world.receiver.count(3), ['drawn:3|c|@0.5', 'drawn:4|ms|@0.5', 'last:1|c']);
});

test('web vitals and errors are measured without an exception', async (t) => {
  const world = await setup(t);
  const page = await world.open(`
    var client = new StatsDHttpProxy.Client('${world.forwarder.origin}', '${token()}');
    client.webVitals();
    client.errors();
    client.time('work', () => 1);
    const stop = client.timer('timer');
  `);
  await page.evaluate(() => {
    client.count('last');
    client.flush();
  });
  await world.receiver.count(2);
  assert.ok(world.receiver.lines.some((line) => /^work:\d+(\.\d+)?\|ms$/.test(line)), world.receiver.lines.join());
});

// While the proxy is down, metrics are kept, and they arrive when it is back.
'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { setup } = require('./setup.js');
const { token } = require('./token.js');
const { until } = require('./until.js');

const limit = { timeout: 60_000 };

test('metrics of an outage arrive once, after it', limit, async (t) => {
  const world = await setup(t);
  const page = await world.open(`
    const client = new StatsDHttpProxy.Client({
      url: '${world.forwarder.origin}', token: '${token()}', flushInterval: 100,
    });
    client.count('before', 1);
  `);
  await world.receiver.count(1);
  // StatsD has it before the page has the answer.
  await page.evaluate('client.flush()');
  let failures = 0;
  page.on('requestfailed', () => failures++);
  await world.forwarder.stop();
  await page.evaluate('client.count("during.first", 2)');
  await until(() => failures >= 1, 'a request that fails');
  await page.evaluate('client.timing("during.second", 0)');
  await until(() => failures >= 2, 'a second request that fails');
  await world.forwarder.start();
  const lines = await world.receiver.count(3);
  assert.deepEqual(lines, ['before:1|c', 'during.first:2|c', 'during.second:0|ms']);
  await page.evaluate('client.count("after", 3)');
  assert.deepEqual(await world.receiver.count(4), [...lines, 'after:3|c']);
});

test('a proxy that is never there throws nothing into the page, nor when it is left', limit, async (t) => {
  const world = await setup(t);
  const page = await world.open();
  await world.forwarder.stop();
  let failures = 0;
  page.on('requestfailed', () => failures++);
  await page.evaluate(([url, jwt]) => {
    window.client = new StatsDHttpProxy.Client({ url, token: jwt, flushInterval: 100 });
    client.count('lost', 1);
  }, [world.forwarder.origin, token()]);
  await until(() => failures >= 1, 'a request that fails');
  await page.evaluate('client.count("lost", 2)');
  await page.goto('about:blank');
  assert.deepEqual(world.receiver.lines, []);
  // So that it can be stopped once more.
  await world.forwarder.start();
});

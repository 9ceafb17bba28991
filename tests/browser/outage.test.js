// The client keeps metrics while the proxy is down, and delivers them when it is back.
'use strict';

const assert = require('node:assert/strict');

const { test } = require('./engine.js');
const { setup } = require('./setup.js');
const { token } = require('./token.js');
const { until } = require('./until.js');

test('metrics of an outage arrive once, after it', async (t) => {
  const world = await setup(t);
  const page = await world.open(`
    var failures = 0;
    var client = new StatsDHttpProxy.Client({
      url: '${world.forwarder.origin}', token: '${token()}', flushInterval: 100, onError: () => failures++,
    });
    client.count('before', 1);
  `);
  await world.receiver.count(1);
  // StatsD may have the metric before the page has the answer.
  await page.evaluate(() => client.flush());
  await world.forwarder.stop();
  await page.evaluate(() => client.count('during.first', 2));
  await until(() => page.evaluate(() => failures >= 1), 'a request that fails');
  await page.evaluate(() => client.timing('during.second', 0));
  await until(() => page.evaluate(() => failures >= 2), 'a second request that fails');
  await world.forwarder.start();
  const lines = await world.receiver.count(3);
  assert.deepEqual(lines, ['before:1|c', 'during.first:2|c', 'during.second:0|ms']);
  await page.evaluate(() => client.count('after', 3));
  assert.deepEqual(await world.receiver.count(4), [...lines, 'after:3|c']);
});

test('a proxy that is never available throws nothing into the page, nor when the page is left', async (t) => {
  const world = await setup(t);
  const page = await world.open();
  await world.forwarder.stop();
  await page.evaluate(([url, jwt]) => {
    window.failures = 0;
    window.client = new StatsDHttpProxy.Client({ url, token: jwt, flushInterval: 100, onError: () => window.failures++ });
    client.count('lost', 1);
  }, [world.forwarder.origin, token()]);
  await until(() => page.evaluate(() => failures >= 1), 'a request that fails');
  await page.evaluate(() => client.count('lost', 2));
  await page.goto('about:blank');
  assert.deepEqual(world.receiver.lines, []);
  // The end of the test stops it once more.
  await world.forwarder.start();
});

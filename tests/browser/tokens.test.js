// Tokens: the client renews an expired one, and several requests take one preflight.
'use strict';

const assert = require('node:assert/strict');

const { test } = require('./engine.js');
const { setup } = require('./setup.js');
const { token } = require('./token.js');
const { until } = require('./until.js');

test('the client calls the function for a new token after 403, and the metrics arrive once', async (t) => {
  const world = await setup(t);
  await world.open(`
    const tokens = ['${token(-1)}', '${token()}'];
    let calls = 0;
    var client = new StatsDHttpProxy.Client({
      url: '${world.forwarder.origin}', token: () => tokens[Math.min(calls++, 1)], flushInterval: 100,
    });
    client.count('refused.first', 3);
    client.timing('refused.first', 0);
  `);
  assert.deepEqual(await world.receiver.count(2), ['refused.first:3|c', 'refused.first:0|ms']);
  assert.deepEqual(world.forwarder.of('POST').map((request) => request.status), [403, 200]);
});

test('a token that expires while the page is open is renewed', async (t) => {
  const world = await setup(t);
  let expiry;
  // The token is signed at the page's request, so it does not expire while the page opens slowly.
  world.pages.functions.sign = () => {
    const life = expiry === undefined ? 2 : 600;
    expiry ??= Date.now() + life * 1_000;
    return token(life);
  };
  const page = await world.open(`
    var calls = 0;
    const sign = async () => (calls++, (await fetch('/sign')).text());
    var client = new StatsDHttpProxy.Client({
      url: '${world.forwarder.origin}', token: sign, flushInterval: 100,
    });
    client.count('before', 1);
  `);
  await world.receiver.count(1);
  // The token was signed after `expiry` was set, so it expires a little later.
  await until(() => Date.now() > expiry + 200, 'the token to expire');
  await page.evaluate(() => client.count('after', 2));
  assert.deepEqual(await world.receiver.count(2), ['before:1|c', 'after:2|c']);
  assert.ok((await page.evaluate(() => calls)) >= 2, 'asked again');
});

test('a function may answer with a promise', async (t) => {
  const world = await setup(t);
  await world.open(`
    var client = new StatsDHttpProxy.Client({
      url: '${world.forwarder.origin}', token: () => Promise.resolve('${token()}'), flushInterval: 100,
    });
    client.count('promised', 1);
  `);
  assert.deepEqual(await world.receiver.count(1), ['promised:1|c']);
});

test('a token that is refused for good throws nothing into the page', async (t) => {
  const world = await setup(t);
  const page = await world.open(`
    var faults = [];
    var client = new StatsDHttpProxy.Client({
      url: '${world.forwarder.origin}', token: 'bad', flushInterval: 100, onError: (error) => faults.push(error),
    });
    client.count('refused', 1);
  `);
  await until(() => page.evaluate(() => faults.length > 0), 'onError to be called');
  assert.deepEqual(world.receiver.lines, []);
});

test('several flushes with a token take one preflight', async (t) => {
  const world = await setup(t);
  const page = await world.open(`
    var client = new StatsDHttpProxy.Client({
      url: '${world.forwarder.origin}', token: '${token()}', flushInterval: 3_600_000,
    });
  `);
  for (let i = 1; i <= 5; i++) {
    await page.evaluate((i) => {
      client.count(`flush.${i}`, i);
      client.flush();
    }, i);
    await world.receiver.count(i);
  }
  assert.equal(world.forwarder.of('POST').length, 5);
  assert.equal(world.forwarder.of('OPTIONS').length, 1);
});

// A page that is restored from the back/forward cache delivers, even if it was left with a request in flight. The promise
// of that request may never settle.
'use strict';

const assert = require('node:assert/strict');

const { test } = require('./engine.js');
const { setup } = require('./setup.js');
const { token } = require('./token.js');
const { until } = require('./until.js');

/** Opens a page with a client, which records its `pageshow` events. */
async function open(world, options) {
  return world.open(`
    var shown = [];
    addEventListener('pageshow', (event) => shown.push(event.persisted));
    var client = new StatsDHttpProxy.Client({ url: '${world.forwarder.origin}', flushInterval: 3_600_000, ${options} });
  `);
}

/** Leaves the page, awaits `away`, and comes back. The engine has to restore the page, or nothing would be tested. */
async function leaveAndReturn(world, page, away = () => {}) {
  const before = await page.evaluate(() => {
    window.marked = true;
    return shown.length;
  });
  await page.goto(world.pages.address());
  await away();
  await page.back();
  await until(() => page.evaluate(() => window.shown !== undefined), 'the page to be there');
  assert.ok(await page.evaluate(() => window.marked === true), 'restored from the back/forward cache, not loaded anew');
  await until(() => page.evaluate((before) => shown.length > before, before), 'the page to be told that it is shown');
  assert.equal(await page.evaluate(() => shown.at(-1)), true, 'the event is that of a restored page');
}

function send(page, name) {
  return page.evaluate((name) => {
    client.count(name);
    client.flush();
  }, name);
}

const inFlight = {
  'whose answer comes meanwhile': { hold: 'answer', away: (world) => world.forwarder.release() },
  'whose answer never comes': { hold: 'answer', away: () => {} },
  "whose answer's body never comes": { hold: 'body', away: () => {} },
};

for (const [name, { hold, away }] of Object.entries(inFlight)) {
  test(`a restored page delivers, after a request ${name}`, async (t) => {
    const world = await setup(t);
    const page = await open(world, `token: '${token()}'`);
    // StatsD may have the metric before the page has the answer. This answer must not be held.
    await page.evaluate(() => {
      client.count('before');
      return client.flush();
    });
    await world.receiver.count(1);
    world.forwarder.hold = hold;
    await send(page, 'in.flight');
    await until(() => world.forwarder.held.length === 1, 'the request to be in flight');
    world.forwarder.hold = 'nothing';
    await leaveAndReturn(world, page, () => away(world));
    await send(page, 'after');
    // The request in flight had arrived, so the client does not repeat it.
    assert.deepEqual(await world.receiver.count(3), ['before:1|c', 'in.flight:1|c', 'after:1|c']);
    // The second restoration works too.
    await leaveAndReturn(world, page);
    await send(page, 'last');
    assert.deepEqual((await world.receiver.count(4)).slice(3), ['last:1|c']);
  });
}

test('a restored page delivers, after a token that arrived while it was in the cache', async (t) => {
  const world = await setup(t);
  let asked = 0;
  let come;
  const first = new Promise((resolve) => (come = resolve));
  world.pages.functions.sign = () => (++asked === 1 ? first : token());
  const page = await open(world, "token: async () => (await fetch('/sign')).text()");
  await send(page, 'first');
  await until(() => asked === 1, 'the token to be asked for');
  await leaveAndReturn(world, page, () => come(token()));
  await send(page, 'second');
  assert.deepEqual(await world.receiver.count(2), ['first:1|c', 'second:1|c']);
});

test('a restored page delivers after an outage during which it was left', async (t) => {
  const world = await setup(t);
  const page = await open(world, `token: '${token()}', onError: () => (window.failed = true)`);
  await world.forwarder.stop();
  await send(page, 'kept');
  await until(() => page.evaluate(() => window.failed), 'the request to fail');
  await leaveAndReturn(world, page, () => world.forwarder.start());
  await send(page, 'after');
  // A beacon had the first metric when the page was left, and was lost because the proxy was down.
  assert.deepEqual(await world.receiver.count(1), ['after:1|c']);
});

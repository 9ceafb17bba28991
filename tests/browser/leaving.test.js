// A page that is left delivers its queue by beacon, which takes no preflight.
'use strict';

const assert = require('node:assert/strict');

const { test } = require('./engine.js');
const { setup } = require('./setup.js');
const { token } = require('./token.js');

const ways = {
  'going to another page': (page, world) => page.goto(world.pages.address()),
  'reloading it': (page) => page.reload(),
  'closing the tab': (page) => page.close(),
};

for (const [way, leave] of Object.entries(ways)) {
  test(`${way} delivers what was queued`, async (t) => {
    const world = await setup(t);
    const jwt = token();
    const page = await world.open();
    // The page is left at once, long before the interval ends.
    await page.evaluate(([url, jwt]) => {
      var client = new StatsDHttpProxy.Client({ url, token: jwt, flushInterval: 3_600_000 });
      client.count('left', 0);
      client.timing('stay', 1234.5);
      client.gauge('level', -1);
    }, [world.forwarder.origin, jwt]);
    assert.deepEqual(world.forwarder.of('POST'), [], 'nothing was sent before');
    await leave(page, world);
    assert.deepEqual(await world.receiver.count(4), ['left:0|c', 'stay:1234.5|ms', 'level:0|g', 'level:-1|g']);
    const [request, ...more] = world.forwarder.of('POST');
    assert.deepEqual(more, [], 'once');
    assert.equal(request.url.pathname, '/batch');
    assert.equal(request.url.searchParams.get('token'), jwt);
    assert.equal(request.headers['x-jwt-token'], undefined);
    assert.match(request.headers['content-type'], /^text\/plain/);
    assert.deepEqual(world.forwarder.of('OPTIONS'), []);
  });
}

test('hiding the page delivers what was queued, and it is not sent again when the page is left', async (t) => {
  const world = await setup(t);
  const page = await world.open();
  await page.evaluate(([url, jwt]) => {
    window.client = new StatsDHttpProxy.Client({ url, token: jwt, flushInterval: 3_600_000 });
    client.count('hidden', 1);
    // A headless browser does not hide a page by itself.
    Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true });
    document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
  }, [world.forwarder.origin, token()]);
  assert.deepEqual(await world.receiver.count(1), ['hidden:1|c']);
  await page.evaluate(() => client.count('after', 2));
  await page.close();
  assert.deepEqual(await world.receiver.count(2), ['hidden:1|c', 'after:2|c']);
  assert.deepEqual(world.forwarder.of('OPTIONS'), []);
});

test('the beacon bears the token that a function gave', async (t) => {
  const world = await setup(t);
  const jwt = token();
  const page = await world.open(`
    var client = new StatsDHttpProxy.Client({
      url: '${world.forwarder.origin}', token: () => '${jwt}', flushInterval: 3_600_000,
    });
    client.count('flushed', 1);
    client.flush();
  `);
  await world.receiver.count(1);
  await page.evaluate(() => client.count('left', 2));
  await page.close();
  assert.deepEqual(await world.receiver.count(2), ['flushed:1|c', 'left:2|c']);
  assert.equal(world.forwarder.of('POST').at(-1).url.searchParams.get('token'), jwt);
});

test('a request in flight when the page is left arrives once', async (t) => {
  const world = await setup(t);
  const page = await world.open();
  await page.evaluate(([url, jwt]) => {
    var client = new StatsDHttpProxy.Client({ url, token: jwt, flushInterval: 3_600_000 });
    client.count('under.way', 1);
    client.flush();
    client.count('queued', 2);
  }, [world.forwarder.origin, token()]);
  await page.goto(world.pages.address());
  await world.receiver.count(2);
  // A repeated line would arrive before the metric that is sent now.
  await page.evaluate(([url, jwt]) => {
    var client = new StatsDHttpProxy.Client(url, jwt);
    client.count('last', 3);
    client.flush();
  }, [world.forwarder.origin, token()]);
  assert.deepEqual((await world.receiver.count(3)).sort(), ['last:3|c', 'queued:2|c', 'under.way:1|c']);
});

// Many metrics at once: browsers let a page have 64 KiB of keepalive requests and beacons in flight, so batches are smaller.
'use strict';

const assert = require('node:assert/strict');

const { test } = require('./engine.js');
const { setup } = require('./setup.js');
const { token } = require('./token.js');

const COUNT = 5_000;
// 5,000 names of 50 bytes are several batches.
const line = (i) => `a.page.with.a.rather.long.name.and.many.metrics.${i}:${i}|c`;
const script = (world) => `
  var client = new StatsDHttpProxy.Client('${world.forwarder.origin}', '${token()}');
  for (let i = 0; i < ${COUNT}; i++) {
    client.count('a.page.with.a.rather.long.name.and.many.metrics.' + i, i);
  }
`;

function checkSizes(world) {
  const requests = world.forwarder.of('POST');
  for (const request of requests) {
    assert.ok(request.bytes < 64 * 1024, `a body of ${request.bytes} bytes`);
  }
  return requests;
}

test('5,000 metrics are split, and all arrive once', async (t) => {
  const world = await setup(t);
  await world.open(script(world));
  const lines = await world.receiver.count(COUNT);
  assert.deepEqual(new Set(lines), new Set(Array.from({ length: COUNT }, (_, i) => line(i))));
  assert.equal(lines.length, COUNT);
  assert.ok(checkSizes(world).length >= 4);
});

test('of 5,000 metrics, a page that is left at once delivers as many as fit into a beacon', async (t) => {
  const world = await setup(t);
  const page = await world.open(script(world));
  await page.goto(world.pages.address());
  // 500 lines of about 60 bytes are 32 KiB. The browser decides on the rest.
  const lines = await world.receiver.count(500);
  const known = new Set(Array.from({ length: COUNT }, (_, i) => line(i)));
  assert.deepEqual(lines.filter((line) => !known.delete(line)), [], 'unknown, or twice');
  t.diagnostic(`${lines.length} of ${COUNT} arrived`);
  checkSizes(world);
});

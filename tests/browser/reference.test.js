// Code for the reference's client, @gometric/statsd-http-proxy-client, runs unchanged.
'use strict';

const assert = require('node:assert/strict');

const { test } = require('./engine.js');
const { setup } = require('./setup.js');
const { token } = require('./token.js');

for (const [kind, slash] of [['with', '/'], ['without', '']]) {
  test(`its four calls, the host ${kind} a final slash`, async (t) => {
    const world = await setup(t);
    await world.open(`
      (function() {
        var token = '${token()}';
        var statsdHttpProxyHost = '${world.forwarder.origin}${slash}';

        var client = new StatsDHttpProxy.Client(statsdHttpProxyHost, token);
        client.count('some.key', 42);
        client.count('some.key', 0);
        client.count('some.key', -1, 1);
        client.gauge('some.key', 7);
        client.gauge('some.key', 0);
        client.gauge('some.key', null, 3);
        client.gauge('some.key', undefined, -3);
        client.timing('some.key', 4200);
        client.timing('some.key', 0, 1);
        client.set('some.key', 9);
        client.set('some.key', 0);
      })();
    `);
    assert.deepEqual(await world.receiver.count(11), [
      'some.key:42|c',
      'some.key:0|c',
      'some.key:-1|c',
      'some.key:7|g',
      'some.key:0|g',
      'some.key:+3|g',
      'some.key:-3|g',
      'some.key:4200|ms',
      'some.key:0|ms',
      'some.key:9|s',
      'some.key:0|s',
    ]);
    const requests = world.forwarder.of('POST');
    assert.deepEqual(new Set(requests.map((request) => request.url.pathname)), new Set(['/batch']));
  });
}

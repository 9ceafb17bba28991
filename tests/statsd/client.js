// Sends metrics of all types with npm's statsd-client over HTTP, and prints the state that StatsD must then have.
//
//     node client.js http://127.0.0.1:8080/batch [TOKEN]
//
// Its requests are concurrent, so the result must not depend on their order: all sums are exact in binary, and each gauge
// is either set once or only shifted.
'use strict';

const StatsDClient = require('statsd-client');

const [url, token] = process.argv.slice(2);
const client = new StatsDClient({
  host: url,
  prefix: 'web',
  headers: token ? { 'X-JWT-Token': token } : {},
  tags: { env: 'prod' },
  // Bytes per request. The metrics below take several requests.
  maxBufferSize: 4000,
});

const expected = { counters: {}, gauges: {}, timers: {}, sets: {} };

// StatsD writes tags into the name.
const key = (name, tags) => {
  const pairs = Object.keys(tags).map((tag) => `${tag}=${tags[tag]}`);
  return [`web.${name}`, 'env=prod', ...pairs].join(';');
};

const add = (totals, name, tags, value) => {
  totals[key(name, tags)] = (totals[key(name, tags)] || 0) + value;
};

const append = (totals, name, tags, value) => {
  (totals[key(name, tags)] = totals[key(name, tags)] || []).push(value);
};

for (let i = 0; i < 200; i++) {
  const tags = i % 3 === 0 ? {} : { shard: String(i % 3), zone: 'eu-1' };
  client.counter('hits', i + 0.25, tags);
  add(expected.counters, 'hits', tags, i + 0.25);
  client.increment('one');
  add(expected.counters, 'one', {}, 1);
  client.decrement('less', 2, tags);
  add(expected.counters, 'less', tags, -2);
  client.gauge(`level.${i}`, i / 8, tags);
  add(expected.gauges, `level.${i}`, tags, i / 8);
  client.gaugeDelta('moved', i % 2 === 0 ? i : -i / 2, tags);
  add(expected.gauges, 'moved', tags, i % 2 === 0 ? i : -i / 2);
  client.timing('load', i * 1.5, tags);
  append(expected.timers, 'load', tags, i * 1.5);
  client.set('users', `user ${i % 50}`, tags);
  if (i < 150) {
    append(expected.sets, 'users', tags, `user ${i % 50}`);
  }
}
client.getChildClient('child').counter('hits', 3, { env: 'test' });
expected.counters['web.child.hits;env=test'] = 3;
client.close();

console.log(JSON.stringify(expected));

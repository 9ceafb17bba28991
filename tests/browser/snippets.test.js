// Every piece of code in docs/browser.md runs as it stands, on pages of a shop and with a proxy that have the names in it.
'use strict';

const assert = require('node:assert/strict');
const { after, before, test } = require('node:test');

const { Workshop } = require('./bundle.js');
const { Names, SHOP } = require('./names.js');
const { Snippets } = require('./snippets.js');
const { SECRET, token } = require('./token.js');
const { until } = require('./until.js');

const limit = { timeout: 60_000 };
const snippets = new Snippets();
let workshop;

before(() => {
  workshop = new Workshop();
});

after(() => {
  workshop?.close();
  assert.deepEqual(snippets.left(), [], 'snippets that no test runs');
});

const HTML = 'text/html; charset=utf-8';
const SCRIPT = 'text/javascript; charset=utf-8';
const page = (...parts) => `<!doctype html><title>Shop</title><link rel="icon" href="data:,"><h1>A shop</h1>${parts.join('\n')}`;
const MODULE = '<script type="module" src="/app.js"></script>';

/** Serves a page whose application is a module that imports the package. */
function application(names, text) {
  names.serve('/', HTML, page(MODULE));
  names.serve('/app.js', SCRIPT, workshop.bundle(text));
}

/** Waits for lines that match, in any order. */
async function received(names, ...patterns) {
  for (const pattern of patterns) {
    await until(
      () => names.receiver.lines.some((line) => pattern.test(line)),
      () => `${pattern}; there are ${names.receiver.lines.join(', ')}`,
    );
  }
}

/** Hides the page, which a headless browser does by itself when it is closed only. */
const hide = `
  Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true });
  document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
`;

test('script tag', limit, async (t) => {
  const names = await Names.start(t);
  names.serve('/', HTML, page(snippets.take('Script tag', 'html')));
  await names.open();
  await received(names, /^page\.views:1\|c$/, /^cart\.items:3\|g$/, /^page\.load:[\d.]+\|ms$/, /^visitors:user-42\|s$/);
  assert.deepEqual(names.faults, []);
});

test('script tag with a version, which is kept for a year', limit, async (t) => {
  const names = await Names.start(t);
  names.serve('/', HTML, page(snippets.take('Script tag', 'html')));
  const opened = await names.context.newPage();
  const script = opened.waitForResponse(/client\.js/);
  await opened.goto(SHOP);
  assert.match((await script).headers()['cache-control'], /max-age=31536000, immutable/);
  await opened.waitForFunction('typeof StatsDHttpProxy.Client === "function"');
});

test('npm: the package has what users need, and a bundle of it works', limit, async (t) => {
  assert.deepEqual(workshop.packed, [
    'LICENSE',
    'README.md',
    'dist/statsd-http-proxy-client.min.js',
    'dist/types/client.d.ts',
    'dist/types/delivery.d.ts',
    'dist/types/index.d.ts',
    'dist/types/line.d.ts',
    'package.json',
    'src/client.js',
    'src/delivery.js',
    'src/index.js',
    'src/line.js',
    'src/script.js',
  ]);
  const names = await Names.start(t);
  application(names, snippets.take('npm', 'js'));
  names.serve('/search?q=tea', 'application/json', '[]');
  await names.open();
  await received(
    names,
    /^shop\.page\.views:1\|c\|#env:prod$/,
    /^shop\.search:[\d.]+\|ms\|#env:prod$/,
    /^shop\.search\.fetch:[\d.]+\|ms\|#env:prod$/,
  );
  assert.deepEqual(names.faults, []);
});

// The first click, of which LCP and INP are; hiding the page, after which nothing moves any more; and what goes wrong.
async function vitals(names, opened) {
  await received(names, /^web_vitals\.fcp:[\d.]+\|ms$/, /^web_vitals\.ttfb:[\d.]+\|ms$/);
  await opened.locator('h1').click();
  await received(names, /^web_vitals\.lcp:[\d.]+\|ms$/);
  await opened.evaluate(hide);
  await received(names, /^web_vitals\.cls:[\d.]+\|ms$/);
  assert.deepEqual(names.faults, []);
  await opened.evaluate(() => {
    setTimeout(() => {
      throw new Error('uncaught');
    });
    Promise.reject(new Error('unhandled'));
    Promise.reject(new Error('handled')).catch(() => {});
  });
  await received(names, /^errors\.uncaught:1\|c$/, /^errors\.unhandled_rejection:1\|c$/);
}

test('web vitals and errors from a bundle', limit, async (t) => {
  const names = await Names.start(t);
  application(names, snippets.take('Web vitals and errors', 'js'));
  await vitals(names, await names.open());
});

test('web vitals and errors from script tags', limit, async (t) => {
  const names = await Names.start(t);
  names.serve('/', HTML, page(snippets.take('Web vitals and errors', 'html')));
  const file = require.resolve('web-vitals').replace(/[^/]*$/, 'web-vitals.iife.js');
  names.serve('/web-vitals.iife.js', SCRIPT, require('node:fs').readFileSync(file));
  await vitals(names, await names.open());
});

test('single-page applications: views are counted, and parts share the queue', limit, async (t) => {
  const names = await Names.start(t);
  application(names, `${snippets.take('Single-page applications', 'js')}\nObject.assign(globalThis, { cart })`);
  const opened = await names.open();
  await opened.waitForFunction('globalThis.cart !== undefined');
  await opened.evaluate('history.pushState({}, "", "/products/42")');
  await opened.evaluate('history.pushState({}, "", "/")');
  await opened.evaluate('cart.count("items", 2)');
  await received(
    names,
    /^shop\.views\.products:1\|c$/,
    /^shop\.views\.home:1\|c$/,
    /^shop\.cart\.items:2\|c\|#team:checkout$/,
  );
  assert.equal(names.receiver.lines.length, 3);
  assert.deepEqual(names.faults, []);
});

test('tokens that expire: a new one is asked for, and nothing is lost', limit, async (t) => {
  const names = await Names.start(t, { flags: [`--jwt-secret=${SECRET}`] });
  application(names, snippets.take('Tokens that expire', 'js'));
  const tokens = [token(-1), token()];
  let asked = 0;
  names.serve('/metrics-token', 'text/plain', () => tokens[Math.min(asked++, 1)]);
  await names.open();
  await received(names, /^page\.views:1\|c$/);
  assert.equal(asked, 2);
  assert.equal(names.receiver.lines.length, 1);
});

test('Content Security Policy: it allows the script, the requests and the beacons, and no more', limit, async (t) => {
  const names = await Names.start(t);
  const [header, value] = snippets.take('Content Security Policy', '').split(': ');
  const client = '<script src="https://metrics.example.com/client.js"></script>';
  names.serve('/', HTML, page(client, '<script src="/app.js"></script>'), { [header]: value });
  names.serve('/app.js', SCRIPT, 'const metrics = new StatsDHttpProxy.Client("https://metrics.example.com")');
  const opened = await names.open();
  await opened.evaluate('metrics.count("by.request"); metrics.flush()');
  await received(names, /^by\.request:1\|c$/);
  await opened.evaluate('metrics.count("by.beacon")');
  await opened.evaluate(hide);
  await received(names, /^by\.beacon:1\|c$/);
  assert.deepEqual(names.faults, []);
  // That it is a policy at all: what it does not name is forbidden.
  await opened.evaluate('fetch("https://elsewhere.example.com/").catch(() => {})');
  await until(() => names.faults.some((fault) => /Content Security Policy/.test(fault)), 'the policy to forbid');
});

test('public names: addresses that Chrome does not ask about', limit, async (t) => {
  const records = snippets.take('Public names', '').split('\n').map((line) => line.split(/\s+/));
  assert.deepEqual(records.map((record) => record[3]), ['A', 'AAAA']);
  for (const [name, , , , address] of records) {
    assert.equal(name, 'metrics.example.com.');
    assert.doesNotMatch(address, /^(10|127|192\.168|169\.254|172\.(1[6-9]|2\d|3[01]))\.|^(::1|f[cd]|fe80)/i);
  }
  // As Chrome takes it when a name has such an address: no question, and the metrics are there.
  const names = await Names.start(t, { space: 'public' });
  application(names, reporting('public'));
  await names.open();
  await received(names, /^public:1\|c$/);
  assert.deepEqual(names.faults, []);
});

test('public names: an address of the local network needs leave, and the client waits for it', limit, async (t) => {
  const query = snippets.take('Public names', 'js');
  const names = await Names.start(t, { space: 'local' });
  application(names, `${reporting('local')}\nglobalThis.ask = async () => {\n${query}\nreturn permission.state }`);
  // A headless browser has nobody to ask: what needs leave is refused.
  const opened = await names.open();
  await opened.waitForFunction('globalThis.told?.length > 0 && ask !== undefined');
  assert.match(await opened.evaluate('ask()'), /^(prompt|denied)$/);
  assert.deepEqual(names.receiver.lines, []);
  await names.context.grantPermissions(['local-network-access'], { origin: SHOP });
  assert.equal(await opened.evaluate('ask()'), 'granted');
  await received(names, /^local:1\|c$/);
  assert.equal(names.receiver.lines.length, 1);
});

/** An application that counts once, and keeps what it is told of failures. */
function reporting(name) {
  return `
    import { Client } from 'statsd-http-proxy-client'

    const told = (globalThis.told = [])
    const metrics = new Client({ url: 'https://metrics.example.com', onError: (error) => told.push(error) })
    metrics.count('${name}')
    metrics.flush()
  `;
}

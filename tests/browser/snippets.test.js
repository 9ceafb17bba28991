// Every snippet in docs/browser.md and in the client's README runs unchanged, on pages of a shop and with a proxy that
// have the names in it.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, before } = require('node:test');

const { Workshop } = require('./bundle.js');
const { engine, test } = require('./engine.js');
const { Names, SHOP } = require('./names.js');
const { Snippets } = require('./snippets.js');
const { SECRET, token } = require('./token.js');
const { until } = require('./until.js');

const snippets = new Snippets('docs/browser.md');
const readme = new Snippets('client/README.md');
let workshop;

before(() => {
  workshop = new Workshop();
});

after(() => {
  workshop?.close();
  assert.deepEqual([...snippets.left(), ...readme.left()], [], 'snippets that no test runs');
});

const HTML = 'text/html; charset=utf-8';
const SCRIPT = 'text/javascript; charset=utf-8';
const page = (...parts) =>
  `<!doctype html><title>Shop</title><link rel="icon" href="data:,"><h1>A shop</h1><script src="/fail.js"></script>${parts.join('\n')}`;
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

/** Hides the page. A headless browser hides a page only when it is closed. It runs in the page. */
function hide() {
  Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true });
  document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
}

/** Waits until the page has a global. */
function defined(opened, name) {
  return until(() => opened.evaluate((name) => globalThis[name] !== undefined, name), `the page to have ${name}`);
}

test('script tag', async (t) => {
  const names = await Names.start(t);
  names.serve('/', HTML, page(snippets.take('Script tag', 'html')));
  await names.open();
  await received(names, /^page\.views:1\|c$/, /^cart\.items:3\|g$/, /^page\.load:[\d.]+\|ms$/, /^visitors:user-42\|s$/);
  assert.deepEqual(await names.faults(), []);
});

test('script tag with a version, which is kept for a year', async (t) => {
  const names = await Names.start(t);
  names.serve('/', HTML, page(snippets.take('Script tag', 'html')));
  const opened = await names.open();
  assert.equal(await opened.evaluate(() => typeof StatsDHttpProxy.Client), 'function');
  const caching = await opened.evaluate(async () => {
    const { src } = document.querySelector('[src*="client.js"]');
    return (await fetch(src, { cache: 'force-cache' })).headers.get('Cache-Control');
  });
  assert.match(caching, /max-age=31536000, immutable/);
});

test("README of the client: script tag", async (t) => {
  const names = await Names.start(t, { flags: [`--jwt-secret=${SECRET}`] });
  // The snippet has a token from the page.
  names.serve('/', HTML, page(`<script>var token = '${token()}'</script>`, readme.take('', 'html')));
  await names.open();
  await received(names, /^page\.views:1\|c$/);
  assert.deepEqual(await names.faults(), []);
});

test('README of the client: module', async (t) => {
  const names = await Names.start(t, { flags: [`--jwt-secret=${SECRET}`] });
  application(names, `const getToken = async () => '${token()}'\n${readme.take('', 'js')}`);
  await names.open();
  await received(names, /^shop\.page\.load:12\.5\|ms\|#env:prod$/);
  assert.deepEqual(await names.faults(), []);
});

test('README of the client: web vitals', async (t) => {
  const names = await Names.start(t);
  const client = "import { Client } from 'statsd-http-proxy-client'\nconst client = new Client('https://metrics.example.com')\n";
  application(names, client + readme.take('Metrics', 'js'));
  await names.open();
  await measured(t, names, 'fcp');
  assert.deepEqual(await names.faults(), []);
});

test('README of the client: the commands are scripts of the package', () => {
  const { scripts } = JSON.parse(fs.readFileSync(path.join(__dirname, '../../client/package.json'), 'utf8'));
  const commands = readme.take('Build', 'sh').split('\n').map((line) => line.split('#')[0].trim());
  assert.ok(commands.length > 0);
  for (const command of commands.filter((command) => command !== 'npm ci')) {
    const name = /^npm (?:run )?(\w+)$/.exec(command)?.[1];
    assert.ok(scripts[name], command);
  }
});

test('README of the proxy: calls without a client', async (t) => {
  const names = await Names.start(t);
  const calls = new Snippets('README.md').take('Use it', 'js');
  application(names, `const token = '${token()}'\nconst lines = ['a:1|c', 'b:2|g']\n${calls}`);
  await names.open();
  await received(names, /^page\.views:1\|c$/, /^page\.load:[\d.]+\|ms$/, /^a:1\|c$/, /^b:2\|g$/);
  assert.deepEqual(await names.faults(), []);
});

test('npm: the package has what users need, and a bundle of it works', async (t) => {
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
  assert.deepEqual(await names.faults(), []);
});

/** Vitals that an engine does not measure, as the list in docs/browser.md says of the demo's page. */
const UNMEASURED = { chromium: [], firefox: ['cls'], webkit: ['lcp', 'cls'] };

/** Waits for the vitals that come at this point. One that the engine does not measure must not come. */
async function measured(t, names, ...vitals) {
  for (const vital of vitals) {
    if (UNMEASURED[engine].includes(vital)) {
      t.diagnostic(`${engine} does not measure ${vital}`);
    } else {
      await received(names, new RegExp(`^web_vitals\\.${vital}:[\\d.]+\\|ms$`));
    }
  }
}

/** Clicks, which ends LCP; hides the page, which ends CLS; and makes the page throw. */
async function vitals(t, names, opened) {
  await measured(t, names, 'fcp', 'ttfb');
  await opened.click('h1');
  await measured(t, names, 'lcp');
  await opened.evaluate(hide);
  await measured(t, names, 'cls');
  assert.deepEqual(await names.faults(), []);
  await opened.evaluate(() => globalThis.fail());
  await received(names, /^errors\.uncaught:1\|c$/, /^errors\.unhandled_rejection:1\|c$/);
  const vital = /^web_vitals\.(\w+):/;
  const sent = new Set(names.receiver.lines.map((line) => vital.exec(line)?.[1]));
  assert.deepEqual(UNMEASURED[engine].filter((name) => sent.has(name)), [], 'vitals that the engine measures now');
}

test('web vitals and errors from a bundle', async (t) => {
  const names = await Names.start(t);
  application(names, snippets.take('Web vitals and errors', 'js'));
  await vitals(t, names, await names.open());
});

test('web vitals and errors from script tags', async (t) => {
  const names = await Names.start(t);
  names.serve('/', HTML, page(snippets.take('Web vitals and errors', 'html')));
  const file = require.resolve('web-vitals').replace(/[^/]*$/, 'web-vitals.iife.js');
  names.serve('/web-vitals.iife.js', SCRIPT, fs.readFileSync(file));
  await vitals(t, names, await names.open());
});

test('single-page applications: views are counted, and parts share the queue', async (t) => {
  const names = await Names.start(t);
  application(names, `${snippets.take('Single-page applications', 'js')}\nObject.assign(globalThis, { cart })`);
  const opened = await names.open();
  await defined(opened, 'cart');
  await opened.evaluate(() => history.pushState({}, '', '/products/42'));
  await opened.evaluate(() => history.pushState({}, '', '/'));
  await opened.evaluate(() => globalThis.cart.count('items', 2));
  await received(
    names,
    /^shop\.views\.products:1\|c$/,
    /^shop\.views\.home:1\|c$/,
    /^shop\.cart\.items:2\|c\|#team:checkout$/,
  );
  assert.equal(names.receiver.lines.length, 3);
  assert.deepEqual(await names.faults(), []);
});

test('tokens that expire: the client renews them, and nothing is lost', async (t) => {
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

test('Content Security Policy: it allows the script, the requests and the beacons, and no more', async (t) => {
  const names = await Names.start(t);
  const [header, value] = snippets.take('Content Security Policy', '').split(': ');
  const client = '<script src="https://metrics.example.com/client.js"></script>';
  names.serve('/', HTML, page(client, '<script src="/app.js"></script>'), { [header]: value });
  // The policy is that of the page's own code: Firefox does not apply it to a driver's script.
  names.serve(
    '/app.js',
    SCRIPT,
    `var metrics = new StatsDHttpProxy.Client("https://metrics.example.com")
    var elsewhere = () => void fetch("https://elsewhere.example.com/").catch(() => {})
    var violations = []
    addEventListener("securitypolicyviolation", (event) => violations.push(event.effectiveDirective + " " + event.blockedURI))`,
  );
  const opened = await names.open();
  await opened.evaluate(() => {
    globalThis.metrics.count('by.request');
    return globalThis.metrics.flush();
  });
  await received(names, /^by\.request:1\|c$/);
  await opened.evaluate(() => globalThis.metrics.count('by.beacon'));
  await opened.evaluate(hide);
  await received(names, /^by\.beacon:1\|c$/);
  assert.deepEqual(await names.faults(), []);
  // The policy is in force: it forbids an origin that it does not name. Only Chromium's console tells.
  const violations = () => opened.evaluate(() => globalThis.violations);
  assert.deepEqual(await violations(), []);
  await opened.evaluate(() => globalThis.elsewhere());
  await until(async () => (await violations()).length > 0, 'the policy to forbid a request');
  assert.match((await violations())[0], /^connect-src https:\/\/elsewhere\.example\.com/);
  if (engine === 'chromium') {
    await until(
      async () => (await names.faults()).some((fault) => /Content Security Policy/.test(fault)),
      'the console to name the policy',
    );
  }
});

test('public names: addresses that Chrome does not ask about', async (t) => {
  const records = snippets.take('Public names', '').split('\n').map((line) => line.split(/\s+/));
  assert.deepEqual(records.map((record) => record[3]), ['A', 'AAAA']);
  for (const [name, , , , address] of records) {
    assert.equal(name, 'metrics.example.com.');
    assert.doesNotMatch(address, /^(10|127|192\.168|169\.254|172\.(1[6-9]|2\d|3[01]))\.|^(::1|f[cd]|fe80)/i);
  }
  // Chrome asks no question if a name has such an address, and the metrics arrive.
  const names = await Names.start(t, { space: 'public' });
  application(names, reporting('public'));
  await names.open();
  await received(names, /^public:1\|c$/);
  assert.deepEqual(await names.faults(), []);
});

test('public names: an address of the local network needs permission, and the client waits for it', async (t) => {
  const query = snippets.take('Public names', 'js');
  const names = await Names.start(t, { space: 'local' });
  application(names, `${reporting('local')}\nglobalThis.ask = async () => {\n${query}\nreturn permission.state }`);
  // A headless browser cannot ask the user, and denies the permission.
  const opened = await names.open();
  await until(() => opened.evaluate(() => globalThis.told?.length > 0), 'a request to be refused');
  await defined(opened, 'ask');
  const ask = () => opened.evaluate(() => globalThis.ask());
  assert.match(await ask(), /^(prompt|denied)$/);
  assert.deepEqual(names.receiver.lines, []);
  await opened.grant('local-network-access', SHOP);
  assert.equal(await ask(), 'granted');
  await received(names, /^local:1\|c$/);
  assert.equal(names.receiver.lines.length, 1);
});

/** An application that counts once, and keeps the errors of `onError`. */
function reporting(name) {
  return `
    import { Client } from 'statsd-http-proxy-client'

    const told = (globalThis.told = [])
    const metrics = new Client({ url: 'https://metrics.example.com', onError: (error) => told.push(error) })
    metrics.count('${name}')
    metrics.flush()
  `;
}

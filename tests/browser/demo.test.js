// The page of the demo shows what its buttons send, as StatsD counts it.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, before } = require('node:test');

const { launch, test } = require('./engine.js');
const { Proxy } = require('./proxy.js');
const { SECRET, token } = require('./token.js');
const { until } = require('./until.js');

/** Screens of a desktop and of phones, in CSS pixels. */
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };
const SMALL_PHONE = { width: 320, height: 640 };

/** Largest layout shift of the page (web.dev/cls). A good page has at most 0.1. */
const MAX_SHIFT = 0.02;

const browsers = {};

before(async () => {
  browsers.light = await launch();
  browsers.dark = await launch({ dark: true });
});

after(async () => {
  await browsers.light?.close();
  await browsers.dark?.close();
});

const id = (name) => `[data-testid="${name}"]`;

/** Starts a demo, which has its own StatsD, and opens its page. */
async function open(t, { size = DESKTOP, scheme = 'light', before = async () => {} } = {}) {
  const proxy = await Proxy.start({ port: 1 }, ['--demo']);
  t.after(() => proxy.stop());
  const origin = `http://127.0.0.1:${proxy.port}`;
  await before(origin);
  const page = await browsers[scheme].open(size);
  t.after(async () => {
    const loaded = await page.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => name));
    await page.close();
    assert.deepEqual(loaded.filter((url) => !url.startsWith(`${origin}/`) && !url.startsWith('data:')), [], 'from elsewhere');
    assert.deepEqual(await page.faults(), [], 'what was thrown into the page');
  });
  await page.goto(`${origin}/`);
  await until(() => page.evaluate(() => document.querySelector('#state.live') !== null), 'the page to be live');
  return { page, origin };
}

function read(page, name, attribute) {
  return page.evaluate(
    (selector, attribute) => {
      const element = document.querySelector(selector);
      return element && (attribute ? element.getAttribute(attribute) : element.textContent);
    },
    id(name),
    attribute ?? null,
  );
}

/** Waits until an element's text, or its attribute, matches. */
async function shows(page, name, pattern, attribute) {
  let text;
  await until(
    async () => pattern.test((text = (await read(page, name, attribute)) ?? '')),
    () => `${name} to show ${pattern}; it shows ${text}`,
  );
}

/** Sends metrics from outside the page, as curl does. */
async function send(origin, lines) {
  const response = await fetch(`${origin}/batch`, { method: 'POST', body: lines.join('\n') });
  assert.equal(response.status, 200);
}

const label = (page) => page.evaluate(() => document.querySelector('[data-testid="card-demo.clicks"] svg').getAttribute('aria-label'));

test('a click moves the chart, and the line is shown', async (t) => {
  const { page } = await open(t);
  await page.click(id('click'));
  await shows(page, 'lines', /demo\.clicks:1\|c/);
  // The label of the chart has its highest point, which rises when ten clicks come at once.
  await until(async () => /highest 1$/.test(await label(page)), 'the chart to show one');
  const before = await read(page, 'chart-demo.clicks', 'd');
  await page.click(id('burst'));
  await until(async () => /highest 10$/.test(await label(page)), 'the chart to show ten');
  assert.notEqual(await read(page, 'chart-demo.clicks', 'd'), before);
  await shows(page, 'details-demo.clicks', /^\d+\/s · 11 total$/);
  await shows(page, 'value-demo.clicks', /^11$/);
  assert.equal(await read(page, 'call'), 'metrics.count("demo.clicks")');
});

test('a page that is opened later shows earlier metrics', async (t) => {
  const early = ['early.hits:3|c', 'early.hits:4|c', 'early.level:5|g', 'early.load:12.5|ms', 'early.users:a|s', 'demo.clicks:2|c'];
  const { page } = await open(t, { before: (origin) => send(origin, early) });
  await shows(page, 'details-early.hits', /^\d\/s · 7 total$/);
  await shows(page, 'value-early.level', /^5$/);
  await shows(page, 'value-early.load', /^12\.5ms$/);
  await shows(page, 'details-early.users', /^\d\/s · 1 total$/);
  await shows(page, 'value-demo.clicks', /^2$/);
  await shows(page, 'total', /^· \d+ in all$/);
});

test('the page reports its own web vitals', async (t) => {
  const { page } = await open(t);
  // WebKit measures whole milliseconds, and web-vitals takes a response after 0 ms for unknown.
  const first = await page.evaluate(() => performance.getEntriesByType('navigation')[0].responseStart);
  for (const name of first > 0 ? ['fcp', 'ttfb'] : ['fcp']) {
    await shows(page, `card-web_vitals.${name}`, /timer/);
  }
});

test('the page reports its largest contentful paint', async (t) => {
  const { page } = await open(t);
  // web-vitals reports it after the first click.
  await page.click(id('click'));
  await shows(page, 'card-web_vitals.lcp', /timer/);
});

test('gauges, timings and sets have their cards, and keys work', async (t) => {
  const { page } = await open(t);
  await page.press(id('gauge'), 'ArrowLeft');
  await shows(page, 'value-demo.temperature', /^19$/);
  await page.press(id('up'), 'Enter');
  await shows(page, 'value-demo.temperature', /^20$/);
  await page.click(id('time'));
  await shows(page, 'value-demo.request', /^[\d.]+ms$/);
  await page.type(id('set-value'), 'grace');
  await page.press(id('set-value'), 'Enter');
  await shows(page, 'details-demo.visitors', /^\d\/s · 1 total$/);
});

test('a pause stops the lines, and not the metrics', async (t) => {
  const { page } = await open(t);
  await page.click(id('pause'));
  await page.type(id('set-value'), 'while-paused');
  await page.click(id('set-send'));
  await shows(page, 'value-demo.visitors', /^1$/);
  assert.doesNotMatch(await read(page, 'lines'), /while-paused/);
  await page.click(id('pause'));
  await shows(page, 'lines', /demo\.visitors:while-paused\|s/);
});

test('simulated traffic moves the own cards and adds others', async (t) => {
  const { page } = await open(t);
  await page.click(id('traffic'));
  for (const name of ['demo.orders', 'demo.checkout', 'demo.queue']) {
    await shows(page, `value-${name}`, /\d/);
  }
  await shows(page, 'value-demo.clicks', /\d/);
  await shows(page, 'value-demo.visitors', /\d/);
});

test('if tokens are required, the address that the proxy prints has one', async (t) => {
  const guarded = await Proxy.start({ port: 1 }, ['--demo', `--jwt-secret=${SECRET}`]);
  t.after(() => guarded.stop());
  const page = await browsers.light.open();
  t.after(() => page.close());
  const address = `http://127.0.0.1:${guarded.port}/`;
  await page.goto(address);
  await shows(page, 'state', /refused/);
  await page.goto(`${address}?token=${token()}`);
  await shows(page, 'state', /live/);
  await page.click(id('click'));
  await shows(page, 'lines', /demo\.clicks:1\|c/);
});

// --- Layout ----------------------------------------------------------------------------------------------------------

/** Changes the page: its own metrics, new metrics, many lines, and long names. */
async function use(page, origin) {
  for (const name of ['click', 'burst', 'up', 'time', 'set-send', 'traffic']) {
    await page.click(id(name));
  }
  const names = Array.from({ length: 12 }, (_, i) => `other.metric.${i}`);
  await send(origin, names.map((name) => `${name}:1|c`));
  await send(origin, [`a.${'very.'.repeat(20)}long.name:123456.789|ms`, 'other.gauge:-123456789.25|g']);
  await shows(page, 'details-other.metric.11', /1 total/);
  await shows(page, 'value-other.gauge', /-123,456,789\.25/);
  await shows(page, 'value-demo.checkout', /\d/);
  await shows(page, 'value-demo.request', /\d/);
  // Waits for another flush without new metrics.
  const before = await read(page, 'chart-other.gauge', 'd');
  await until(async () => (await read(page, 'chart-other.gauge', 'd')) !== before, 'another flush');
}

for (const [name, size] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
  test(`nothing moves by itself on a ${name}`, async (t) => {
    const { page, origin } = await open(t, { size });
    assert.ok(
      await page.evaluate(() => PerformanceObserver.supportedEntryTypes.includes('layout-shift')),
      'the engine has no layout-shift entries',
    );
    await use(page, origin);
    // Includes shifts after a click, which web-vitals leaves out.
    const shifts = await page.evaluate(
      () =>
        new Promise((resolve) => {
          const observer = new PerformanceObserver((list) => resolve(list.getEntries().map(describe)));
          const describe = ({ value, sources }) => ({
            value,
            parts: sources.map(({ node }) => node?.id || node?.className || node?.nodeName || 'gone'),
          });
          observer.observe({ type: 'layout-shift', buffered: true });
          setTimeout(() => resolve([]), 1000);
        }),
    );
    const sum = shifts.reduce((sum, { value }) => sum + value, 0);
    t.diagnostic(`layout shift of ${sum.toFixed(4)} in ${shifts.length} parts`);
    assert.ok(sum < MAX_SHIFT, `${sum}: ${JSON.stringify(shifts)}`);
  });
}

const AXE = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

for (const [name, size] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
  for (const scheme of ['light', 'dark']) {
    test(`axe finds nothing, ${scheme} on a ${name}`, async (t) => {
      const { page, origin } = await open(t, { size, scheme });
      const query = '(prefers-color-scheme: dark)';
      assert.equal(await page.evaluate((query) => matchMedia(query).matches, query), scheme === 'dark');
      await use(page, origin);
      const found = await page.evaluate(`async () => {
        ${AXE}
        const { violations } = await axe.run(document, { resultTypes: ['violations'] });
        return violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' '));
      }`);
      assert.deepEqual(found, []);
    });
  }
}

const actions = { click: 'clicks', burst: 'clicks', up: 'temperature', down: 'temperature', time: 'request', 'set-send': 'visitors' };

test('on a phone the card of a pressed button is visible', async (t) => {
  const { page } = await open(t, { size: PHONE });
  for (const [action, metric] of Object.entries(actions)) {
    const chart = await read(page, `chart-demo.${metric}`, 'd');
    await page.click(id(action));
    await until(async () => (await read(page, `chart-demo.${metric}`, 'd')) !== chart, `the card of ${metric} to change`);
    const { top, bottom, height } = await page.evaluate((selector) => {
      const { top, bottom } = document.querySelector(selector).getBoundingClientRect();
      return { top, bottom, height: innerHeight };
    }, id(`card-demo.${metric}`));
    assert.ok(top >= -1 && bottom <= height + 1, `after ${action} it is at ${top} to ${bottom} of ${height}`);
  }
});

test('a phone shows the page without horizontal scrolling', async (t) => {
  const { page, origin } = await open(t, { size: SMALL_PHONE, scheme: 'dark' });
  await use(page, origin);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
});

test('the copy of web-vitals equals the package in the lock file', async () => {
  const file = require.resolve('web-vitals').replace(/[^/]*$/, 'web-vitals.iife.js');
  const { version } = JSON.parse(fs.readFileSync(path.join(file, '../../package.json'), 'utf8'));
  const [title, ...script] = fs.readFileSync(path.join(__dirname, '../../demo/web-vitals.js'), 'utf8').split('\n');
  assert.ok(title.startsWith(`/*! web-vitals ${version}, `), title);
  const published = fs.readFileSync(file, 'utf8').split('\n');
  // The copy lacks the name of the source map, which the demo does not serve.
  assert.deepEqual(script.filter(Boolean), published.filter((line) => line && !line.startsWith('//# sourceMappingURL')));
});

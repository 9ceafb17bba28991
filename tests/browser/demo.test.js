// The demo's page: what is sent by button is shown, as StatsD counts it.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, test } = require('node:test');

const { launch } = require('./browser.js');
const { Proxy } = require('./proxy.js');
const { SECRET, token } = require('./token.js');

let browser;
let proxy;

before(async () => {
  browser = await launch();
  // The demo has a StatsD of its own.
  proxy = await Proxy.start({ port: 1 }, ['--demo']);
});

after(async () => {
  await browser?.close();
  await proxy?.stop();
});

async function open(options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const faults = [];
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
  page.on('request', (request) => {
    if (!request.url().startsWith(`http://127.0.0.1:${proxy.port}/`) && !request.url().startsWith('data:')) {
      faults.push(`a request left the machine: ${request.url()}`);
    }
  });
  await page.goto(`http://127.0.0.1:${proxy.port}/`);
  await page.locator('#state.live').waitFor();
  return { page, faults, close: () => context.close() };
}

test('a click moves the chart, and the line is shown', async () => {
  const { page, faults, close } = await open();
  const chart = page.getByTestId('card-demo.clicks').getByRole('img');
  await page.getByTestId('click').click();
  await page.getByTestId('lines').getByText('demo.clicks:1|c').waitFor();
  // The highest point of the curve is what the chart says of itself, and it moves when ten come at once.
  await chart.and(page.getByLabel(/highest 1$/)).waitFor();
  const before = await page.getByTestId('chart-demo.clicks').getAttribute('d');
  await page.getByTestId('burst').click();
  await chart.and(page.getByLabel(/highest 10$/)).waitFor();
  assert.notEqual(await page.getByTestId('chart-demo.clicks').getAttribute('d'), before);
  await page.getByTestId('card-demo.clicks').getByText(/^in all\s*11$/).waitFor();
  assert.equal(await page.getByTestId('call').textContent(), 'metrics.count("demo.clicks")');
  assert.deepEqual(faults, []);
  await close();
});

test('the page reports its own web vitals', async () => {
  const { page, faults, close } = await open();
  for (const name of ['fcp', 'ttfb']) {
    await page.getByTestId(`card-web_vitals.${name}`).getByText('timer').waitFor();
  }
  await page.getByTestId('click').click();
  await page.getByTestId('card-web_vitals.lcp').getByText('timer').waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test('gauges, timings and sets have their cards, and keys work', async () => {
  const { page, faults, close } = await open();
  await page.getByTestId('gauge').focus();
  await page.keyboard.press('ArrowLeft');
  await page.getByTestId('value-demo.temperature').getByText('19').waitFor();
  await page.getByTestId('up').press('Enter');
  await page.getByTestId('value-demo.temperature').getByText('20').waitFor();
  await page.getByTestId('time').click();
  await page.getByTestId('card-demo.request').getByText('timer').waitFor();
  await page.getByTestId('set-value').fill('grace');
  await page.keyboard.press('Enter');
  await page.getByTestId('card-demo.visitors').getByText('set').waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test('a pause holds the lines, and not the metrics', async () => {
  const { page, faults, close } = await open();
  await page.getByTestId('pause').click();
  await page.getByTestId('set-value').fill('while-paused');
  await page.getByTestId('set-send').click();
  await page.getByTestId('value-demo.visitors').getByText('1').waitFor();
  assert.doesNotMatch(await page.getByTestId('lines').textContent(), /while-paused/);
  await page.getByTestId('pause').click();
  await page.getByTestId('lines').getByText('demo.visitors:while-paused|s').waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test('where tokens are needed, the address that the proxy prints has one', async (t) => {
  const guarded = await Proxy.start({ port: 1 }, ['--demo', `--jwt-secret=${SECRET}`]);
  t.after(() => guarded.stop());
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  const address = `http://127.0.0.1:${guarded.port}/`;
  await page.goto(address);
  await page.getByTestId('state').getByText('refused').waitFor();
  await page.goto(`${address}?token=${token()}`);
  await page.getByTestId('state').getByText('live').waitFor();
  await page.getByTestId('click').click();
  await page.getByTestId('lines').getByText('demo.clicks:1|c').waitFor();
});

test('a phone shows it without a scroll to the side', async () => {
  const { page, faults, close } = await open({ viewport: { width: 320, height: 640 }, colorScheme: 'dark' });
  await page.getByTestId('click').click();
  await page.getByTestId('card-demo.clicks').waitFor();
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  assert.deepEqual(faults, []);
  await close();
});

test("its web-vitals is the package's, of the version in the lock file", () => {
  const file = require.resolve('web-vitals').replace(/[^/]*$/, 'web-vitals.iife.js');
  const { version } = JSON.parse(fs.readFileSync(path.join(file, '../../package.json'), 'utf8'));
  const [title, ...script] = fs.readFileSync(path.join(__dirname, '../../demo/web-vitals.js'), 'utf8').split('\n');
  assert.ok(title.startsWith(`/*! web-vitals ${version}, `), title);
  const published = fs.readFileSync(file, 'utf8').split('\n');
  // But for the name of a source map that is not served.
  assert.deepEqual(script.filter(Boolean), published.filter((line) => line && !line.startsWith('//# sourceMappingURL')));
});

// The demo's page: what is sent by button is shown, as StatsD counts it.
'use strict';

const assert = require('node:assert/strict');
const { after, before, test } = require('node:test');

const { launch } = require('./browser.js');
const { Proxy } = require('./proxy.js');

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
  await page.getByTestId('click').click();
  const chart = page.getByTestId('chart-demo.clicks');
  await chart.waitFor({ state: 'attached' });
  const before = await chart.getAttribute('d');
  await page.getByTestId('burst').click();
  await page.waitForFunction(
    ([id, old]) => document.querySelector(`[data-testid="${id}"]`).getAttribute('d').length > old.length,
    ['chart-demo.clicks', before],
  );
  await page.getByTestId('lines').getByText('demo.clicks:1|c').waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test('gauges, timings and sets have their cards, and keys work', async () => {
  const { page, faults, close } = await open();
  await page.getByTestId('gauge').focus();
  await page.keyboard.press('ArrowLeft');
  await page.getByTestId('value-demo.temperature').getByText('19').waitFor();
  await page.getByTestId('time').click();
  await page.getByTestId('card-demo.request').getByText('timer').waitFor();
  await page.getByTestId('set-value').fill('grace');
  await page.keyboard.press('Enter');
  await page.getByTestId('card-demo.visitors').getByText('set').waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test('a phone shows it without a scroll to the side', async () => {
  const { page, faults, close } = await open({ viewport: { width: 320, height: 640 }, colorScheme: 'dark' });
  await page.getByTestId('click').click();
  await page.getByTestId('card-demo.clicks').waitFor();
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  assert.deepEqual(faults, []);
  await close();
});

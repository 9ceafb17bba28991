// Makes the picture of the demo in the README: `make screenshot`.
'use strict';

const path = require('node:path');

const { start } = require('./engines/chromium.js');
const { Proxy } = require('./proxy.js');

/** Points in the charts: one for each flush, once a second. */
const SECONDS = 60;

async function main() {
  const proxy = await Proxy.start({ port: 1 }, ['--demo']);
  const browser = await start();
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 1020 }, colorScheme: 'light' });
    await page.goto(`http://127.0.0.1:${proxy.port}/`);
    await page.getByTestId('traffic').check();
    for (let second = 0; second < SECONDS; second++) {
      for (let click = 0; click < 3 + 3 * Math.sin(second / 6); click++) {
        await page.getByTestId('click').click();
      }
      if (second % 4 === 0) {
        await page.getByTestId('time').click();
        await page.getByTestId('up').click();
      }
      await page.waitForTimeout(1000);
    }
    await page.mouse.move(0, 0);
    await page.evaluate('scrollTo(0, 0)');
    await page.getByTestId('burst').press('Enter');
    await page.evaluate('document.activeElement.blur()');
    await page.getByTestId('details-demo.clicks').getByText(/^[12]\d\/s/).waitFor();
    await page.screenshot({ path: path.join(__dirname, '../../docs/demo.png') });
  } finally {
    await browser.close();
    await proxy.stop();
  }
}

main();

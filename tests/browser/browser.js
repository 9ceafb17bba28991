// Chromium, without which the tests fail: one that is skipped where it cannot run is one that nobody misses.
'use strict';

const fs = require('node:fs');

const { chromium } = require('playwright-core');

const EXECUTABLE = process.env.CHROMIUM || '/usr/bin/chromium';

async function launch(args = []) {
  if (!fs.existsSync(EXECUTABLE)) {
    throw new Error(
      `there is no Chromium at ${EXECUTABLE}: install it with \`apt-get install chromium\`, or say where one is with ` +
        'the environment variable CHROMIUM',
    );
  }
  // Root, as which containers run, may not use the sandbox; and the pages are our own.
  return chromium.launch({ executablePath: EXECUTABLE, args: ['--no-sandbox', ...args] });
}

module.exports = { launch };

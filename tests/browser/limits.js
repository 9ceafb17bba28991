// The limits of each engine, with their reasons. `make browser` prints the list, and docs/browser.md has it too.
//
// A listed test runs, and has to fail, so a test that an engine passes must leave the list. A listed file does not run.
'use strict';

const fs = require('node:fs');
const path = require('node:path');

/** Tests that fail because of the engine, and files that need a feature that it lacks. */
const limits = [
  {
    engine: 'firefox',
    test: 'a restored page delivers, after a token that arrived while it was in the cache',
    reason: 'It keeps no page for going back while an ordinary request is in flight; the page is loaded anew',
  },
  ...['firefox', 'webkit'].flatMap((engine) =>
    ['desktop', 'phone'].map((screen) => ({
      engine,
      test: `nothing moves by itself on a ${screen}`,
      reason: 'It does not report layout shifts, so there is no CLS',
    })),
  ),
  {
    engine: 'webkit',
    test: 'the page reports its largest contentful paint',
    reason: 'WebKitGTK 2.50 does not measure it',
  },
  {
    engine: 'webkit',
    test: 'single-page applications: views are counted, and parts share the queue',
    reason: 'WebKitGTK 2.50 has no Navigation API',
  },
  ...['firefox', 'webkit'].map((engine) => ({
    engine,
    test: 'public names: an address of the local network needs permission, and the client waits for it',
    reason: 'The engine does not tell a public address from a local one in this test',
  })),
];

const DOCUMENT = path.join(__dirname, '../../docs/browser.md');

/** Returns the differences between the list and the table in docs/browser.md. */
function check() {
  const text = fs.readFileSync(DOCUMENT, 'utf8');
  const table = text.slice(text.indexOf('| engine | test | reason |')).split('\n\n')[0].split('\n').slice(2);
  const rows = new Set(limits.map(({ engine, test, reason }) => `| ${engine} | ${test} | ${reason} |`));
  const faults = table.filter((row) => row && !rows.has(row)).map((row) => `docs/browser.md has an unknown row: ${row}`);
  return faults.concat([...rows].filter((row) => !table.includes(row)).map((row) => `docs/browser.md lacks ${row}`));
}

module.exports = { check, limits };

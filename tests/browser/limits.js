// What an engine cannot do, each with its reason. `make browser` prints the list, and docs/browser.md shows it.
//
// A test that is listed runs all the same, and has to fail: what an engine has learnt is taken out of the list. A file that
// is listed does not run.
'use strict';

const fs = require('node:fs');
const path = require('node:path');

/** Tests that fail in an engine by its own doing, and files that need what it has not. */
const limits = [
  {
    engine: 'firefox',
    test: 'a restored page delivers, after a token that came while it was away',
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
  ...['firefox', 'webkit'].map((engine) => ({
    engine,
    test: 'snippets.test.js',
    reason: 'It maps the names in the documents to loopback, and sets the kind of an address, by switches that only Chromium has',
  })),
];

const DOCUMENT = path.join(__dirname, '../../docs/browser.md');

/** What the table in docs/browser.md lacks, or has too much. */
function check() {
  const text = fs.readFileSync(DOCUMENT, 'utf8');
  const table = text.slice(text.indexOf('| engine | test | reason |')).split('\n\n')[0].split('\n').slice(2);
  const rows = new Set(limits.map(({ engine, test, reason }) => `| ${engine} | ${test} | ${reason} |`));
  const faults = table.filter((row) => row && !rows.has(row)).map((row) => `docs/browser.md has a row too much: ${row}`);
  return faults.concat([...rows].filter((row) => !table.includes(row)).map((row) => `docs/browser.md lacks ${row}`));
}

module.exports = { check, limits };

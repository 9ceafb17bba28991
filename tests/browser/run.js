// Runs the tests in every engine, one after the other, and prints what each cannot do: `make browser`. The environment
// variable ENGINE names one engine, and arguments name files.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { run } = require('node:test');
const { spec: Spec } = require('node:test/reporters');

const { check, limits } = require('./limits.js');

const ENGINES = ['chromium', 'firefox', 'webkit'];

/** Files that run at once. Two browsers would wait for each other. */
const CONCURRENCY = 1;

/** Runs the files in an engine, and resolves to the names of the tests that passed, and to how many failed. */
async function runIn(engine, files) {
  process.env.ENGINE = engine;
  const excluded = limits.filter((limit) => limit.engine === engine).map(({ test }) => test);
  files = files.filter((file) => !excluded.includes(path.basename(file)));
  const { launch } = require(`./engines/${engine}.js`);
  const browser = await launch();
  console.log(`\n=== ${browser.version}\n`);
  await browser.close();
  const started = Date.now();
  const names = new Set();
  let failed = 0;
  const tests = run({ files, concurrency: CONCURRENCY });
  tests.on('test:pass', ({ name }) => names.add(name));
  tests.on('test:fail', () => failed++);
  const printed = tests.compose(new Spec());
  for await (const text of printed) {
    process.stdout.write(text);
  }
  const seconds = Math.round((Date.now() - started) / 1000);
  console.log(`${browser.version}: ${names.size} passed, ${failed} failed, ${seconds} s`);
  return { names, failed };
}

function printLimits(engines) {
  const listed = limits.filter(({ engine }) => engines.includes(engine));
  console.log(`\n=== What an engine cannot do (tests/browser/limits.js)\n`);
  for (const { engine, test, reason } of listed) {
    console.log(`${engine}: ${test}\n    ${reason}`);
  }
  if (listed.length === 0) {
    console.log('nothing');
  }
}

async function main() {
  const all = fs.readdirSync(__dirname).filter((file) => file.endsWith('.test.js')).sort();
  const given = process.argv.slice(2);
  const files = (given.length > 0 ? given : all).map((file) => path.join(__dirname, path.basename(file)));
  const engines = process.env.ENGINE ? [process.env.ENGINE] : ENGINES;
  const faults = check();
  for (const engine of engines) {
    const { names, failed } = await runIn(engine, files);
    if (failed > 0) {
      faults.push(`${engine}: ${failed} failed`);
    }
    const missing = limits.filter((limit) => limit.engine === engine && given.length === 0 && !limit.test.endsWith('.test.js') && !names.has(limit.test));
    faults.push(...missing.map(({ test }) => `limits.js names a test that did not run in ${engine}: ${test}`));
  }
  printLimits(engines);
  for (const fault of faults) {
    console.error(fault);
  }
  process.exitCode = faults.length > 0 ? 1 : 0;
}

main();

// Writes dist/, or with --check compares it with what the source builds to.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

import { buildSync } from 'esbuild';
import { minify } from 'terser';

const SCRIPT = 'statsd-http-proxy-client.min.js';
/** Largest size of the script, gzipped, in bytes. A page loads as much. */
const MAX_SIZE = 2_400;
/** The edition of ECMAScript that the script needs: Chrome 80, Firefox 74, Safari 13.1. docs/browser.md names it. */
const ECMASCRIPT = 2020;

const root = fileURLToPath(new URL('.', import.meta.url));
const dist = join(root, 'dist');

async function bundle() {
  const { outputFiles } = buildSync({
    absWorkingDir: root,
    entryPoints: ['src/script.js'],
    write: false,
    bundle: true,
    minify: true,
    format: 'iife',
    target: `es${ECMASCRIPT}`,
    // Without the project's settings esbuild adds no "use strict". Nothing in the script depends on it.
    tsconfigRaw: {},
    logLevel: 'warning',
  });
  // The names that terser gives compress better than those of esbuild: 67 bytes of 2,460. A property whose name begins
  // with an underscore is used inside the script only, so terser may shorten its name too.
  const { code } = await minify(outputFiles[0].text, {
    ecma: ECMASCRIPT,
    compress: { passes: 3 },
    mangle: { properties: { regex: /^_/ } },
  });
  return code;
}

async function build(folder) {
  writeFileSync(join(folder, SCRIPT), await bundle());
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const flags = ['--noEmit', 'false', '--declaration', '--emitDeclarationOnly', '--outDir', join(folder, 'types')];
  execFileSync(process.execPath, [tsc, '--project', root, ...flags], { stdio: 'inherit' });
  // The entry of the script tag exports nothing, so it has no types.
  rmSync(join(folder, 'types/script.d.ts'));

  const script = readFileSync(join(folder, SCRIPT));
  const size = gzipSync(script, { level: 9 }).length;
  console.log(`${SCRIPT}: ${script.length} bytes, ${size} gzipped (at most ${MAX_SIZE})`);
  if (size > MAX_SIZE) {
    throw new Error(`${SCRIPT} is too large`);
  }
}

function files(folder) {
  const names = existsSync(folder) ? readdirSync(folder, { recursive: true, withFileTypes: true }) : [];
  return new Map(
    names
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
      .sort()
      .map((path) => [path.slice(folder.length + 1), readFileSync(path, 'utf8')]),
  );
}

/** Writes dist/ when all is built: a page or a compiler may read it meanwhile. */
function write(built) {
  for (const name of files(dist).keys()) {
    if (!built.has(name)) {
      rmSync(join(dist, name));
    }
  }
  for (const [name, text] of built) {
    mkdirSync(dirname(join(dist, name)), { recursive: true });
    writeFileSync(join(dist, name), text);
  }
}

function compare(built) {
  const kept = files(dist);
  const names = [...new Set([...built.keys(), ...kept.keys()])].filter((name) => built.get(name) !== kept.get(name));
  if (names.length > 0) {
    throw new Error(`dist/ is not what src/ builds to: ${names.join(', ')}. Run npm run build`);
  }
}

const folder = mkdtempSync(join(tmpdir(), 'statsd-http-proxy-client-'));
try {
  await build(folder);
  const built = files(folder);
  if (process.argv.includes('--check')) {
    compare(built);
  } else {
    write(built);
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}

// Bundles a page's module with esbuild. The module imports the client, as npm packs it, and web-vitals.
'use strict';

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const { Home } = require('./engines/process.js');

const CLIENT = path.join(__dirname, '../../client');
const { buildSync } = require(path.join(CLIENT, 'node_modules/esbuild'));

class Workshop {
  constructor() {
    this.home = new Home();
    this.folder = this.home.path;
    const packed = execFileSync('npm', ['pack', '--json', '--pack-destination', this.folder], {
      cwd: CLIENT,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [{ filename, files }] = Object.values(JSON.parse(/^[[{][^]*/m.exec(packed.toString())[0]));
    /** Paths of the files in the package. */
    this.packed = files.map((file) => file.path).sort();
    const modules = path.join(this.folder, 'node_modules');
    const home = path.join(modules, 'statsd-http-proxy-client');
    fs.mkdirSync(home, { recursive: true });
    execFileSync('tar', ['-xzf', path.join(this.folder, filename), '-C', home, '--strip-components=1']);
    fs.cpSync(path.join(__dirname, 'node_modules/web-vitals'), path.join(modules, 'web-vitals'), { recursive: true });
  }

  /** Returns one text with a module and all its imports. */
  bundle(text) {
    const built = buildSync({
      stdin: { contents: text, resolveDir: this.folder },
      bundle: true,
      write: false,
      format: 'esm',
      logLevel: 'silent',
    });
    return built.outputFiles[0].text;
  }

  close() {
    this.home.remove();
  }
}

module.exports = { Workshop };

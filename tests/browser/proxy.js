// The proxy under test: a process on a free port.
'use strict';

const { spawn } = require('node:child_process');
const path = require('node:path');

const { until } = require('./until.js');

const BINARY = process.env.PROXY_BINARY || path.join(__dirname, '../../target/debug/statsd-http-proxy');

class Proxy {
  static async start(receiver, flags = []) {
    const proxy = new Proxy();
    const all = ['--http-port=0', `--statsd-port=${receiver.port}`, ...flags];
    proxy.child = spawn(BINARY, all, { stdio: ['ignore', 'ignore', 'pipe'] });
    proxy.ended = new Promise((resolve) => proxy.child.once('close', resolve));
    // The process must end even if the test run is interrupted.
    proxy.last = () => proxy.child.kill('SIGKILL');
    process.once('exit', proxy.last);
    let log = '';
    let failure;
    proxy.child.once('error', (error) => (failure = error));
    // A full pipe would stop the proxy, so all of its log is read.
    proxy.child.stderr.setEncoding('utf8').on('data', (text) => (log += text));
    const match = await until(() => {
      if (failure || proxy.child.exitCode !== null) {
        throw new Error(`${BINARY} does not start: ${failure ? failure.message : log}`);
      }
      return /listening on https?:\/\/127\.0\.0\.1:(\d+)/.exec(log);
    }, `${BINARY} to listen`);
    proxy.port = Number(match[1]);
    return proxy;
  }

  async stop() {
    this.child.kill();
    await this.ended;
    process.removeListener('exit', this.last);
  }
}

module.exports = { Proxy };

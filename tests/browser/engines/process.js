// A process that a browser needs, with an empty home of its own. Its whole process group ends with it, at the latest when
// this process ends, and the home is deleted then.
'use strict';

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

// A signal's default action would skip the `exit` listeners that end browsers.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => process.exit(1));
}

/** Bytes of a process's output that are kept for an error message. */
const MAX_OUTPUT = 16 * 1024;

/** A new folder under the system's folder for temporary files, deleted by `remove`, or when this process ends. */
class Home {
  constructor() {
    this.path = fs.mkdtempSync(path.join(os.tmpdir(), 'browser-tests-'));
    this.last = () => this.remove();
    process.once('exit', this.last);
  }

  remove() {
    process.removeListener('exit', this.last);
    // A process of the group that is about to end may still add a file.
    fs.rmSync(this.path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }

  /** The environment of this process, with every folder of a user's inside the home. */
  environment(more) {
    const folders = ['HOME', 'XDG_CACHE_HOME', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME', 'XDG_STATE_HOME', 'XDG_RUNTIME_DIR'];
    return { ...process.env, ...Object.fromEntries(folders.map((name) => [name, this.path])), ...more };
  }
}

class Process {
  /** Starts `command` as the leader of a process group. Descriptor 3 is a pipe that can be read, for programs that report there. */
  static start(command, args, environment) {
    const started = new Process();
    started.command = command;
    started.output = '';
    started.child = spawn(command, args, {
      env: environment,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    });
    started.child.once('error', (error) => (started.failure = error));
    // Not `close`: what else holds its pipes may have left the group.
    started.ended = once(started.child, 'exit').catch(() => {});
    const keep = (text) => (started.output = (started.output + text).slice(-MAX_OUTPUT));
    started.child.stdout.setEncoding('utf8').on('data', keep);
    started.child.stderr.setEncoding('utf8').on('data', keep);
    started.last = () => started.kill();
    process.once('exit', started.last);
    return started;
  }

  /** Throws if the process has ended. */
  check() {
    if (this.failure !== undefined || this.child.exitCode !== null || this.child.signalCode !== null) {
      throw new Error(`${this.command} ended: ${this.failure?.message ?? this.output}`);
    }
  }

  kill() {
    try {
      process.kill(-this.child.pid, 'SIGKILL');
    } catch {
      // All of the group have ended, or it never started.
    }
  }

  async stop() {
    this.kill();
    await this.ended;
    for (const pipe of this.child.stdio) {
      pipe?.destroy();
    }
    process.removeListener('exit', this.last);
  }
}

module.exports = { Home, Process };

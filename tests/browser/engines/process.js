// A process of a browser, with an empty home directory. The whole process group ends with it, at the latest when this
// process ends; the home is deleted then.
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

/** Most bytes of a process's output that are kept for an error message. */
const MAX_OUTPUT = 16 * 1024;

/** A new folder for temporary files. `remove`, or the end of this process, deletes it. */
class Home {
  constructor() {
    this.path = fs.mkdtempSync(path.join(os.tmpdir(), 'browser-tests-'));
    this.last = () => this.remove();
    process.once('exit', this.last);
  }

  remove() {
    process.removeListener('exit', this.last);
    // A process of the group may still add a file before it ends.
    fs.rmSync(this.path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }

  /** Returns the environment of this process, with every folder of a user inside the home. */
  environment(more) {
    const folders = ['HOME', 'XDG_CACHE_HOME', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME', 'XDG_STATE_HOME', 'XDG_RUNTIME_DIR'];
    return { ...process.env, ...Object.fromEntries(folders.map((name) => [name, this.path])), ...more };
  }
}

class Process {
  /** Starts `command` as the leader of a process group. Descriptor 3 is a pipe, for programs that report there. */
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
    // The event `close` may never come: a process that holds the pipes may have left the group.
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
      // All processes of the group have ended, or it never started.
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

// A UDP socket in place of StatsD, which records lines in the order of their arrival.
'use strict';

const dgram = require('node:dgram');
const { once } = require('node:events');

const { until } = require('./until.js');

class Receiver {
  static async start() {
    const receiver = new Receiver();
    // The buffer is larger than the default, so that tests with many metrics lose no datagrams in it.
    receiver.socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 8 << 20 });
    receiver.lines = [];
    receiver.socket.on('message', (datagram) => {
      receiver.lines.push(...datagram.toString().split('\n').filter((line) => line !== ''));
    });
    receiver.socket.bind(0, '127.0.0.1');
    await once(receiver.socket, 'listening');
    return receiver;
  }

  get port() {
    return this.socket.address().port;
  }

  /** Waits until at least `count` lines have arrived, and returns all of them. */
  async count(count) {
    await until(() => this.lines.length >= count, () => `${count} lines; there are ${this.lines.length}`);
    return [...this.lines];
  }

  stop() {
    this.socket.close();
  }
}

module.exports = { Receiver };

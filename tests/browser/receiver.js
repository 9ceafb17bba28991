// A StatsD stand-in: a UDP socket that keeps the lines that arrive, in their order.
'use strict';

const dgram = require('node:dgram');
const { once } = require('node:events');

const { until } = require('./until.js');

class Receiver {
  static async start() {
    const receiver = new Receiver();
    // Larger than the default, so that a test that counts loses no datagrams in its own buffer.
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

  /** Waits until as many lines as that have arrived, and gives them out. */
  async count(count) {
    await until(() => this.lines.length >= count, () => `${count} lines; there are ${this.lines.length}`);
    return [...this.lines];
  }

  stop() {
    this.socket.close();
  }
}

module.exports = { Receiver };

// A StatsD backend that writes all metrics to the file `dumpFile` of the configuration: the management port does not show
// sets, and shortens long lists. StatsD flushes when it ends, so no test waits for a flush.
'use strict';

const fs = require('fs');

exports.init = (startupTime, config, events) => {
  events.on('flush', (time, { counters, gauges, timers, sets }) => {
    const members = {};
    for (const name of Object.keys(sets)) {
      members[name] = sets[name].values();
    }
    fs.writeFileSync(config.dumpFile, JSON.stringify({ counters, gauges, timers, sets: members }));
  });
  return true;
};

// A backend of StatsD that writes all it is given to the file that the configuration calls `dumpFile`: the management
// port does not show sets, and cuts long lists. StatsD flushes when it is told to end, so no test waits for a flush.
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

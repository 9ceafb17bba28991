// Sends metrics when a button is pressed, with the client from the proxy's /client.js, as any page would.

const byId = (id) => document.getElementById(id);

/** Token in the page's address. A proxy that needs tokens prints an address with one. */
export const token = new URLSearchParams(location.search).get('token');

/* global StatsDHttpProxy */
const url = new URL('.', location.href);
const metrics = new StatsDHttpProxy.Client({
  url: url.origin + url.pathname,
  token,
  flushInterval: 200,
  onError: (error) => byId('call').replaceChildren(`refused: ${error.message}`),
});

/** Calls the client, shows the call, and scrolls to the metric's card, which a small screen may hide in part. */
function call(method, name, ...more) {
  const values = [name, ...more];
  metrics[method](...values);
  document.querySelector(`[data-name="${name}"]`).scrollIntoView({ block: 'nearest' });
  byId('call').textContent = `metrics.${method}(${values.map((value) => JSON.stringify(value)).join(', ')})`;
}

byId('click').onclick = () => call('count', 'demo.clicks');
byId('burst').onclick = () => {
  for (let i = 0; i < 10; i++) {
    call('count', 'demo.clicks');
  }
};

byId('time').onclick = async () => {
  const start = performance.now();
  await fetch('heartbeat', { cache: 'no-store' }).catch(() => {});
  call('timing', 'demo.request', Number((performance.now() - start).toFixed(1)));
};

const temperature = byId('gauge');
let set = false;
temperature.oninput = () => {
  set = true;
  call('gauge', 'demo.temperature', temperature.valueAsNumber);
};
const shift = (step) => {
  // StatsD adds a shift to its own value, so that value has to be the slider's.
  if (!set) {
    temperature.oninput();
  }
  const before = temperature.valueAsNumber;
  temperature.stepUp(step);
  if (temperature.valueAsNumber !== before) {
    call('gauge', 'demo.temperature', null, step);
  }
};
byId('up').onclick = () => shift(1);
byId('down').onclick = () => shift(-1);

byId('visit').onsubmit = (event) => {
  event.preventDefault();
  call('set', 'demo.visitors', byId('visitor').value || 'nobody');
};

// --- Simulated traffic -----------------------------------------------------------------------------------------------

/** Milliseconds between two visits. */
const PAUSE = 300;

function visit() {
  const wave = (period) => Math.sin(Date.now() / period);
  metrics.count('demo.clicks', 1 + Math.floor(Math.random() * (4 + 2 * wave(7_000))));
  metrics.timing('demo.request', Number((8 + 3 * Math.random() + 2 * wave(11_000)).toFixed(1)));
  metrics.count('demo.orders', 1 + Math.floor(Math.random() * 4));
  metrics.timing('demo.checkout', Number((90 + 40 * Math.random() + 30 * wave(9_000)).toFixed(1)));
  metrics.gauge('demo.queue', Math.round(30 + 20 * wave(15_000) + 5 * Math.random()));
  metrics.set('demo.visitors', `visitor ${Math.floor(Math.random() * 20)}`);
}

let traffic;
byId('traffic').onchange = () => {
  clearInterval(traffic);
  if (byId('traffic').checked) {
    traffic = setInterval(visit, PAUSE);
  }
};

metrics.webVitals();
metrics.errors();

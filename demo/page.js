// Shows live what the demo's StatsD receives, and what it makes of it.
import { Card } from './card.js';
import { token } from './send.js';

const byId = (id) => document.getElementById(id);

/** Cards and lines kept: more than anyone looks at. */
const MAX_CARDS = 60;
const MAX_LINES = 200;

// --- Flushes ---------------------------------------------------------------------------------------------------------

/** @type {Map<string, Card>} */
const cards = new Map();

function card(name, kind) {
  const key = `${kind} ${name}`;
  if (!cards.has(key) && cards.size < MAX_CARDS) {
    const fresh = new Card(name, kind);
    const after = [...cards.values()].filter((other) => other.name > name).sort((a, b) => (a.name < b.name ? -1 : 1));
    cards.set(key, fresh);
    byId('cards').insertBefore(fresh.element, after[0]?.element ?? null);
    byId('empty').hidden = true;
  }
  return cards.get(key);
}

function flushed({ counters, gauges, timers, sets }) {
  for (const name in timers) {
    card(name, 'timer');
  }
  for (const name in counters) {
    card(name, 'counter')?.add(counters[name].value, counters[name].rate);
  }
  for (const name in gauges) {
    card(name, 'gauge')?.show(gauges[name]);
  }
  for (const name in sets) {
    card(name, 'set')?.show(sets[name]);
  }
  // A timer without a value in this second has a gap.
  for (const shown of cards.values()) {
    if (shown.kind === 'timer') {
      const time = timers[shown.name];
      shown.show(time?.mean, ['median', time?.median], ['upper 90', time?.upper_90], ['count', time?.count]);
    }
  }
}

// --- Lines -----------------------------------------------------------------------------------------------------------

const lines = [];
let total = 0;
let paused = false;

function showLines() {
  if (!paused) {
    const log = byId('lines');
    log.textContent = lines.join('\n');
    log.scrollTop = log.scrollHeight;
    byId('total').textContent = `· ${total.toLocaleString('en')} since this page was opened`;
  }
}

function received({ time, lines: fresh, skipped }) {
  const clock = new Date(time).toISOString().slice(11, 23);
  lines.push(...fresh.map((line) => `${clock}  ${line}`));
  if (skipped > 0) {
    lines.push(`${clock}  … and ${skipped} more`);
  }
  lines.splice(0, lines.length - MAX_LINES);
  total += fresh.length + skipped;
  showLines();
}

byId('pause').onclick = () => {
  paused = !paused;
  byId('pause').setAttribute('aria-pressed', paused);
  showLines();
};

// --- Events ----------------------------------------------------------------------------------------------------------

function state(text, live) {
  byId('state').textContent = text;
  byId('state').classList.toggle('live', live);
}

const events = new EventSource('events' + (token ? `?token=${encodeURIComponent(token)}` : ''));
events.onopen = () => state('live', true);
events.onerror = () =>
  events.readyState === EventSource.CLOSED
    ? state('refused: open the address that the proxy printed, or close other pages', false)
    : state('not connected: is the proxy running?', false);
events.addEventListener('lines', (event) => received(JSON.parse(event.data)));
events.addEventListener('flush', (event) => flushed(JSON.parse(event.data)));

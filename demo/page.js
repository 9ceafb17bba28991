// Shows live the lines that the demo's StatsD receives, and the metrics that it computes from them.
import { Card } from './card.js';
import { token } from './send.js';

const byId = (id) => document.getElementById(id);

/** Most cards and lines on the page: more than anyone looks at. */
const MAX_CARDS = 60;
const MAX_LINES = 200;

// --- Flushes ---------------------------------------------------------------------------------------------------------

/** @type {Map<string, Card>} */
const cards = new Map();

/** The cards of the page's own metrics, with their buttons, are in the document from the beginning. */
for (const element of byId('own').children) {
  const { name, kind } = element.dataset;
  cards.set(`${kind} ${name}`, new Card(name, kind, element));
}

function card(name, kind) {
  const key = `${kind} ${name}`;
  if (!cards.has(key) && cards.size < MAX_CARDS) {
    const fresh = new Card(name, kind);
    cards.set(key, fresh);
    // A new card goes to the end, so that no other card moves.
    byId('others').append(fresh.element);
  }
  return cards.get(key);
}

function flushed({ counters, gauges, timers, sets, lines }) {
  for (const name in counters) {
    card(name, 'counter')?.count(counters[name]);
  }
  for (const name in gauges) {
    card(name, 'gauge')?.show(gauges[name], gauges[name]);
  }
  for (const name in timers) {
    card(name, 'timer')?.time(timers[name]);
  }
  for (const name in sets) {
    card(name, 'set')?.members(sets[name]);
  }
  byId('total').textContent = `· ${lines.toLocaleString('en')} in all`;
}

// --- Lines -----------------------------------------------------------------------------------------------------------

const lines = [];
let paused = false;

function showLines() {
  if (!paused) {
    const log = byId('lines');
    log.textContent = lines.join('\n');
    log.scrollTop = log.scrollHeight;
  }
}

function received({ time, lines: fresh, skipped }) {
  const clock = new Date(time).toISOString().slice(11, 23);
  lines.push(...fresh.map((line) => `${clock}  ${line}`));
  if (skipped > 0) {
    lines.push(`${clock}  … and ${skipped} more`);
  }
  lines.splice(0, lines.length - MAX_LINES);
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

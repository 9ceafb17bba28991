// A metric: its name, its current value, and a chart of the last minutes.

/** Points of a chart at first, and at most. Each flush adds one, once a second. */
const MIN_POINTS = 60;
const MAX_POINTS = 180;

/** Size of a chart in units of its own; the page stretches it. */
const WIDTH = 300;
const HEIGHT = 60;

/** Unit of a metric. StatsD has milliseconds only; a timer whose name ends in `.cls` has none. */
const unit = (name, kind) => (kind === 'timer' && !name.endsWith('.cls') ? 'ms' : '');

const short = (number) => Number(number.toFixed(2)).toLocaleString('en');

function element(tag, className, ...children) {
  const node = Object.assign(document.createElement(tag), { className });
  node.append(...children);
  return node;
}

function svg(tag, attributes) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const name in attributes) {
    node.setAttribute(name, attributes[name]);
  }
  return node;
}

/** Splits a list at its gaps. Each part is a list of [index, point] pairs. */
function runs(points) {
  const parts = [[]];
  points.forEach((point, index) => (point === undefined ? parts.push([]) : parts.at(-1).push([index, point])));
  return parts.filter((part) => part.length > 0);
}

export class Card {
  /** @type {(number | undefined)[]} */
  #points = [];
  #value = element('p', 'value', '–');
  #details = element('p', 'details');
  #area = svg('path', { class: 'area' });
  #line = svg('path', { class: 'line' });
  #dots = svg('path', { class: 'line dots' });
  #chart = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' });
  #top = element('span', 'top');
  #since = element('span', '');

  /** Fills `own`, which has a title already, or makes a new element. */
  constructor(name, kind, own) {
    this.name = name;
    this.kind = kind;
    this.#chart.append(this.#area, this.#line, this.#dots);
    const title = () => element('h3', '', element('span', 'name', name), ' ', element('span', 'kind', kind));
    const axis = element('div', 'axis', this.#since, element('span', '', 'now'));
    this.element = own ?? element('li', `card ${kind}`, title());
    this.element.append(this.#value, this.#details, element('div', 'chart', this.#top, this.#chart, axis));
    this.element.dataset.testid = `card-${name}`;
    this.#value.dataset.testid = `value-${name}`;
    this.#details.dataset.testid = `details-${name}`;
    this.#line.dataset.testid = `chart-${name}`;
    this.#draw();
  }

  /**
   * Shows a flush: `point` extends the chart, undefined leaves a gap; `value` is shown large, and `details` below it.
   */
  show(point, value, details = '') {
    this.#points.push(point);
    this.#points.splice(0, this.#points.length - MAX_POINTS);
    this.#value.replaceChildren(short(value), element('span', 'unit', unit(this.name, this.kind)));
    this.#details.textContent = details;
    this.#draw();
  }

  /** Shows a counter, which starts at zero after every flush. */
  count({ value, rate, total }) {
    this.show(value, total, `${short(rate)}/s · ${short(total)} total`);
  }

  /** Shows a set: its distinct members in this second, and since the start. */
  members({ value, total }) {
    this.show(value, total, `${short(value)}/s · ${short(total)} total`);
  }

  /** Shows a timer. If this second has no value, the previous figures stay. */
  time({ fresh, mean, median, upper_90, total }) {
    const details = `median ${short(median)} · p90 ${short(upper_90)} · ${short(total)} total`;
    this.show(fresh ? mean : undefined, mean, details);
  }

  #draw() {
    const points = this.#points;
    const known = points.filter((point) => point !== undefined);
    const [least, most] = [Math.min(...known), Math.max(...known)];
    const [low, high] = [Math.min(0, ...known), Math.max(0, ...known)];
    const seconds = Math.max(MIN_POINTS, points.length);
    const x = (index) => (WIDTH * (1 - (points.length - 1 - index) / (seconds - 1))).toFixed(1);
    const y = (point) => (HEIGHT * (1 - (point - low) / (high - low || 1))).toFixed(1);
    const at = ([index, point]) => `${x(index)},${y(point)}`;
    const parts = runs(points);
    this.#line.setAttribute('d', parts.map((part) => `M${part.map(at).join('L')}`).join(''));
    // A point without a neighbour becomes a dot: a line of length zero, with round ends.
    const alone = parts.filter((part) => part.length === 1);
    this.#dots.setAttribute('d', alone.map(([point]) => `M${at(point)}Z`).join(''));
    const areas = parts.map((part) => {
      const [first, last] = [part[0][0], part.at(-1)[0]];
      return `M${x(first)},${y(0)}L${part.map(at).join('L')}L${x(last)},${y(0)}Z`;
    });
    this.#area.setAttribute('d', areas.join(''));
    this.#top.textContent = short(high);
    this.#since.textContent = seconds < 120 ? `${seconds} s ago` : `${Math.floor(seconds / 60)} min ago`;
    const last = known.length > 0 ? `last ${short(known.at(-1))}, lowest ${short(least)}, highest ${short(most)}` : 'nothing yet';
    this.#chart.setAttribute('aria-label', `${this.name} in the last ${seconds} seconds: ${last}`);
  }
}

// Sends metrics by button, and shows live what the demo's StatsD makes of them.
'use strict'

/** Flushes that a chart shows: three minutes of one a second. */
const POINTS = 180
/** Cards and lines kept: more than anyone looks at. */
const MAX_CARDS = 60
const MAX_LINES = 200
/** Size of a chart in its own units; the page scales it. */
const [WIDTH, HEIGHT] = [180, 40]

const $ = (id) => document.getElementById(id)
const token = new URLSearchParams(location.search).get('token')
const base = new URL('.', location.href).href.split('?')[0]
const metrics = new StatsDHttpProxy.Client({ url: base, token, flushInterval: 200, onError: () => {} })

// --- Sending ---------------------------------------------------------------------------------------------------------

const timeRequest = async () => {
  const stop = metrics.timer('demo.request')
  await fetch('heartbeat', { cache: 'no-store' }).catch(() => {})
  stop()
}

const shift = (step) => {
  $('gauge').stepUp(step)
  metrics.gauge('demo.temperature', null, step)
}

$('click').onclick = () => metrics.count('demo.clicks')
$('burst').onclick = () => { for (let i = 0; i < 10; i++) metrics.count('demo.clicks') }
$('time').onclick = timeRequest
$('gauge').oninput = () => metrics.gauge('demo.temperature', Number($('gauge').value))
$('up').onclick = () => shift(1)
$('down').onclick = () => shift(-1)
$('visit').onsubmit = (event) => {
  event.preventDefault()
  metrics.set('demo.visitors', $('visitor').value || 'nobody')
}

let traffic
$('traffic').onchange = () => {
  clearInterval(traffic)
  if (!$('traffic').checked) return
  traffic = setInterval(() => {
    metrics.count('demo.orders', 1 + Math.floor(Math.random() * 4))
    metrics.timing('demo.checkout', Number((60 + 40 * Math.random() + 20 * Math.sin(Date.now() / 9000)).toFixed(1)))
    metrics.gauge('demo.queue', Math.round(30 + 20 * Math.sin(Date.now() / 15000) + 5 * Math.random()))
    metrics.set('demo.visitors', 'visitor ' + Math.floor(Math.random() * 20))
  }, 300)
}

metrics.webVitals()
metrics.errors()

// --- Charts ----------------------------------------------------------------------------------------------------------

const cards = new Map()

const element = (tag, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), properties)
  node.append(...children)
  return node
}

const svg = (tag, attributes) => {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag)
  for (const name in attributes) node.setAttribute(name, attributes[name])
  return node
}

const card = (name, kind) => {
  const key = kind + ' ' + name
  if (!cards.has(key)) {
    if (cards.size >= MAX_CARDS) return
    const value = element('p', { className: 'value' })
    const detail = element('p', { className: 'detail' })
    const area = svg('path', { class: 'area' })
    const line = svg('path', { class: 'line', 'data-testid': 'chart-' + name })
    const chart = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' })
    chart.append(area, line)
    const title = element('h3', {}, name + ' ', element('span', { className: 'kind', textContent: kind }))
    const item = element('li', { className: 'card' }, title, value, detail, chart)
    item.dataset.testid = 'card-' + name
    value.dataset.testid = 'value-' + name
    $('cards').append(item)
    $('empty').hidden = true
    cards.set(key, { name, value, detail, area, line, chart, points: [] })
  }
  return cards.get(key)
}

const short = (number) => Number(number.toFixed(2)).toLocaleString('en')

const draw = ({ name, area, line, chart, points }) => {
  const low = Math.min(0, ...points)
  const high = Math.max(low + 1, ...points)
  const x = (index) => WIDTH - (points.length - 1 - index) * (WIDTH / (POINTS - 1))
  const y = (point) => HEIGHT - ((point - low) / (high - low)) * HEIGHT
  const path = points.map((point, index) => `${x(index).toFixed(1)},${y(point).toFixed(1)}`).join('L')
  line.setAttribute('d', 'M' + path)
  area.setAttribute('d', `M${x(0).toFixed(1)},${y(0).toFixed(1)}L${path}L${WIDTH},${y(0).toFixed(1)}Z`)
  chart.setAttribute('aria-label', `${name}: now ${short(points.at(-1))}, highest ${short(Math.max(...points))}`)
}

const show = (name, kind, number, detail) => {
  const shown = card(name, kind)
  if (!shown) return
  shown.points.push(number)
  shown.points.splice(0, shown.points.length - POINTS)
  shown.value.textContent = short(number)
  shown.detail.textContent = detail
  draw(shown)
}

const timers = new Set()

const flushed = ({ counters, gauges, timers: timings, sets }) => {
  for (const [name, { value, rate }] of Object.entries(counters)) show(name, 'counter', value, `${short(rate)} a second`)
  for (const [name, value] of Object.entries(gauges)) show(name, 'gauge', value, '')
  for (const name in timings) timers.add(name)
  for (const name of timers) {
    const time = timings[name]
    const detail = time && `median ${short(time.median)}, 90 % under ${short(time.upper_90)} ms, ${short(time.count)} times`
    show(name, 'timer, ms', time ? time.mean : 0, detail || 'none in this second')
  }
  for (const [name, size] of Object.entries(sets)) show(name, 'set', size, 'different ones')
}

// --- Live ------------------------------------------------------------------------------------------------------------

const lines = []
let paused = false

const received = ({ time, lines: fresh, skipped }) => {
  const clock = new Date(time).toISOString().slice(11, 23)
  lines.push(...fresh.map((line) => `${clock}  ${line}`))
  if (skipped) lines.push(`${clock}  … and ${skipped} more`)
  lines.splice(0, lines.length - MAX_LINES)
  if (paused) return
  const log = $('lines')
  log.textContent = lines.join('\n')
  log.scrollTop = log.scrollHeight
}

$('pause').onclick = () => {
  paused = !paused
  $('pause').setAttribute('aria-pressed', paused)
  $('pause').textContent = paused ? 'Go on' : 'Pause'
}

const state = (text, live) => {
  $('state').textContent = text
  $('state').classList.toggle('live', live)
}

const events = new EventSource('events' + (token ? '?token=' + encodeURIComponent(token) : ''))
events.onopen = () => state('live', true)
events.onerror = () => state('not connected: is the proxy running, and the token right?', false)
events.addEventListener('lines', (event) => received(JSON.parse(event.data)))
events.addEventListener('flush', (event) => flushed(JSON.parse(event.data)))

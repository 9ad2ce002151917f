// Training in the page: `code` are functions that the compiler wrote; here they are called in turn and painted.
const name = 'NAME';
const data = JSON.parse(document.getElementById('data').textContent)[name];
const at = (id) => document.getElementById(`${name}-${id}`);
const rows = data.y.length/(data.classes ? 1 : data.outputs);
const x = Float64Array.from(data.x);
const y = data.classes ? BigInt64Array.from(data.y, BigInt) : Float64Array.from(data.y);
const SIDE = 128;
const BORDER = 0.12;

const column = (k) => Array.from({length: rows}, (_, row) => x[row*data.inputs + k]);
const range = (values) => {
  const low = Math.min(...values), high = Math.max(...values), space = (high - low || 1)*BORDER;
  return [low - space, high + space];
};
const ranges = [range(column(0)), data.inputs > 1 ? range(column(1)) : range(data.classes ? [0, 1] : [...data.y])];

// The points that the map is made of, row by row from the top.
const grid = (() => {
  if (data.inputs === 1) {
    return Float64Array.from({length: 4*SIDE}, (_, k) => ranges[0][0] + (ranges[0][1] - ranges[0][0])*k/(4*SIDE - 1));
  }
  const points = new Float64Array(2*SIDE*SIDE);
  for (let row = 0; row < SIDE; row++) for (let col = 0; col < SIDE; col++) {
    points[2*(row*SIDE + col)] = ranges[0][0] + (ranges[0][1] - ranges[0][0])*(col + .5)/SIDE;
    points[2*(row*SIDE + col) + 1] = ranges[1][1] - (ranges[1][1] - ranges[1][0])*(row + .5)/SIDE;
  }
  return points;
})();
const count = grid.length/data.inputs;

// --- state ---------------------------------------------------------------------------------------------------------------

let theta, state, steps, losses, running = 0, spent = 0;
const begin = () => {
  theta = Float64Array.from(data.starts[+at('seed').value]);
  state = {};
  steps = 0;
  losses = [];
};

const step = () => {
  const method = at('method').value;
  const {loss, gradient} = code.gradient.run({theta, x, y});
  losses.push(loss);
  steps += 1;
  const given = {theta, g: gradient, step: steps, learning_rate: +at('rate').value, ...data.settings};
  if (method !== 'gradient_descent') given.velocity = state.velocity ?? new Float64Array(theta.length);
  const found = code[method].run(given);
  theta = found['new theta'];
  state.velocity = found['new velocity'];
};

// --- painting ------------------------------------------------------------------------------------------------------------

const computed = getComputedStyle(document.body);
const colour = (variable) => (computed.getPropertyValue(variable).trim().match(/[0-9a-f]{2}/gi) ?? ['88', '88', '88']).map((part) => parseInt(part, 16));
let palette;
const recolour = () => { palette = {paper: colour('--paper'), ink: colour('--ink'), series: ['--forward', '--back', '--third', '--fourth'].map(colour)}; };
const css = (rgb, opacity = 1) => `rgb(${rgb.join(' ')} / ${opacity})`;

/** What is said of each point as weights of the colours: the chances of the classes, or how far a number is from the middle. */
const shares = new Float64Array(4);  // made once: a map asks 16,384 times a frame
const signed = (share) => {
  shares.fill(0);
  shares[share > 0 ? 0 : 1] = Math.min(1, Math.abs(share));
  return shares;
};
const weights = (values, width, k, scale) => {
  if (!data.classes) return signed((values[k*width] - scale[0])/scale[1]);
  shares.fill(0);
  if (width === 1) {
    shares[1] = 1/(1 + Math.exp(-values[k]));
    shares[0] = 1 - shares[1];
    return shares;
  }
  let most = -Infinity, total = 0;
  for (let c = 0; c < width; c++) most = Math.max(most, values[k*width + c]);
  for (let c = 0; c < width; c++) total += Math.exp(values[k*width + c] - most);
  for (let c = 0; c < width; c++) shares[c % 4] += Math.exp(values[k*width + c] - most)/total;
  return shares;
};

const paint = (canvas, side, mix) => {
  const context = canvas.getContext('2d');
  const pixels = context.createImageData(side, side);
  const strength = .62;
  for (let k = 0; k < side*side; k++) {
    const found = mix(k);
    for (let c = 0; c < 3; c++) {
      let value = palette.paper[c];
      for (let s = 0; s < 4; s++) value += strength*found[s]*(palette.series[s][c] - palette.paper[c]);
      pixels.data[4*k + c] = value;
    }
    pixels.data[4*k + 3] = 255;
  }
  if (canvas.width === side) return context.putImageData(pixels, 0, 0);
  const small = new OffscreenCanvas(side, side);
  small.getContext('2d').putImageData(pixels, 0, 0);
  context.imageSmoothingEnabled = true;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
};

const place = (canvas, a, b) => [
  canvas.width*(a - ranges[0][0])/(ranges[0][1] - ranges[0][0]),
  canvas.height*(1 - (b - ranges[1][0])/(ranges[1][1] - ranges[1][0])),
];

/** A row as a mark whose shape says the class too. */
const mark = (context, [a, b], kind, rgb) => {
  context.beginPath();
  if (kind % 4 === 0) context.arc(a, b, 5, 0, 7);
  if (kind % 4 === 1) context.rect(a - 4.5, b - 4.5, 9, 9);
  if (kind % 4 === 2) { context.moveTo(a, b - 6); context.lineTo(a + 6, b + 5); context.lineTo(a - 6, b + 5); context.closePath(); }
  if (kind % 4 === 3) { context.moveTo(a, b - 6); context.lineTo(a + 6, b); context.lineTo(a, b + 6); context.lineTo(a - 6, b); context.closePath(); }
  context.fillStyle = css(rgb);
  context.strokeStyle = css(palette.paper);
  context.lineWidth = 1.75;
  context.fill();
  context.stroke();
};

const draw = () => {
  const started = performance.now();
  const found = code.look.run({theta, x: grid});
  const output = found.output, width = data.outputs;
  const map = at('map'), context = map.getContext('2d');
  const targets = [...data.y], middle = data.classes ? 0 : targets.reduce((sum, v) => sum + v, 0)/targets.length;
  const spread = data.classes ? 1 : Math.max(...targets.map((v) => Math.abs(v - middle))) || 1;
  if (data.inputs === 2) {
    paint(map, SIDE, (k) => weights(output, width, k, [middle, spread]));
    for (let row = 0; row < rows; row++) {
      const kind = data.classes ? +data.y[row] : (data.y[row] > middle ? 0 : 1);
      mark(context, place(map, x[2*row], x[2*row + 1]), kind, palette.series[kind % 4]);
    }
  } else {
    context.fillStyle = css(palette.paper);
    context.fillRect(0, 0, map.width, map.height);
    for (let row = 0; row < rows; row++) mark(context, place(map, x[row], data.classes ? +data.y[row] : data.y[row]), data.classes ? +data.y[row] : 0, palette.series[0]);
    context.beginPath();
    for (let k = 0; k < count; k++) {
      const value = data.classes ? 1 - weights(output, width, k)[0] : output[k];
      const [a, b] = place(map, grid[k], value);
      if (k) context.lineTo(a, b); else context.moveTo(a, b);
    }
    context.strokeStyle = css(palette.series[1]);
    context.lineWidth = 4;
    context.stroke();
  }
  for (const canvas of document.querySelectorAll(`#${name} .unit`)) {
    const values = found[canvas.dataset.unit], units = values.length/count, unit = +canvas.dataset.place;
    let most = 1e-12;
    for (let k = 0; k < count; k++) most = Math.max(most, Math.abs(values[k*units + unit]));
    const jump = data.inputs === 2 ? SIDE/32 : 1;
    paint(canvas, 32, (k) => {
      const point = data.inputs === 2 ? Math.floor(k/32)*jump*SIDE + (k % 32)*jump : Math.floor((k % 32)*count/32);
      return signed(values[point*units + unit]/most);
    });
  }
  curve();
  tally();
  spent = performance.now() - started;
};

const curve = () => {
  const canvas = at('curve'), context = canvas.getContext('2d');
  context.clearRect(0, 0, canvas.width, canvas.height);
  const known = losses.filter((loss) => Number.isFinite(loss) && loss > 0);
  context.strokeStyle = css(palette.ink, .25);
  context.strokeRect(.5, .5, canvas.width - 1, canvas.height - 1);
  if (known.length < 2) return;
  const low = Math.log(Math.min(...known)), high = Math.log(Math.max(...known));
  context.beginPath();
  known.forEach((loss, k) => {
    const a = 8 + (canvas.width - 16)*k/(known.length - 1), b = 12 + (canvas.height - 24)*(high - Math.log(loss))/(high - low || 1);
    if (k) context.lineTo(a, b); else context.moveTo(a, b);
  });
  context.strokeStyle = css(palette.series[0]);
  context.lineWidth = 3;
  context.stroke();
};

const tally = () => {
  const loss = losses.at(-1) ?? code.gradient.run({theta, x, y}).loss;
  let said = `Step ${steps}, loss ${loss.toPrecision(5)}`;
  if (data.classes) {
    const {output} = code.look.run({theta, x});
    let right = 0;
    for (let row = 0; row < rows; row++) {
      const scores = Array.from({length: data.outputs}, (_, c) => output[row*data.outputs + c]);
      const guess = data.outputs === 1 ? +(scores[0] > 0) : scores.indexOf(Math.max(...scores));
      right += guess === +data.y[row];
    }
    said += `, ${(100*right/rows).toFixed(1)} % of ${rows} rows right`;
  }
  at('tally').textContent = said;
  at('tally').dataset.frame = spent.toFixed(1);
};

// --- running -------------------------------------------------------------------------------------------------------------

const buttons = Object.fromEntries([...document.querySelectorAll(`[data-live="${name}"]`)].map((found) => [found.dataset.do, found]));
const frame = () => {
  if (!running) return;
  const end = performance.now() + 8;
  do step(); while (performance.now() < end && steps % 5);
  draw();
  if (!Number.isFinite(losses.at(-1))) return stop();
  running = requestAnimationFrame(frame);
};
const stop = () => { cancelAnimationFrame(running); running = 0; buttons.learn.textContent = 'Learn'; buttons.learn.setAttribute('aria-pressed', 'false'); };
buttons.learn.addEventListener('click', () => {
  if (running) return stop();
  buttons.learn.textContent = 'Pause';
  buttons.learn.setAttribute('aria-pressed', 'true');
  running = requestAnimationFrame(frame);
});
buttons.one.addEventListener('click', () => { stop(); step(); draw(); });
buttons.again.addEventListener('click', () => { stop(); begin(); draw(); });
at('seed').addEventListener('change', () => { stop(); begin(); draw(); });
at('method').addEventListener('change', () => { state = {}; });
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { recolour(); draw(); });

recolour();
at('rate').value = '0.1';
at('method').value = 'nesterov';
begin();
draw();
document.getElementById(name).addEventListener('state', (event) => event.detail({theta, losses, spent}));

// Training in the page: `code` are functions that the compiler wrote; here they are called in turn and painted.
const name = 'NAME';
const data = JSON.parse(document.getElementById('data').textContent)[name];
const at = (id) => document.getElementById(`${name}-${id}`);
const rows = data.y.length/(data.classes ? 1 : data.outputs);
const x = Float64Array.from(data.x);
const y = data.classes ? BigInt64Array.from(data.y, BigInt) : Float64Array.from(data.y);
const SIDE = 128;

const column = (k) => Array.from({length: rows}, (_, row) => x[row*data.inputs + k]);
const ranges = [painting.range(column(0)), data.inputs > 1 ? painting.range(column(1)) : painting.range(data.classes ? [0, 1] : [...data.y])];
const shown = {...data, x, y, ranges};
const grid = painting.grid(data.inputs, ranges, SIDE, Float32Array), seen = Float32Array.from(x);

// --- state ---------------------------------------------------------------------------------------------------------------

let theta, state, steps, losses, running = 0, frames = 0;
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

const look = (x) => code.look.run({theta: Float32Array.from(theta), x});

// --- painting ------------------------------------------------------------------------------------------------------------

/** The maps, and unless it is said otherwise the curve and what is told too. */
const draw = (all = true) => {
  const found = look(grid);
  painting.says(at('map'), shown, grid, found.output);
  data.units.forEach((unit) => {
    const values = found[unit], sheet = painting.units(data.inputs, values, values.length*data.inputs/grid.length, 32);
    for (const canvas of document.querySelectorAll(`#${name} [data-unit="${unit}"]`)) canvas.getContext('2d').drawImage(sheet, 0, -32*canvas.dataset.place);
  });
  if (!all) return;
  painting.curve(at('curve'), losses);
  tally();
};

const tally = () => {
  const loss = losses.at(-1) ?? code.gradient.run({theta, x, y}).loss;
  let said = `Step ${steps}, loss ${loss.toPrecision(5)}`;
  if (data.classes) said += `, ${(100*painting.right(shown, look(seen).output)/rows).toFixed(1)} % of ${rows} rows right`;
  at('tally').textContent = said;
};

// --- running -------------------------------------------------------------------------------------------------------------

const buttons = Object.fromEntries([...document.querySelectorAll(`[data-live="${name}"]`)].map((found) => [found.dataset.do, found]));
const SELDOM = 3;  // frames from one curve to the next
const frame = () => {
  if (!running) return;
  const end = performance.now() + 4;
  do step(); while (performance.now() < end && steps % 5);
  draw(frames++ % SELDOM === 0);
  if (!Number.isFinite(losses.at(-1))) return stop();
  running = requestAnimationFrame(frame);
};
const stop = () => { if (running) { cancelAnimationFrame(running); running = 0; draw(); } buttons.learn.textContent = 'Learn'; buttons.learn.setAttribute('aria-pressed', 'false'); };
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
painting.follow(draw);

at('rate').value = '0.1';
at('method').value = 'nesterov';
begin();
draw();
document.getElementById(name).addEventListener('state', (event) => event.detail({theta, losses}));

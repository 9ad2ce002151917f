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
const grid = painting.grid(data.inputs, ranges, SIDE, Float64Array);

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

const draw = () => {
  const started = performance.now();
  const found = code.look.run({theta, x: grid});
  painting.says(at('map'), shown, grid, found.output);
  for (const canvas of document.querySelectorAll(`#${name} .unit`)) {
    const values = found[canvas.dataset.unit], units = values.length*data.inputs/grid.length;
    painting.unit(canvas.getContext('2d'), data.inputs, values, units, +canvas.dataset.place, 32, [0, 0, canvas.width, canvas.height]);
  }
  painting.curve(at('curve'), losses);
  tally();
  spent = performance.now() - started;
};

const tally = () => {
  const loss = losses.at(-1) ?? code.gradient.run({theta, x, y}).loss;
  let said = `Step ${steps}, loss ${loss.toPrecision(5)}`;
  if (data.classes) said += `, ${(100*painting.right(shown, code.look.run({theta, x}).output)/rows).toFixed(1)} % of ${rows} rows right`;
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
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { painting.recolour(); draw(); });

at('rate').value = '0.1';
at('method').value = 'nesterov';
begin();
draw();
document.getElementById(name).addEventListener('state', (event) => event.detail({theta, losses, spent}));

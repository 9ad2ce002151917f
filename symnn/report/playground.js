// The playground: what is shown follows from `state`, which the address holds. `tools` and `embedded` are functions that
// the compiler wrote; those of other networks come from the server that made the page, if there is one.
const told = JSON.parse(document.getElementById('data').textContent).play;
const at = (id) => document.getElementById(`play-${id}`);
const element = (tag, {text, ...rest} = {}, children = []) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(rest)) name.startsWith('on') ? made.addEventListener(name.slice(2), value) : made.setAttribute(name, value);
  made.append(...(text === undefined ? children : [text]));
  return made;
};
const resting = () => new Promise((done) => { setTimeout(done); });
const limited = (value, low, high, usual) => Number.isFinite(+value) && value !== '' && value !== null ? Math.min(high, Math.max(low, +value)) : usual;
const SIDE = 128, FIRST = 32, ROWS = 400, DIGITS = 5, LONGEST = 200;

// --- data ----------------------------------------------------------------------------------------------------------------

/** Uniform and normal numbers by seed and stream, those of Python to the bit. */
const drawn = (seed, stream, count) => tools.draw.run({seed, stream, like: new Float64Array(count)});
const turned = (turn, radius, at = 0) => [radius*Math.cos(turn + at), radius*Math.sin(turn + at)];
const CENTRES = [[-.6, -.4], [.6, -.4], [0, .65]];

/** Each set: how many classes or 0 for numbers, how many inputs, and row k of uniform numbers u and normal ones g. */
const SETS = {
  circle: {classes: 2, inputs: 2, row: (k, [u, v]) => [2*u - 1, 2*v - 1, +(Math.hypot(2*u - 1, 2*v - 1) < .65)]},
  xor: {classes: 2, inputs: 2, row: (k, u) => {
    const [a, b] = u.slice(0, 2).map((v) => 2*v - 1);
    return [a + .06*Math.sign(a), b + .06*Math.sign(b), +(a*b > 0)];
  }},
  gaussians: {classes: 3, inputs: 2, row: (k, u, g) => [CENTRES[k % 3][0] + .2*g[0], CENTRES[k % 3][1] + .2*g[1], k % 3]},
  spirals: {classes: 2, inputs: 2, row: (k, [u]) => {
    const turn = Math.sqrt(.02 + .98*u)*2.6*Math.PI;
    return [...turned(turn, turn/8.5, Math.PI*(k % 2)), k % 2];
  }},
  moons: {classes: 2, inputs: 2, row: (k, [u]) => {
    const [a, b] = turned(Math.PI*u, 1);
    return k % 2 ? [.5 - .7*a + .2, .2 - .7*b, 1] : [.7*a - .35, .7*b - .2, 0];
  }},
  plane: {classes: 0, inputs: 2, row: (k, [u, v]) => [2*u - 1, 2*v - 1, Math.sin(2.5*(2*u - 1)) + .8*(2*v - 1)**2]},
  curve: {classes: 0, inputs: 1, rows: 80, row: (k, [u]) => [2*u - 1, Math.sin(6*(2*u - 1))*Math.exp(1 - 2*u)]},
};

/** The rows of a set: noise moves the inputs of classes, and numbers that are to be told. */
const generated = ({classes, inputs, row, rows = 240}, {noise, sample}) => {
  const {uniform} = drawn(sample, 0, 2*rows), {normal} = drawn(sample, 1, 4*rows);
  return Array.from({length: rows}, (_, k) => {
    const g = normal.subarray(4*k, 4*k + 4), found = row(k, [...uniform.subarray(2*k, 2*k + 2)], g);
    return found.map((value, n) => value + ((n < inputs) === (classes > 0) ? noise*g[2 + n % 2] : 0));
  });
};

/** The cells of each line of a CSV, by one separator: a tab if the first line has one, else a semicolon, else a comma. Between semicolons a comma is that of decimals. */
const split = (text) => {
  const lines = text.split(/\r?\n/);
  while (lines.at(-1)?.trim() === '') lines.pop();
  const [first = ''] = lines, bare = first.replace(/"[^"]*"/g, ''), separator = ['\t', ';'].find((found) => bare.includes(found)) ?? ',';
  return lines.map((line, k) => {
    const found = [''];
    let quoted = false;
    for (const letter of line) {
      if (letter === '"') quoted = !quoted;
      if (letter === separator && !quoted) found.push(''); else found[found.length - 1] += letter;
    }
    if (quoted) throw new Error(`Row ${k + 1}: a quotation mark has no other in the same row.`);
    const bared = found.map((cell) => cell.trim().replace(/^"(.*)"$/, (_, inner) => inner.replaceAll('""', '"').trim()));
    return separator === ';' ? bared.map((cell) => cell.replace(/^([+-]?\d*),(\d+(?:e[+-]?\d+)?)$/i, '$1.$2')) : bared;
  });
};

/** Names of columns or classes, if they are different ones of a length that an address has place for; else none. */
const named = (names) => names.every((name) => typeof name === 'string' && name && name.length <= LONGEST) && new Set(names).size === names.length ? names : [];

/** A number of column n to five digits of how far those of the column differ, which is what is learnt. */
const exact = (rows, scaling) => {
  const digits = scaling.map(([, scale], n) => Math.ceil(Math.log10(rows.reduce((most, row) => Math.max(most, Math.abs(row[n])), scale)/scale)));
  return (value, n) => +value.toPrecision(Math.min(17, DIGITS + (digits[n] ?? 0)));
};
/** Rows as an address holds them. */
const rounded = (own) => {
  const number = exact(own.rows, own.scaling);
  return {...own, rows: own.rows.map((row) => row.map(number))};
};

const NUMERAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;  // as Python reads them: 0x10 is a name

/** Rows of a CSV: one or two numbers, then a class or a number; and what they are standardised by. Rows are counted in the file. */
const parsed = (text) => {
  const lines = split(text), width = lines[0]?.length ?? 0, numeric = (cell) => NUMERAL.test(cell) && Number.isFinite(+cell);
  if (width !== 2 && width !== 3) throw new Error(`The first row has ${width} ${width === 1 ? 'cell' : 'cells'}; expected 2 or 3, the last of them what is to be told.`);
  const [, ...below] = lines.map((cells) => cells.at(-1)), titled = below.length > 0 && !numeric(lines[0].at(-1)) && below.every(numeric);
  const headers = !titled && lines[0].slice(0, -1).some((cell) => cell === '' || numeric(cell)) ? 0 : 1;
  const names = headers ? named(lines[0]) : [];
  lines.splice(0, headers);
  if (lines.length < 2 || lines.length > ROWS) throw new Error(`There are ${lines.length} rows; expected 2 to ${ROWS}.`);
  lines.forEach((cells, k) => {
    const row = `Row ${k + 1 + headers}`, bad = cells.slice(0, -1).findIndex((cell) => !numeric(cell)), last = cells.at(-1);
    if (cells.length !== width) throw new Error(`${row} has ${cells.length} ${cells.length === 1 ? 'cell' : 'cells'}; expected ${width}.`);
    if (bad >= 0) throw new Error(`${row}, cell ${bad + 1}: “${cells[bad].slice(0, 40)}” is no number.`);
    if (last === '') throw new Error(`${row}, cell ${width} is empty; expected a class or a number.`);
    if (last.length > LONGEST) throw new Error(`${row}, cell ${width} has ${last.length} letters; expected a class of at most ${LONGEST}.`);
  });
  const targets = lines.map((cells) => cells.at(-1)), kinds = [...new Set(targets)].sort();
  const regression = targets.every(numeric) && (kinds.length > 4 || targets.some((cell) => !Number.isInteger(+cell)));
  const [first, ...others] = kinds.map((kind) => targets.filter((cell) => cell === kind).length).sort((a, b) => a - b);
  if (!regression && !headers && first === 1 && others.length > 1 && others[0] > 1 && !below.includes(targets[0])) throw new Error(`Row 1: “${targets[0].slice(0, 40)}” is the class of no other row, so that it may be a header; expected one whose first names are no numbers.`);
  if (kinds.length === 1 && numeric(kinds[0])) throw new Error(`The last column is ${kinds[0]} in every row; expected numbers that differ, or 2 to 4 classes.`);
  if (!regression && (kinds.length < 2 || kinds.length > 4)) throw new Error(`The last column has ${kinds.length} classes; expected 2 to 4, or numbers.`);
  const rows = lines.map((cells) => [...cells.slice(0, -1).map(Number), regression ? +cells.at(-1) : kinds.indexOf(cells.at(-1))]);
  const columns = Array.from({length: regression ? width : width - 1}, (_, n) => rows.map((row) => row[n]));
  const scaling = columns.map((values, n) => {
    const mean = values.reduce((sum, v) => sum + v, 0)/values.length;
    const scale = Math.sqrt(values.reduce((sum, v) => sum + (v - mean)**2, 0)/values.length);
    if (!Number.isFinite(scale)) throw new Error(`Column ${n + 1}: the squares of its numbers are too large to be added; expected smaller ones.`);
    return [mean, scale || 1];
  });
  return {rows, classes: regression ? [] : kinds, scaling, columns: names};
};

/** What the network learns from: x and y as it takes them, and how they are shown. */
const prepared = () => {
  const own = state.data === 'own' ? state.own : null, set = own ?? SETS[state.data];
  const rows = own ? own.rows : generated(set, state);
  const inputs = own ? own.inputs : set.inputs, classes = own ? own.classes.length : set.classes;
  const scaled = rows.map((row) => row.map((value, n) => own?.scaling[n] ? (value - own.scaling[n][0])/own.scaling[n][1] : value));
  const x = Float64Array.from(scaled.flatMap((row) => row.slice(0, inputs))), y = Float64Array.from(scaled, (row) => row[inputs]);
  const column = (n) => scaled.map((row) => row[n]);
  const wide = (n) => painting.range(own?.scaling.length || !(inputs === 2 || n === 0) ? column(n) : [...column(n), -1, 1], .08);
  const ranges = [wide(0), inputs === 1 && classes ? [-.1, 1.1] : wide(1)];
  const outputs = classes ? (state.loss === 'binary_cross_entropy' ? 1 : classes) : 1;
  return {rows, x, y, inputs, classes, outputs, ranges, grids: {}};
};

// --- state and address ---------------------------------------------------------------------------------------------------

const NUMBERS = {noise: [0, .5], sample: [0, 1e6], rate: [1e-5, 10], momentum: [0, .999], batch: [0, ROWS], decay: [0, 1], seed: [0, told.seeds - 1], steps: [0, 20000]};
const WORDS = {optimiser: Object.keys(told.methods), directions: ['principal', 'random'], edges: ['weights', 'gradients', 'both']};
const USUAL = {noise: .05, sample: 0, rate: .1, momentum: .9, batch: 0, decay: 0, seed: 0, steps: 0, optimiser: 'nesterov', directions: 'principal', edges: 'both'};
const lossFor = (data, own) => (data === 'own' ? own.classes.length : SETS[data].classes) ? 'softmax_cross_entropy' : 'mean_squared_error';
const regressions = ['mean_squared_error', 'huber'];

/** Whether a loss is one of numbers, or of as many classes. */
const fits = (loss, classes) => (regressions.includes(loss) || loss[0] === '=') === !classes && (classes === 2 || loss !== 'binary_cross_entropy');
const beginning = told.own && rounded({...told.own, columns: named(told.own.columns)});

/** The state that an address says; what it does not, or says wrongly, is as usual. */
const read = (fragment) => {
  const given = new URLSearchParams(fragment.replace(/^#/, ''));
  const found = {...USUAL};
  for (const [name, [low, high]] of Object.entries(NUMBERS)) found[name] = limited(given.get(name), low, high, USUAL[name]);
  for (const name of ['sample', 'batch', 'seed', 'steps']) found[name] = Math.round(found[name]);
  for (const [name, words] of Object.entries(WORDS)) if (words.includes(given.get(name))) found[name] = given.get(name);
  found.own = readOwn(given) ?? beginning ?? null;
  const data = given.get('data') ?? told.first;
  found.data = Object.hasOwn(SETS, data) || (data === 'own' && found.own) ? data : 'circle';
  found.loss = (given.get('loss') ?? told.loss ?? lossFor(found.data, found.own)).slice(0, 500);
  if (!fits(found.loss, found.data === 'own' ? found.own.classes.length : SETS[found.data].classes)) found.loss = lossFor(found.data, found.own);
  const layers = given.get('layers') ?? told.layers ?? told.presets[found.data] ?? '4:tanh';
  found.layers = layers === '' ? [] : layers.split(';').slice(0, told.most.layers).map((text) => {
    const [units, ...activation] = text.split(':');
    return {units: Math.round(limited(units, 1, told.most.units, 4)), activation: activation.join(':').slice(0, 500) || 'tanh'};
  });
  return found;
};
const readOwn = (given) => {
  const lists = (name) => (given.get(name) ?? '').split(';').filter(Boolean).map((text) => text.split(',').map(Number));
  const rows = lists('rows').slice(0, ROWS), inputs = (rows[0]?.length ?? 0) - 1;
  const said = given.get('classes') ?? '', classes = said.startsWith('[') ? listed(said) : said.split(',').filter(Boolean);
  if (rows.length < 2 || ![1, 2].includes(inputs) || rows.some((row) => row.length !== inputs + 1 || !row.every(Number.isFinite))) return null;
  if (classes.length === 1 || named(classes) !== classes || (classes.length && rows.some((row) => !(row[inputs] in classes)))) return null;
  const columns = listed(given.get('columns')), scaling = lists('scaling').filter(([mean, scale]) => Number.isFinite(mean) && scale > 0 && scale < Infinity);
  return {rows, inputs, classes, scaling: scaling.length === inputs + !classes.length ? scaling : [], columns: columns.length === inputs + 1 ? named(columns) : []};
};
const listed = (text) => {
  try {
    const names = JSON.parse(text);
    return Array.isArray(names) ? names : [];
  } catch {
    return [];
  }
};

const layersText = (layers) => layers.map(({units, activation}) => `${units}:${activation}`).join(';');
const written = () => {
  const found = {data: state.data, layers: layersText(state.layers), loss: state.loss};
  for (const name of Object.keys(USUAL)) if (state[name] !== USUAL[name]) found[name] = state[name];
  if (state.data === 'own') {
    const {rows, classes, scaling, columns} = state.own;
    const plain = !classes.some((name) => name.includes(',') || name[0] === '[');
    Object.assign(found, {rows: rows.map((row) => row.join(',')).join(';'), classes: plain ? classes.join(',') : JSON.stringify(classes), scaling: scaling.map((pair) => pair.join(',')).join(';'), ...(columns.length ? {columns: JSON.stringify(columns)} : {})});
  }
  return new URLSearchParams(found).toString().replace(/%3A/g, ':').replace(/%3B/g, ';').replace(/%2C/g, ',');
};
let address = location.hash;
const remember = () => {
  if (!whole) return;
  state.steps = run.steps;
  address = `#${written()}`;
  if (location.hash !== address) history.replaceState(null, '', address);
};

// --- networks ------------------------------------------------------------------------------------------------------------

const formulaOr = (text) => text.startsWith('=') ? {formula: text.slice(1)} : text;
const specOf = () => ({
  inputs: data.inputs,
  layers: [...state.layers.map(({units, activation}) => activation === 'identity' ? {dense: units} : {dense: units, activation: formulaOr(activation)}), {dense: data.outputs}],
  loss: formulaOr(state.loss),
});

const known = new Map(Object.entries(embedded).map(([key, code]) => [key, {...told.networks[key], formulas: told.formulas[told.networks[key].formulas], code, key, later: Promise.resolve()}]));
const asked = async (path, body) => {
  const answer = await fetch(path, {method: 'POST', headers: {'Content-Type': 'application/json'}, body}).catch(() => { throw new Error('The server does not answer. Is “symnn playground” still running?'); });
  const {modules, ...found} = await answer.json();
  if (!answer.ok) throw new Error(found.error);
  const code = await Promise.all(Object.entries(modules).map(async ([name, text]) => {
    const url = URL.createObjectURL(new Blob([text], {type: 'text/javascript'}));
    const module = await import(url);
    URL.revokeObjectURL(url);
    return [name, module];
  }));
  return {...found, code: Object.fromEntries(code)};
};

/** What a network learns and is seen by: what is in the page, what came before, or what the server makes. */
const networkOf = async (spec) => {
  const key = JSON.stringify(spec);
  if (known.has(key)) return known.get(key);
  if (!told.server) throw new Error('This page has the networks of its presets. “symnn playground” starts a server on your machine that makes all others.');
  const found = {...await asked('network', key), key};
  known.set(key, found);
  taught(found).catch(() => {});  // who needs it waits for it too
  if (known.size > 100) known.delete([...known.keys()][Object.keys(embedded).length]);
  return found;
};

/** Loss and gradient, which come after what the first picture needs. */
const taught = (network) => network.taught ??= network.code.gradient ? Promise.resolve() : asked('learning', network.key).then(
  ({code}) => { network.code = {...network.code, ...code}; },
  (error) => { network.taught = undefined; throw error; },
);

/**
 * The values of the units as WebAssembly. JavaScript stays where the compiler has no linker, a formula has no vector form,
 * or the browser will not have it; and what learns is always JavaScript, so that an address leads to the same network.
 */
const hastened = (network) => network.hastened ??= (async () => {
  const look = told.server ? (await asked('faster', network.key)).code.look : await quick[network.key]();
  network.code = {...network.code, look};
  network.fast = true;
})().catch(() => {});

/** What no picture waits for: formulas, and the function that exported weights are checked by. */
const completed = (network) => network.later ??= asked('rest', network.key).then(
  ({code, ...rest}) => { Object.assign(network, rest, {code: {...network.code, ...code}}); },
  (error) => { network.later = undefined; throw error; },
);

// --- training ------------------------------------------------------------------------------------------------------------

const targets = (code, y) => code.gradient.ARGUMENTS.find(({name}) => name === 'y').kind === 'integer' ? BigInt64Array.from(y, (v) => BigInt(Math.round(v))) : y;
const weightsOf = (network) => {
  const counts = new Float64Array(network.parameters);
  for (const [name, start, stop] of network.layout) if (name[0] === 'W') counts.fill(1, start, stop);
  return counts;
};

/** A training that has begun: one step is loss and gradient, the decay of the weights, and the update of the optimiser. */
const training = (network, data, {optimiser, rate, momentum, batch, decay, seed}) => {
  const method = told.methods[optimiser] ?? told.fitter;
  const rows = data.y.length, size = batch && batch < rows ? batch : rows, counts = weightsOf(network), all = targets(network.code, data.y);
  const run = {theta: Float64Array.from(network.starts[seed]), losses: [], steps: 0, rows: size};
  const {gradient: taught} = network.code;
  let kept = Object.fromEntries(method.state.map((name) => [name, new Float64Array(run.theta.length)])), order = [], epoch = 0;
  const chosen = () => {
    if (size === rows) return {x: data.x, y: all};
    if (order.length < size) {  // what is left of an epoch and is no whole batch is left out
      const {uniform} = drawn(seed, 2 + epoch++, rows);
      order = Array.from(uniform, (u, k) => [u, k]).sort(([u], [v]) => u - v).map(([, k]) => k);
    }
    const taken = order.splice(0, size);
    return {x: Float64Array.from(taken.flatMap((k) => [...data.x.subarray(k*data.inputs, (k + 1)*data.inputs)])), y: all.constructor.from(taken, (k) => all[k])};
  };
  run.measure = (theta, {x, y} = {x: data.x, y: all}) => {
    const {loss, gradient} = taught.run({theta, x, y});
    if (!decay) return {loss, gradient};
    const more = tools.decay.run({theta, g: gradient, counts, weight_decay: decay});
    return {loss: loss + more.penalty, gradient: more['new g']};
  };
  run.step = () => {
    const {loss, gradient} = run.measure(run.theta, chosen());
    run.losses.push(loss);
    run.gradient = gradient;
    run.steps += 1;
    const {'new theta': theta, ...rest} = tools[optimiser].run({...method.settings, momentum, theta: run.theta, g: gradient, step: run.steps, learning_rate: rate, ...kept});
    run.theta = theta;
    kept = Object.fromEntries(Object.entries(rest).map(([name, value]) => [name.replace('new ', ''), value]));
  };
  return run;
};

// --- pictures ------------------------------------------------------------------------------------------------------------

let state, data, network, run, side = SIDE, running = 0;

const gridOf = (side) => data.grids[side] ??= painting.grid(data.inputs, data.ranges, side, Float32Array);

/** The maps, and unless it is said otherwise all else that moves: lines, losses, what is told. */
const draw = (all = true) => {
  const started = performance.now();
  const points = gridOf(side), found = network.code.look.run({theta: Float32Array.from(run.theta), x: points});
  painting.says(at('map'), data, points, found.output);
  const canvas = at('network'), context = canvas.getContext('2d'), columns = placed(canvas.width, canvas.height);
  if (all) {
    drawLines(context, columns);
    painting.curve(at('curve'), run.losses);
    tally();
  }
  drawUnits(context, columns, found);
  return performance.now() - started;
};

const tally = () => {
  if (!run.step) return;  // what it learns by is yet to come
  const loss = run.losses.at(-1) ?? run.measure(run.theta).loss, rows = data.y.length;
  let said = `Step ${run.steps.toLocaleString('en')} · loss ${loss.toPrecision(4)}`;
  if (data.classes) said += ` · ${(100*painting.right(data, network.code.look.run({theta: Float32Array.from(run.theta), x: Float32Array.from(data.x)}).output)/rows).toFixed(1)} % of ${rows} rows right`;
  at('tally').textContent = Number.isFinite(loss) ? said : `${said}: it has diverged; a smaller learning rate may help`;
};

/** Where each unit stands: columns of squares from the inputs to the outputs. */
const placed = (width, height) => {
  const counts = [data.inputs, ...state.layers.map(({units}) => units), data.outputs];
  const gap = width/counts.length;
  return counts.map((count, column) => {
    const size = Math.min(46, gap*.5, (height - 16)/count*.86), step = Math.min(size*1.3, (height - 16)/count);
    return Array.from({length: count}, (_, k) => ({x: gap*(column + .5), y: height/2 + (k - (count - 1)/2)*step, size}));
  });
};

/** The edges with their weights, and how much each is pulled at: [from, to, weight, gradient], both as parts of the largest. */
const edgesOf = (columns) => {
  const found = [], most = (values) => values?.reduce((most, v) => Math.max(most, Math.abs(v)), 1e-12);
  const scale = [most(run.theta), most(run.gradient)];
  network.layout.filter(([name]) => name[0] === 'W').forEach(([, start, , [units, given]], layer) => {
    for (let h = 0; h < units; h++) for (let d = 0; d < given; d++) {
      const k = start + h*given + d;
      found.push([columns[layer][d], columns[layer + 1][h], run.theta[k]/scale[0], run.gradient ? run.gradient[k]/scale[1] : 0]);
    }
  });
  return found;
};
const LEAST = .02;
const paths = (a, b) => {
  const [left, right] = [a.x + a.size/2, b.x - b.size/2], middle = (left + right)/2;
  return [left, a.y, middle, a.y, middle, b.y, right, b.y];
};

const drawLines = (context, columns) => {
  const {palette, css} = painting;
  context.clearRect(0, 0, context.canvas.width, context.canvas.height);
  for (const [a, b, weight, pull] of edgesOf(columns)) {
    const curve = paths(a, b), layers = [[weight, palette.series[weight < 0 ? 1 : 0], [], state.edges !== 'gradients'], [pull, palette.series[3], [5, 5], state.edges !== 'weights']];
    for (const [share, colour, dashes, wanted] of layers) {
      if (!wanted || Math.abs(share) < LEAST) continue;
      context.beginPath();
      context.moveTo(curve[0], curve[1]);
      context.bezierCurveTo(...curve.slice(2));
      context.setLineDash(dashes);
      context.lineDashOffset = calm.matches ? 0 : frames % 10;  // towards the inputs
      context.lineWidth = .5 + 4*Math.abs(share);
      context.strokeStyle = css(colour, .25 + .6*Math.abs(share));
      context.stroke();
    }
  }
  context.setLineDash([]);
};

const UNIT = 32;
/** The maps of column n, that of the inputs among them. */
const sheetOf = (column, n, found, points, side) => painting.units(data.inputs, n === 0 ? points : found[network.units[n - 1] ?? 'output'], column.length, side);
const drawUnits = (context, columns, found) => {
  context.lineWidth = 1;
  context.strokeStyle = painting.css(painting.palette.muted);
  columns.forEach((column, n) => {
    const sheet = sheetOf(column, n, found, gridOf(side), UNIT);
    column.forEach(({x, y, size}, k) => {
      context.drawImage(sheet, 0, k*UNIT, UNIT, UNIT, x - size/2, y - size/2, size, size);
      context.strokeRect(x - size/2, y - size/2, size, size);
    });
  });
};

// --- running -------------------------------------------------------------------------------------------------------------

const buttons = Object.fromEntries([...document.querySelectorAll('[data-play]')].map((found) => [found.dataset.play, found]));
const calm = matchMedia('(prefers-reduced-motion: reduce)');
const SELDOM = 3, LATE = 20, OURS = 5;
let frames = 0, lasting = [];

const frame = (now) => {
  if (!running) return;
  const end = performance.now() + 4;
  let count = 0;
  do run.step(); while (performance.now() < end && ++count < 5);
  // Every picture has new maps, every third new lines, which take as long as all maps and are followed no faster by eye.
  lasting.push([now, draw(frames++ % SELDOM === 0)]);
  if (lasting.length > 20) {  // where pictures come late, and by what is done here, maps have fewer points while they move
    const middle = (values) => values.sort((a, b) => a - b)[10];
    const late = middle(lasting.slice(1).map(([time], k) => time - lasting[k][0])) > LATE;
    if (late && side > FIRST && middle(lasting.map(([, spent]) => spent)) > OURS) side /= 2;
    lasting = [];
  }
  at('tally').dataset.side = side;
  if (!Number.isFinite(run.losses.at(-1)) || run.steps >= NUMBERS.steps[1]) return stop();
  running = requestAnimationFrame(frame);
};
const halt = () => {
  cancelAnimationFrame(running);
  running = 0;
  buttons.learn.textContent = 'Learn';
  buttons.learn.setAttribute('aria-pressed', 'false');
  side = SIDE;
  frames = 0;
  lasting = [];
};
const stop = () => {
  const moved = running;
  halt();
  if (moved) draw();
  remember();
};
const start = () => {
  buttons.learn.textContent = 'Pause';
  buttons.learn.setAttribute('aria-pressed', 'true');
  running = requestAnimationFrame(frame);
};

/** Whether data, network and run are those of the state; what needs them all rests while they are not. */
let whole = false;
const WHOLE = ['learn', 'one', 'surface', 'capacity', 'link', 'spec', 'weights', 'svg', 'png'];
const settle = (found) => {
  whole = found;
  for (const name of WHOLE) buttons[name].disabled = !found;
};
/** The field that what is refused is about, by the place in the spec with which the message begins. */
const fieldOf = (why) => {
  const [, layer] = why.match(/^layers\[(\d+)\]/) ?? [];
  if (layer !== undefined) return at(`formula-${layer}`) ?? at(`activation-${layer}`);
  return /^loss\b/.test(why) ? (isFormula(state.loss) ? at('loss-formula') : at('loss')) : null;
};
/** Say it beside its field, and where readers of the screen listen; without a field where all can see it. */
const say = (text, field = null) => {
  document.getElementById('play-wrong')?.remove();
  for (const old of document.querySelectorAll('.play [aria-invalid]')) ['aria-invalid', 'aria-describedby'].forEach((name) => old.removeAttribute(name));
  at('said').textContent = text;
  at('said').classList.toggle('aloud', field !== null);
  if (!field) return;
  field.setAttribute('aria-invalid', 'true');
  field.setAttribute('aria-describedby', 'play-wrong');
  (field.closest('label') ?? field).after(element('p', {class: 'said', id: 'play-wrong', text}));
};
/** Nothing is shown of a network that is not there: only why. */
const refuse = (why) => {
  for (const name of ['network', 'map', 'curve']) at(name).getContext('2d').clearRect(0, 0, at(name).width, at(name).height);
  at('formulas').replaceChildren();
  at('size').textContent = at('tally').textContent = '';
  say(why, fieldOf(why));
};

const REST = 400;  // milliseconds without a change after which code is worth compiling once more

/** Begin anew with what the state says, and go on to the step that it says. */
let turn = 0;
const begin = async (steps = 0) => {
  const mine = ++turn, clicked = performance.now();
  let pictured;
  halt();
  settle(false);
  try {
    const from = [state.data, state.own, state.noise, state.sample, state.loss];
    if (from.some((value, k) => value !== data?.from[k])) data = {...prepared(), from};
    const coming = networkOf(specOf());
    controls();
    const found = await coming;
    if (mine !== turn) return;
    network = found;
    say('');
    at('tally').textContent = 'Step 0';
    at('size').textContent = `${network.parameters.toLocaleString('en')} parameters`;
    run = {theta: network.starts[state.seed], losses: [], steps: 0};
    side = FIRST;  // the function is yet to be compiled by the browser: a sixteenth of the points first
    draw();
    pictured = performance.now() - clicked;
    await taught(network);
  } catch (error) {
    if (mine === turn) refuse(error.message);
    return;
  }
  if (mine !== turn) return;
  run = training(network, data, state);
  for (let k = 0; k < steps && mine === turn; k++) {
    run.step();
    if (k % 200 === 199) await resting();
  }
  if (mine !== turn) return;
  settle(true);
  tally();
  at('tally').dataset.change = pictured.toFixed(1);
  remember();
  await new Promise(requestAnimationFrame);
  await resting();
  if (mine !== turn) return;
  side = SIDE;
  draw();
  await completed(network).then(() => mine === turn && formulas(), ({message}) => { if (mine === turn) say(message); });
  if (!told.webassembly) return;
  await new Promise((done) => { setTimeout(done, REST); });
  if (mine === turn) await hastened(network);
};
const change = (values) => {
  Object.assign(state, values);
  return begin();
};

const formulas = () => {
  const read = new DOMParser().parseFromString(network.formulas, 'text/html');
  at('formulas').replaceChildren(...[...read.body.childNodes].map((node) => document.adoptNode(node)));
  at('formulas').dispatchEvent(new CustomEvent('added', {bubbles: true}));
};

// --- controls ------------------------------------------------------------------------------------------------------------

const isFormula = (text) => text.startsWith('=');
const option = (value, text, chosen, able = true) => element('option', {value, text, ...(value === chosen ? {selected: ''} : {}), ...(able ? {} : {disabled: ''})});
const fill = (select, rows, chosen) => {
  select.replaceChildren(...rows.map(([value, text, able]) => option(value, text, chosen, able ?? true)));
  select.value = chosen;
};

/** One hidden layer: fewer and more units, its activation or a formula, and away with it. */
const card = (layer, n) => {
  const able = told.server ? {} : {disabled: ''}, name = `hidden layer ${n + 1}`;
  const set = (values) => change({layers: state.layers.map((other, k) => k === n ? {...other, ...values} : other)});
  const press = (text, label, act, off) => element('button', {type: 'button', 'aria-label': label, text, onclick: act, ...(off ? {disabled: ''} : able)});
  const chosen = isFormula(layer.activation) ? '=' : layer.activation;
  const select = element('select', {'aria-label': `Activation of ${name}`, id: `play-activation-${n}`, ...able, onchange: ({target}) => set({activation: target.value === '=' ? '=x*sigmoid(1.702*x)' : target.value})},
    [...told.activations.map((text) => option(text, text.replaceAll('_', ' '), chosen)), option('=', 'a formula of x', chosen)]);
  const parts = [
    element('span', {class: 'what', text: `Layer ${n + 1}`}),
    element('span', {class: 'stepper'}, [
      press('−', `Fewer units in ${name}`, () => set({units: layer.units - 1}), layer.units <= 1),
      element('output', {text: `${layer.units} ${layer.units === 1 ? 'unit' : 'units'}`}),
      press('+', `More units in ${name}`, () => set({units: layer.units + 1}), layer.units >= told.most.units),
    ]),
    select,
    press('Remove', `Remove ${name}`, () => change({layers: state.layers.filter((_, k) => k !== n)})),
  ];
  if (chosen === '=') parts.push(element('input', {type: 'text', class: 'formula-text', id: `play-formula-${n}`, 'aria-label': `Formula of ${name}`, value: layer.activation.slice(1), spellcheck: 'false', maxlength: 500, ...able, onchange: ({target}) => set({activation: `=${target.value}`})}));
  return element('li', {}, parts);
};

const FIELDS = {noise: 'noise', sample: 'sample', rate: 'rate', momentum: 'momentum', batch: 'batch', decay: 'decay', seed: 'seed', optimiser: 'optimiser', directions: 'directions', edges: 'edges'};

/** The controls as the state has them; what has the focus keeps it. */
const controls = () => {
  const focus = document.activeElement, place = [...at('layers').querySelectorAll('button, select, input')].indexOf(focus);
  at('layers').replaceChildren(...state.layers.map(card));
  if (place >= 0) [...at('layers').querySelectorAll('button, select, input')][place]?.focus();
  buttons.deeper.disabled = !told.server || state.layers.length >= told.most.layers - 1;
  for (const name of Object.keys(FIELDS)) {
    const field = at(name);
    if (field.localName === 'select' && ![...field.options].some(({value}) => value === String(state[name]))) field.append(option(String(state[name]), String(state[name])));
    field.value = String(state[name]);
  }
  at('noise-said').textContent = state.noise.toFixed(2);
  at('momentum').disabled = state.optimiser === 'gradient_descent';
  at('noise').disabled = at('sample').disabled = state.data === 'own';
  at('own-option').disabled = !state.own;
  at('data').value = state.data;
  const losses = data.classes
    ? [['softmax_cross_entropy', 'cross-entropy'], ['binary_cross_entropy', 'binary cross-entropy', data.classes === 2]]
    : [['mean_squared_error', 'mean squared error'], ['huber', 'Huber'], ['=', 'a formula']];
  const chosen = isFormula(state.loss) ? '=' : state.loss;
  fill(at('loss'), losses.map(([value, text, able = true]) => [value, text, able && (told.server || value === chosen)]), chosen);
  at('loss-formula-field').hidden = chosen !== '=';
  at('loss-formula').value = isFormula(state.loss) ? state.loss.slice(1) : '';
  at('drawing').hidden = !(data.inputs === 2 && data.classes);
  at('map').tabIndex = at('drawing').hidden ? -1 : 0;
};

const take = (name, value) => {
  if (name in NUMBERS) return limited(value, ...NUMBERS[name], state[name]);
  return value;
};
for (const name of Object.keys(FIELDS)) {
  at(name).addEventListener(name === 'noise' ? 'input' : 'change', ({target}) => {
    state[name] = take(name, target.value);
    if (name === 'edges') { if (whole) draw(); remember(); } else if (name === 'directions') { remember(); } else begin();
  });
}
at('data').addEventListener('change', ({target}) => {
  const own = state.own, kept = told.server ? state.layers : read(`#data=${target.value}&layers=${told.presets[target.value] ?? ''}`).layers;
  const classes = target.value === 'own' ? own.classes.length : SETS[target.value].classes;
  change({data: target.value, layers: kept, loss: fits(state.loss, classes) && told.server ? state.loss : lossFor(target.value, own)});
});
at('loss').addEventListener('change', ({target}) => change({loss: target.value === '=' ? '=log(cosh(output - target))' : target.value}));
at('loss-formula').addEventListener('change', ({target}) => change({loss: `=${target.value}`}));

// --- rows of one's own ---------------------------------------------------------------------------------------------------

const takeOwn = (own) => {
  const same = state.data === 'own' && state.own?.classes.length === own.classes.length;
  const inputs = own.inputs, preset = own.classes.length ? 'circle' : inputs === 2 ? 'plane' : 'curve';
  const layers = told.server ? state.layers : read(`#layers=${told.presets[preset]}`).layers;
  return change({own, data: 'own', layers, loss: same ? state.loss : lossFor('own', own)});
};
const takeText = (text) => {
  try {
    const {rows, classes, scaling, columns} = parsed(text);
    say('');
    takeOwn(rounded({rows, classes, scaling, inputs: rows[0].length - 1, columns}));
  } catch (error) {
    say(error.message, at('file'));
  }
};
at('file').addEventListener('change', async ({target}) => {
  const [file] = target.files;
  if (!file) return;
  if (file.size > 200_000) say(`The file has ${file.size.toLocaleString('en')} bytes; expected at most 200,000.`, at('file'));
  else takeText(await file.text());
  target.value = '';
});
/** Where a part of the width and of the height of the map is, in the units of the rows. */
const placeOf = (parts) => {
  const scaling = state.data === 'own' ? state.own.scaling : [], number = exact(data.rows, scaling);
  return parts.map((part, n) => {
    const [low, high] = data.ranges[n], value = low + part*(high - low);
    return number(scaling[n] ? scaling[n][0] + value*scaling[n][1] : value, n);
  });
};
const drawable = () => whole && data.inputs === 2 && data.classes;
at('map').addEventListener('click', (event) => {
  const box = at('map').getBoundingClientRect();
  if (drawable()) point([(event.clientX - box.left)/box.width, 1 - (event.clientY - box.top)/box.height]);
});

/** The same by keys: arrows move a cross, Enter is the click. */
let spot = [.5, .5];
const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]}, STRIDE = 1/32;
at('map').addEventListener('keydown', (event) => {
  if (!drawable() || !(event.key in ARROWS || event.key === 'Enter')) return;
  event.preventDefault();
  if (event.key === 'Enter') return point(spot);
  stop();
  spot = spot.map((part, n) => limited(part + STRIDE*ARROWS[event.key][n], 0, 1));
  draw();
  const {width, height} = at('map'), [a, b] = [spot[0]*width, (1 - spot[1])*height], context = at('map').getContext('2d'), {css, palette} = painting;
  for (const [colour, wide] of [[palette.paper, 7], [palette.ink, 3]]) {
    painting.line(context, [[a - 14, b], [a + 14, b]], css(colour), wide);
    painting.line(context, [[a, b - 14], [a, b + 14]], css(colour), wide);
  }
  at('said').textContent = placeOf(spot).join(', ');
  at('said').classList.add('aloud');
});
const point = (parts) => {
  const scaling = state.data === 'own' ? state.own.scaling : [], place = placeOf(parts);
  const kind = at('brush').value, rows = state.data === 'own' ? [...data.rows] : data.rows.map((row) => row.map(exact([], [])));
  if (kind === 'erase') {
    const near = rows.map(([a, b]) => Math.hypot(a - place[0], b - place[1])), nearest = near.indexOf(Math.min(...near));
    if (rows.length > 2) rows.splice(nearest, 1);
  } else if (rows.length < ROWS) rows.push([...place, +kind]);
  const classes = state.data === 'own' ? state.own.classes : Array.from({length: data.classes}, (_, k) => `class ${k + 1}`);
  const most = Math.max(...rows.map((row) => row[2])) + 1;
  while (told.server && classes.length < most) classes.push(`class ${classes.length + 1}`);
  takeOwn({rows: rows.filter((row) => row[2] < classes.length), classes, scaling, inputs: 2, columns: state.data === 'own' ? state.own.columns : []});
};

// --- loss surface --------------------------------------------------------------------------------------------------------

const dot = (a, b) => a.reduce((sum, v, k) => sum + v*b[k], 0);
const minus = (a, b) => a.map((v, k) => v - b[k]);

/** The two directions in which the paths go furthest: those of the largest eigenvalues of the points' covariance, by power iteration. */
const principal = (points) => {
  const found = [];
  for (let n = 0; n < 2; n++) {
    let v = drawn(n, 7, points[0].length).normal;
    for (let k = 0; k < 60; k++) {
      const next = new Float64Array(v.length);
      for (const point of points) { const share = dot(point, v); for (let p = 0; p < next.length; p++) next[p] += share*point[p]; }
      for (const other of found) { const share = dot(next, other); for (let p = 0; p < next.length; p++) next[p] -= share*other[p]; }
      const length = Math.sqrt(dot(next, next)) || 1;
      v = next.map((value) => value/length);
    }
    found.push(v);
  }
  return found;
};
/** Two random directions, each row of weights as long as that of the parameters (Li et al. 2018). */
const filtered = (theta, layout) => [0, 1].map((n) => {
  const {normal} = drawn(state.seed, 8 + n, theta.length);
  for (const [, start, stop, shape] of layout) {
    const width = shape.length > 1 ? shape[1] : 1;
    for (let k = start; k < stop; k += width) {
      const own = normal.subarray(k, k + width), there = theta.subarray(k, k + width), scale = Math.sqrt(dot(there, there)/(dot(own, own) || 1));
      for (let p = 0; p < width; p++) own[p] *= scale;
    }
  }
  return normal;
});

/** How many of some sorted numbers are less than a value. */
const below = (sorted, value) => {
  let [low, high] = [0, sorted.length];
  while (low < high) { const middle = (low + high) >> 1; if (sorted[middle] < value) low = middle + 1; else high = middle; }
  return low;
};

const POINTS = 41, WALK = 200;
/** What paints that again which stays when it has been computed. */
const repaint = {surface: () => {}, capacity: () => {}};
const surface = async () => {
  const mine = turn, walks = Object.keys(told.methods).map((optimiser) => training(network, data, {...state, optimiser, batch: 0}));
  const tracks = [];
  for (const walk of walks) {
    const track = [walk.theta];
    for (let k = 0; k < WALK && Number.isFinite(walk.losses.at(-1) ?? 0); k++) { walk.step(); track.push(walk.theta); }
    tracks.push(track.filter((theta) => theta.every(Number.isFinite)));
    await resting();
    if (mine !== turn) return;
  }
  const origin = tracks.at(-1).at(-1), moved = tracks.map((track) => track.map((theta) => minus(theta, origin)));
  const [a, b] = state.directions === 'random' ? filtered(origin, network.layout) : principal(moved.flat());
  const [aa, ab, bb] = [dot(a, a), dot(a, b), dot(b, b)], area = aa*bb - ab*ab || 1;
  const flat = moved.map((track) => track.map((point) => { const [p, q] = [dot(point, a), dot(point, b)]; return [(p*bb - q*ab)/area, (q*aa - p*ab)/area]; }));
  const ranges = [0, 1].map((n) => painting.range([...flat.flat().map((point) => point[n]), ...(state.directions === 'random' ? [-1, 1] : [])], .15));
  const losses = new Float64Array(POINTS*POINTS);
  for (let row = 0; row < POINTS; row++) {
    for (let column = 0; column < POINTS; column++) {
      const [p, q] = [[column, 0], [POINTS - 1 - row, 1]].map(([k, n]) => ranges[n][0] + (ranges[n][1] - ranges[n][0])*k/(POINTS - 1));
      losses[row*POINTS + column] = walks[0].measure(origin.map((value, k) => value + p*a[k] + q*b[k])).loss;
    }
    if (row % 4 === 3) await resting();
    if (mine !== turn) return;
  }
  // By rank, which losses of any sign have: the share of all points whose loss is less.
  const known = losses.filter(Number.isFinite).sort(), ranks = losses.map((loss) => Number.isFinite(loss) ? below(known, loss)/known.length : 1);
  const paint = () => Object.keys(told.methods).forEach((optimiser, n) => {
    const canvas = at(`surface-${optimiser}`), context = canvas.getContext('2d'), {palette, css} = painting;
    const band = (rank) => Math.floor(14*rank)/14;
    const smooth = 4*POINTS;  // between the points by their neighbours, so that bands have clean borders
    painting.paint(context, smooth, (k) => {
      const [c, r] = [k % smooth, Math.floor(k/smooth)].map((v) => (v + .5)*(POINTS - 1)/smooth), [i, j] = [Math.floor(c), Math.floor(r)];
      const value = (di, dj) => ranks[Math.min(POINTS - 1, j + dj)*POINTS + Math.min(POINTS - 1, i + di)];
      const [u, v] = [c - i, r - j];
      return painting.shade(.9*band((1 - v)*((1 - u)*value(0, 0) + u*value(1, 0)) + v*((1 - u)*value(0, 1) + u*value(1, 1))));
    }, [0, 0, canvas.width, canvas.height]);
    const place = ([p, q]) => [canvas.width*(p - ranges[0][0])/(ranges[0][1] - ranges[0][0]), canvas.height*(1 - (q - ranges[1][0])/(ranges[1][1] - ranges[1][0]))];
    const track = flat[n].map(place);
    painting.line(context, track, css(palette.paper), 6);
    painting.line(context, track, css(palette.series[1]), 3);
    painting.mark(context, track[0], 0, 1.4);
    painting.mark(context, track.at(-1), 3, 1.6);
  });
  paint();
  repaint.surface = paint;
  Object.keys(told.methods).forEach((optimiser, n) => {
    at(`surface-${optimiser}-said`).textContent = `${told.methods[optimiser].title}: loss ${walks[n].measure(tracks[n].at(-1)).loss.toPrecision(3)} after ${tracks[n].length - 1} steps`;
  });
  at('surface').dataset.done = String(mine);
};
buttons.surface.addEventListener('click', surface);

// --- capacity ------------------------------------------------------------------------------------------------------------

const FITTED = 1500;
let fitting = 0;
const capacity = async () => {
  const mine = ++fitting, {curve} = SETS, rows = generated(curve, state);
  const x = Float64Array.from(rows, (row) => row[0]), y = Float64Array.from(rows, (row) => row[1]);
  const shown = {x, y, rows, inputs: 1, outputs: 1, classes: 0, ranges: [[-1.1, 1.1], painting.range([...y])]};
  const points = painting.grid(1, shown.ranges, SIDE, Float32Array);
  const fits = await Promise.all(told.capacity.map(async (units) => {
    const found = await networkOf({inputs: 1, layers: [{dense: units, activation: 'tanh'}, {dense: 1}], loss: 'mean_squared_error'});
    await taught(found);
    return {units, found, run: training(found, shown, {optimiser: 'adam', rate: .03, momentum: 0, batch: 0, decay: 0, seed: state.seed})};
  }));
  const paint = ({units, found, run}) => painting.says(at(`capacity-${units}`), shown, points, found.code.look.run({theta: Float32Array.from(run.theta), x: points}).output);
  repaint.capacity = () => fits.forEach(paint);
  while (fits[0].run.steps < FITTED && mine === fitting) {
    for (const fit of fits) {
      const {units, run} = fit;
      for (let k = 0; k < 50; k++) run.step();
      paint(fit);
      at(`capacity-${units}-said`).textContent = `${units} ${units === 1 ? 'unit' : 'units'}: error ${Math.sqrt(run.losses.at(-1)).toPrecision(2)}`;
    }
    await resting();
  }
  at('capacity').dataset.done = String(fits[0].run.steps);
};
buttons.capacity.addEventListener('click', capacity);

// --- export --------------------------------------------------------------------------------------------------------------

const download = (name, content, type) => {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], {type}));
  element('a', {href: url, download: name}).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
};

/** The network as a spec for `symnn train`; texts as JSON writes them are YAML too. */
const yaml = () => {
  const plain = (value) => typeof value === 'object' ? `{${Object.entries(value).map(([name, part]) => `${name}: ${plain(part)}`).join(', ')}}` : typeof value === 'string' && !/^[a-z_]+$/.test(value) ? JSON.stringify(value) : value;
  const {inputs, layers, loss} = specOf();
  const settings = {optimiser: state.optimiser, learning_rate: state.rate, ...(state.optimiser === 'gradient_descent' ? {} : {momentum: state.momentum}), batch_size: run.rows, seed: state.seed};
  return [`inputs: ${inputs}`, 'layers:', ...layers.map((layer) => `  - ${plain(layer)}`), `loss: ${plain(loss)}`, ...(state.decay ? [`weight_decay: ${state.decay}`] : []), `training: ${plain(settings)}`, ''].join('\n');
};

/** The trained network as a file that symnn.load reads: parameters, how rows are standardised, and a few rows to check it by. */
const safetensors = () => {
  const own = state.data === 'own' ? state.own : {scaling: [], classes: [], columns: []}, count = 4, {inputs, outputs} = data;
  const x = drawn(0, 9, count*inputs).normal, {output} = network.code.predict.run({theta: run.theta, x});
  const scaling = own.scaling.slice(0, inputs), scaled = own.classes.length ? null : own.scaling[inputs];
  const raw = x.map((v, k) => scaling.length ? scaling[k % inputs][0] + v*scaling[k % inputs][1] : v);
  const tensors = network.layout.map(([name, start, stop, shape]) => [name, shape, run.theta.subarray(start, stop)]);
  if (scaling.length) tensors.push(['standardisation.mean', [inputs], scaling.map(([mean]) => mean)], ['standardisation.scale', [inputs], scaling.map(([, scale]) => scale)]);
  if (scaled) tensors.push(['standardisation.target_mean', [1], [scaled[0]]], ['standardisation.target_scale', [1], [scaled[1]]]);
  tensors.push(['check.x', [count, inputs], raw], ['check.output', [count, outputs], output.map((v) => scaled ? scaled[0] + v*scaled[1] : v)]);
  const spec = {...specOf(), ...(state.decay ? {weight_decay: state.decay} : {})};
  const metadata = {format: network.format, spec: JSON.stringify(spec)};
  if (own.classes.length) metadata.classes = JSON.stringify(own.classes);
  if (own.columns.length) {
    metadata.features = JSON.stringify({columns: own.columns.slice(0, inputs).map((name) => [name, null]), fills: false});
    metadata.targets = JSON.stringify(own.columns.slice(inputs));
  }
  const header = {__metadata__: metadata};
  let end = 0;
  for (const [name, shape, values] of tensors) header[name] = {dtype: 'F64', shape, data_offsets: [end, end += 8*values.length]};
  const text = new TextEncoder().encode(JSON.stringify(header)), long = Math.ceil(text.length/8)*8;
  const bytes = new Uint8Array(8 + long + end).fill(32, 8, 8 + long), view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(long), true);
  bytes.set(text, 8);
  let place = 8 + long;
  for (const [,, values] of tensors) for (const value of values) { view.setFloat64(place, value, true); place += 8; }
  return bytes;
};

/** Network and map side by side on one canvas. */
const picture = () => {
  const [left, right] = [at('network'), at('map')], canvas = element('canvas', {width: left.width + left.height, height: left.height}), context = canvas.getContext('2d');
  context.fillStyle = painting.css(painting.palette.paper);
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(left, 0, 0);
  context.drawImage(right, left.width, 0, left.height, left.height);
  return canvas;
};

/** The same as lines, with the maps as pictures inside. */
const drawing = () => {
  const {width, height} = at('network'), columns = placed(width, height), {palette, css} = painting;
  const found = network.code.look.run({theta: Float32Array.from(run.theta), x: gridOf(SIDE)}), parts = [];
  for (const [a, b, weight] of edgesOf(columns)) {
    const [x, y, ...rest] = paths(a, b).map((v) => v.toFixed(1));
    parts.push(`<path d="M${x} ${y}C${rest.join(' ')}" fill="none" stroke="${css(palette.series[weight < 0 ? 1 : 0])}" stroke-opacity="${(.25 + .6*Math.abs(weight)).toFixed(2)}" stroke-width="${(.5 + 4*Math.abs(weight)).toFixed(2)}"/>`);
  }
  columns.forEach((column, n) => {
    const sheet = sheetOf(column, n, found, gridOf(SIDE), 64);
    column.forEach(({x, y, size}, k) => {
      const canvas = element('canvas', {width: 64, height: 64});
      canvas.getContext('2d').drawImage(sheet, 0, -64*k);
      parts.push(`<image x="${(x - size/2).toFixed(1)}" y="${(y - size/2).toFixed(1)}" width="${size.toFixed(1)}" height="${size.toFixed(1)}" href="${canvas.toDataURL()}"/>`);
    });
  });
  parts.push(`<image x="${width}" y="0" width="${height}" height="${height}" href="${at('map').toDataURL()}"/>`);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width + height} ${height}"><rect width="100%" height="100%" fill="${css(palette.paper)}"/>${parts.join('')}</svg>`;
};

const ACTS = {
  learn: () => running ? stop() : start(),
  one: () => { stop(); run.step(); draw(); remember(); },
  again: () => begin(),
  deeper: () => change({layers: [...state.layers, {units: state.layers.at(-1)?.units ?? 4, activation: state.layers.at(-1)?.activation ?? 'tanh'}]}),
  spec: () => download('network.yaml', yaml(), 'text/yaml'),
  weights: () => completed(network).then(() => download('model.safetensors', new Blob([safetensors()]))),
  png: () => picture().toBlob((blob) => download('network.png', blob)),
  svg: () => download('network.svg', drawing(), 'image/svg+xml'),
  link: async () => {
    remember();
    await navigator.clipboard.writeText(location.href).then(() => say('The link is copied.'), () => say('The link is in the address bar.'));
  },
};
for (const [name, act] of Object.entries(ACTS)) buttons[name].addEventListener('click', act);

painting.follow(() => { if (whole) draw(); repaint.surface(); repaint.capacity(); });
const open = (hash) => {
  state = read(hash);
  return begin(state.steps);
};
// A network that learns may have written its own address again before this event comes.
addEventListener('hashchange', ({newURL}) => {
  const {hash} = new URL(newURL);
  if (hash !== address || !whole) open(hash);
});
const ready = open(location.hash);

// What tests and measurements read.
document.getElementById('play').addEventListener('state', ({detail}) => detail({ready, state, data, run, network, yaml, safetensors, drawing, picture}));

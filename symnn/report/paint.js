// What pages of networks that learn paint with: the colours of the page, maps of numbers, marks of rows, curves.
const painting = (() => {
  const css = (rgb, opacity = 1) => `rgb(${rgb.join(' ')} / ${opacity})`;
  const STRENGTH = .62;
  const SHADES = 255;
  const palette = {};
  let layers;

  /** The colours of the page, which follow the theme, and the shades between −1 and 1 as pixels. */
  const recolour = () => {
    const computed = getComputedStyle(document.body);
    const colour = (name) => (computed.getPropertyValue(name).trim().match(/[0-9a-f]{2}/gi) ?? ['88', '88', '88']).map((part) => parseInt(part, 16));
    Object.assign(palette, {paper: colour('--paper'), ink: colour('--ink'), muted: colour('--muted'), line: colour('--line')});
    palette.series = ['--forward', '--back', '--third', '--fourth'].map(colour);
    layers = new WeakMap();
    palette.shades = Uint32Array.from({length: 2*SHADES + 1}, (_, k) => {
      const share = (k - SHADES)/SHADES;
      return pixel(palette.series[share > 0 ? 0 : 1].map((c, n) => palette.paper[n] + STRENGTH*Math.abs(share)*(c - palette.paper[n])));
    });
  };
  const pixel = ([r, g, b]) => (255 << 24 | Math.round(b) << 16 | Math.round(g) << 8 | Math.round(r)) >>> 0;

  /** The pixel of a number from −1, orange, to 1, blue. */
  const shade = (share) => palette.shades[Math.round(SHADES*Math.max(-1, Math.min(1, share))) + SHADES || 0];

  /** The pixel of shares of the classes. */
  const blend = (shares) => {
    const found = [...palette.paper];
    shares.forEach((share, s) => found.forEach((_, c) => { found[c] += STRENGTH*share*(palette.series[s % 4][c] - palette.paper[c]); }));
    return pixel(found);
  };

  const sheets = new Map();
  /** Pixels of a size, which are kept: to be filled, and then put on a canvas that others are painted with. */
  const sheet = (width, height) => {
    const size = `${width} ${height}`;
    if (!sheets.has(size)) {
      const canvas = new OffscreenCanvas(width, height), context = canvas.getContext('2d'), image = context.createImageData(width, height);
      sheets.set(size, {pixels: new Uint32Array(image.data.buffer), put: () => { context.putImageData(image, 0, 0); return canvas; }});
    }
    return sheets.get(size);
  };

  /** Fill a rectangle of a canvas by a square of pixels, each asked for by its place. */
  const paint = (context, side, mix, [a, b, width, height]) => {
    const {pixels, put} = sheet(side, side);
    for (let k = 0; k < pixels.length; k++) pixels[k] = mix(k);
    context.imageSmoothingEnabled = true;
    context.drawImage(put(), a, b, width, height);
  };

  /** A row as a mark whose shape says the class too. */
  const mark = (context, [a, b], kind, size = 1) => {
    context.beginPath();
    if (kind % 4 === 0) context.arc(a, b, 5*size, 0, 7);
    if (kind % 4 === 1) context.rect(a - 4.5*size, b - 4.5*size, 9*size, 9*size);
    if (kind % 4 > 1) {
      const corners = kind % 4 === 2 ? [[0, -6], [6, 5], [-6, 5]] : [[0, -6], [6, 0], [0, 6], [-6, 0]];
      corners.forEach(([c, d]) => context.lineTo(a + c*size, b + d*size));
      context.closePath();
    }
    context.fillStyle = css(palette.series[kind % 4]);
    context.strokeStyle = css(palette.paper);
    context.lineWidth = 1.75*size;
    context.fill();
    context.stroke();
  };

  const line = (context, points, colour, width, dashes = []) => {
    context.beginPath();
    for (const [a, b] of points) context.lineTo(a, b);
    context.setLineDash(dashes);
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.stroke();
    context.setLineDash([]);
  };

  /** Losses over the steps, by their logarithm. */
  const curve = (canvas, losses) => {
    const context = canvas.getContext('2d');
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.strokeStyle = css(palette.ink, .25);
    context.strokeRect(.5, .5, canvas.width - 1, canvas.height - 1);
    const every = Math.max(1, Math.floor(losses.length/1000));
    const known = losses.filter((loss, k) => k % every === 0 && Number.isFinite(loss) && loss > 0).map(Math.log);
    if (known.length < 2) return;
    const low = Math.min(...known), high = Math.max(...known);
    const points = known.map((loss, k) => [8 + (canvas.width - 16)*k/(known.length - 1), 12 + (canvas.height - 24)*(high - loss)/(high - low || 1)]);
    line(context, points, css(palette.series[0]), 3);
  };

  /** The shares of the classes among scores from a place on. */
  const softmax = (scores, start, width) => {
    if (width === 1) {
      const yes = 1/(1 + Math.exp(-scores[start]));
      return [1 - yes, yes];
    }
    const found = Array.from({length: width}, (_, c) => scores[start + c]), most = Math.max(...found);
    const powers = found.map((score) => Math.exp(score - most)), total = powers.reduce((sum, v) => sum + v, 0);
    return powers.map((power) => power/total);
  };

  /** The lowest and highest of some numbers with a border around. */
  const range = (values, border = .12) => {
    const low = Math.min(...values), high = Math.max(...values), space = (high - low || 1)*border;
    return [low - space, high + space];
  };

  /** The points that maps are made of, row by row from the top; a line of them for one input. */
  const grid = (inputs, [[left, right], [bottom, top]], side, Kind) => {
    if (inputs === 1) return Kind.from({length: 4*side}, (_, k) => left + (right - left)*k/(4*side - 1));
    return Kind.from({length: 2*side*side}, (_, k) => {
      const place = k >> 1, part = ((k & 1 ? Math.floor(place/side) : place % side) + .5)/side;
      return k & 1 ? top - (top - bottom)*part : left + (right - left)*part;
    });
  };

  /** The rows of data on a canvas of their own, which is painted once for each width and theme, and what is known of their targets. */
  const rowsOf = (data, {width, height}) => {
    const known = layers.get(data) ?? new Map();
    layers.set(data, known);
    if (!known.has(width)) {
      const canvas = new OffscreenCanvas(width, height), context = canvas.getContext('2d'), targets = Array.from(data.y, Number);
      const middle = targets.reduce((sum, v) => sum + v, 0)/(targets.length || 1), spread = Math.max(...targets.map((v) => Math.abs(v - middle))) || 1;
      const place = (a, b) => [a, b].map((v, k) => (v - data.ranges[k][0])/(data.ranges[k][1] - data.ranges[k][0])).map((v, k) => k ? height*(1 - v) : width*v);
      targets.forEach((target, row) => data.inputs === 1
        ? mark(context, place(data.x[row], target), data.classes ? target : 0, width/512)
        : mark(context, place(data.x[2*row], data.x[2*row + 1]), data.classes ? target : +(target < middle), width/512));
      known.set(width, {canvas, middle, spread, place});
    }
    return known.get(width);
  };

  /** What a network says over its inputs, and the rows: `data` has x, y, inputs, outputs, classes and ranges. */
  const says = (canvas, data, points, output) => {
    const context = canvas.getContext('2d'), {width, height} = canvas, {canvas: rows, middle, spread, place} = rowsOf(data, canvas);
    if (data.inputs === 1) {
      context.fillStyle = css(palette.paper);
      context.fillRect(0, 0, width, height);
      context.drawImage(rows, 0, 0);
      const value = (k) => data.classes ? 1 - softmax(output, k*data.outputs, data.outputs)[0] : output[k];
      return line(context, Array.from(points, (a, k) => place(a, value(k))), css(palette.series[1]), 4*width/512);
    }
    const mixes = {
      numbers: (k) => shade((output[k] - middle)/spread),
      one: (k) => shade(2/(1 + Math.exp(output[k])) - 1),
      two: (k) => shade(2/(1 + Math.exp(output[2*k + 1] - output[2*k])) - 1),
      more: (k) => blend(softmax(output, k*data.outputs, data.outputs)),
    };
    const mix = mixes[data.classes ? ['', 'one', 'two'][data.outputs] ?? 'more' : 'numbers'];
    paint(context, Math.sqrt(points.length/2), mix, [0, 0, width, height]);
    context.drawImage(rows, 0, 0);
  };

  /** The maps of a layer's units, one below the other in a canvas as wide as a side: blue where a unit is above 0, orange below. */
  const units = (inputs, values, count, side) => {
    const points = values.length/count, wide = inputs === 2 ? Math.sqrt(points) : points, {pixels, put} = sheet(side, side*count);
    const places = Array.from({length: side}, (_, k) => Math.floor((k + .5)*wide/side));  // of the points those that are shown
    const most = new Float64Array(count).fill(1e-12), starts = [];
    for (let p = 0; p < side*side; p++) {
      const start = ((inputs === 2 ? places[Math.floor(p/side)]*wide : 0) + places[p % side])*count;
      starts.push(start);
      for (let k = 0; k < count; k++) most[k] = Math.max(most[k], Math.abs(values[start + k]));
    }
    starts.forEach((start, p) => { for (let k = 0; k < count; k++) pixels[k*side*side + p] = shade(values[start + k]/most[k]); });
    return put();
  };

  /** How many rows are told right by scores. */
  const right = (data, output) => Array.from(data.y, Number).reduce((sum, target, row) => {
    const scores = Array.from({length: data.outputs}, (_, c) => output[row*data.outputs + c]);
    return sum + ((data.outputs === 1 ? +(scores[0] > 0) : scores.indexOf(Math.max(...scores))) === target);
  }, 0);

  /** Paint again in the colours of another theme, which paper has too. */
  const follow = (repaint) => ['(prefers-color-scheme: dark)', 'print'].forEach((query) => {
    matchMedia(query).addEventListener('change', () => { recolour(); repaint(); });
  });

  recolour();
  return {palette, css, follow, shade, paint, mark, line, curve, range, grid, says, units, right};
})();

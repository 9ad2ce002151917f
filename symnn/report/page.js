// What the page does when it is touched. All numbers come from the data that Python has put into it.
'use strict';
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const at = (id) => document.getElementById(id);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  /** An element with text and children; text is never markup. */
  const element = (tag, {text, kind, ...attributes} = {}, children = []) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (kind) made.className = kind;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };

  /** A number to so many significant digits, as it is written in formulas. */
  const shown = (value, digits = 5) => {
    if (value === null || value === undefined) return 'undefined';
    if (typeof value !== 'number') return value.shape.join('×');
    const size = Math.abs(value);
    const text = size !== 0 && (size < 1e-4 || size >= 1e7) ? value.toExponential(digits - 3) : String(+value.toPrecision(digits));
    return text.replace('-', '−').replace('e+', 'e').replace('e-', 'e−');
  };

  /** The same to four digits, for a box of the drawing: −2.765e−4, since −0.0002765 is as wide as the box. */
  const fitted = (value) => {
    const text = shown(value, 4);
    return typeof value !== 'number' || text.length < 10 ? text : value.toExponential(3).replaceAll('-', '−').replace('+', '');
  };

  // --- what is larger than its place is scrolled by keys too -----------------------------------------------------------

  const sizes = new ResizeObserver((found) => {
    for (const {target} of found) if (target.scrollWidth > target.clientWidth + 1) target.tabIndex = 0;
  });
  const observe = (within) => all('.scroll', within).forEach((found) => sizes.observe(found));
  observe(document);
  document.addEventListener('added', ({target}) => observe(target));

  // --- places of one vertex light up together ------------------------------------------------------------------------

  const places = new Map();
  for (const found of all('[data-v]')) {
    if (!places.has(found.dataset.v)) places.set(found.dataset.v, []);
    places.get(found.dataset.v).push(found);
  }
  let lit = [];
  const light = (name) => {
    for (const found of lit) found.classList.remove('lit');
    lit = places.get(name) ?? [];
    for (const found of lit) found.classList.add('lit');
  };
  const named = (target) => target.closest?.('[data-v]')?.dataset.v;
  document.addEventListener('pointerover', (event) => light(named(event.target)));
  document.addEventListener('focusin', ({target}) => { if (target.matches('.formula button')) light(target.closest('.formula').dataset.row); });

  // In the code section what is lit comes into view: on the other side by a click, on both by the arrow keys in one of them.
  const CODE = ['.sources', '.listings'];
  const bring = (frame) => {
    const found = all('.lit', frame).find((place) => place.closest('[hidden]') === null);
    if (found) frame.scrollTop += found.getBoundingClientRect().top - frame.getBoundingClientRect().top - frame.clientHeight/3;
  };
  document.addEventListener('click', ({target}) => {
    const name = named(target), inside = CODE.find((frame) => target.closest(frame));
    if (name === undefined) return;
    light(name);
    if (inside) all(CODE.find((frame) => frame !== inside)).forEach(bring);
  });
  document.addEventListener('keydown', (event) => {
    if (!event.target.matches(CODE.join()) || !['ArrowUp', 'ArrowDown'].includes(event.key)) return;
    event.preventDefault();
    const names = [...new Set(all('.listing:not([hidden]) [data-v]').map((line) => line.dataset.v))];
    const now = names.indexOf(lit[0]?.dataset.v), next = event.key === 'ArrowDown' ? now + 1 : now - 1;
    light(names[Math.min(names.length - 1, Math.max(0, next))]);
    CODE.forEach((frame) => all(frame).forEach(bring));
  });

  // --- choices that show one of several parts -----------------------------------------------------------------------

  const choose = (id, change) => {
    const select = at(id);
    if (!select) return;
    select.addEventListener('change', () => change(select.value));
  };
  choose('level', (value) => { for (const part of all('#formulas .level')) part.hidden = part.id !== value; putNumbers(); });
  choose('language', (value) => { for (const part of all('.listing')) part.hidden = part.id !== `code-${value}`; });

  // --- formulas ---------------------------------------------------------------------------------------------------------

  const MATH = 'http://www.w3.org/1998/Math/MathML';
  const written = new Map();

  /** The numbers of a sample in the place of the names on the right of each equation, or the names again. */
  function putNumbers() {
    const wanted = at('numbers');
    if (!wanted) return;
    if (wanted.checked && at('by-neurons').hidden) { at('level').value = 'by-neurons'; for (const part of all('#formulas .level')) part.hidden = part.id !== 'by-neurons'; }
    const values = data.formulas.values[+at('formula-sample').value];
    for (const row of all('#by-neurons .formula')) {
      const math = row.querySelector('math');
      if (!written.has(math)) written.set(math, [...math.childNodes].map((node) => node.cloneNode(true)));
      math.replaceChildren(...written.get(math).map((node) => node.cloneNode(true)));
      if (!wanted.checked) continue;
      let right = false;
      for (const node of [...math.childNodes]) {
        if (node.localName === 'mo' && node.textContent === '=') { right = true; continue; }
        if (!right || node.nodeType !== Node.ELEMENT_NODE) continue;
        const inside = node.dataset?.v !== undefined ? [node] : all('[data-v]', node);
        for (const place of inside) {
          const value = values[place.dataset.v];
          if (value === undefined) continue;
          const number = document.createElementNS(MATH, 'mn');
          number.setAttribute('class', 'put');
          const text = shown(value, 4);
          number.textContent = text.startsWith('−') ? `(${text})` : text;
          place.replaceChildren(number);
        }
      }
      const result = values[row.dataset.row];
      if (result !== undefined) {
        const equals = document.createElementNS(MATH, 'mo');
        equals.textContent = '=';
        const number = document.createElementNS(MATH, 'mn');
        number.setAttribute('class', 'put');
        number.textContent = shown(result, 5);
        math.append(equals, number);
      }
    }
  }
  at('numbers')?.addEventListener('change', putNumbers);
  choose('formula-sample', putNumbers);

  const copy = async (button) => {
    const before = button.textContent;
    try {
      await navigator.clipboard.writeText(button.dataset.text);
      button.textContent = 'Copied';
    } catch {
      window.prompt('LaTeX', button.dataset.text);
    }
    setTimeout(() => { button.textContent = before; }, 1200);
  };

  // --- the worked example -----------------------------------------------------------------------------------------------

  const steps = data.steps;
  const canvas = document.querySelector('.canvas');
  const act = {copy};

  if (steps && canvas) {
    const SVG = 'http://www.w3.org/2000/svg';
    const picture = canvas.querySelector('svg');
    const labels = picture.appendChild(document.createElementNS(SVG, 'g'));
    const boxes = new Map(all('.vertex', picture).map((box) => [box.dataset.v, box]));
    const edges = new Map(all('.edge', picture).map((edge) => [`${edge.dataset.from}\n${edge.dataset.to}`, edge]));
    const index = new Map(steps.vertices.map((vertex, k) => [vertex.name, k]));
    const forward = steps.vertices.map((_, k) => k).filter((k) => steps.vertices[k].equation);
    const backward = steps.vertices.map((_, k) => k).filter((k) => steps.vertices[k].gradient_name).reverse();
    const order = [{kind: 'given'}, ...forward.map((k) => ({kind: 'forward', k})), ...backward.map((k) => ({kind: 'back', k}))];
    const slider = at('step');
    slider.max = order.length - 1;
    let sample = 0;
    let timer = 0;

    const moving = (k) => steps.samples[sample].vertices[k];
    const edge = (from, to) => edges.get(`${from}\n${to}`);

    const clear = () => {
      for (const found of all('.now-forward, .now-back', picture)) found.classList.remove('now-forward', 'now-back');
      labels.replaceChildren();
    };

    /** Mark an edge and say what it holds. */
    const mark = (from, to, kind, text) => {
      const found = edge(from, to);
      if (!found) return;
      found.classList.add(`now-${kind}`);
      const middle = found.getPointAtLength(found.getTotalLength()*0.5);
      const label = labels.appendChild(document.createElementNS(SVG, 'text'));
      label.setAttribute('class', `edge-label ${kind === 'back' ? 'back' : 'forward'}`);
      label.setAttribute('x', middle.x);
      label.setAttribute('y', middle.y - 4);
      label.setAttribute('text-anchor', 'middle');
      label.textContent = text;
    };

    const colours = new WeakMap();  // what paints a picture once more, in the colours of another theme
    const heat = (value, name) => {
      if (typeof value === 'number' || !value?.numbers) return [];
      const columns = value.shape.length > 1 ? value.shape.at(-1) : value.shape[0];
      const rows = value.numbers.length/columns;
      const made = element('canvas', {kind: 'heat', width: columns, height: rows, role: 'img', 'aria-label': `${name} as colours from ${shown(value.low)} to ${shown(value.high)}`});
      const context = made.getContext('2d');
      const look = getComputedStyle(document.body);
      const colour = (variable) => look.getPropertyValue(variable).trim().match(/[0-9a-f]{2}/gi).map((part) => parseInt(part, 16));
      const [none, plus, minus] = ['--paper', '--forward', '--back'].map(colour);
      const most = Math.max(Math.abs(value.low), Math.abs(value.high)) || 1;
      const pixels = context.createImageData(columns, rows);
      value.numbers.forEach((number, k) => {
        const share = Math.min(1, Math.abs(number ?? 0)/most);
        const end = number < 0 ? minus : plus;
        for (let c = 0; c < 3; c++) pixels.data[4*k + c] = none[c] + share*(end[c] - none[c]);
        pixels.data[4*k + 3] = 255;
      });
      context.putImageData(pixels, 0, 0);
      colours.set(made, () => heat(value, name)[0]);
      return [made];
    };

    /** a = b = 3, nothing said twice. */
    const chain = (parts, value, kind) => {
      const line = element('p', {kind: 'sum'});
      const said = parts.filter((part, k) => part && part !== parts[k - 1]);
      line.append(element('span', {text: said[0]}));
      for (const part of said.slice(1)) line.append(element('span', {kind: 'eq', text: `= ${part}`}));
      const range = typeof value === 'number' || value === null ? shown(value) : `${shown(value)} numbers from ${shown(value.low)} to ${shown(value.high)}`;
      if (said.at(-1) !== range) line.append(element('b', {kind: `eq ${kind}`, text: `= ${range}`}));
      return line;
    };
    const sum = (parts) => parts.length > 1 ? parts.map((part) => /^[−Σ]/.test(part) ? `(${part})` : part).join(' + ') : parts[0] ?? '';

    const heading = (text, small) => element('h3', {text}, [element('small', {text: small})]);

    const given = () => {
      const inputs = steps.vertices.filter((vertex) => !vertex.equation);
      return [heading('Given', steps.samples[sample].title), element('p', {kind: 'alone', text: `The inputs and the parameters: ${inputs.length} vertices that nothing is computed for.`}), element('p', {kind: 'tag alone', text: 'Next: forward through the graph, then back.'})];
    };

    const ahead = (k) => {
      const vertex = steps.vertices[k], now = moving(k);
      boxes.get(vertex.name)?.classList.add('now-forward');
      const lines = vertex.locals.map((local, n) => {
        for (const source of local.sources) mark(source, vertex.name, 'forward', shown(now.locals[n], 4));
        const value = shown(now.locals[n]);
        return element('li', {text: [local.name, local.formula, value].filter((part, n, parts) => part !== parts[n - 1]).join(' = ')});
      });
      for (const source of vertex.reads) edge(source, vertex.name)?.classList.add('now-forward');
      const side = vertex.equation.slice(vertex.equation.indexOf(' = ') + 3);
      return [
        heading(vertex.name, `Forward, ${forward.indexOf(k) + 1} of ${forward.length}`),
        element('div', {}, [chain([vertex.name, side, now.numbers], now.value, 'forward'), ...heat(now.value, vertex.name)]),
        element('div', {}, lines.length ? [element('p', {kind: 'tag', text: 'Local derivatives, on its edges'}), element('ul', {}, lines)] : []),
      ];
    };

    const back = (k) => {
      const vertex = steps.vertices[k], now = moving(k);
      boxes.get(vertex.name)?.classList.add('now-back');
      const lines = vertex.terms.map((term, n) => {
        const found = now.terms[n];
        mark(vertex.name, term.through, 'back', shown(found.value, 4));
        const parts = [term.formula, found.numbers, shown(found.value)].filter((part, n, parts) => part && part !== parts[n - 1]);
        return element('li', {}, [element('span', {kind: 'tag', text: `over the edge to ${term.through}`}), element('br'), element('span', {text: parts.join(' = ')})]);
      });
      const formulas = sum(vertex.terms.map((term) => term.formula));
      const numbers = now.terms.every((term) => term.numbers) ? sum(now.terms.map((term) => term.numbers)) : '';
      return [
        heading(vertex.gradient_name, `Back, ${backward.indexOf(k) + 1} of ${backward.length}`),
        element('div', {}, [chain([vertex.gradient_name, formulas, numbers], now.gradient, 'back'), ...heat(now.gradient, vertex.gradient_name)]),
        element('div', {}, lines.length ? [element('p', {kind: 'tag', text: 'What flows back over each edge'}), element('ul', {}, lines)] : []),
      ];
    };

    const show = (step) => {
      slider.value = step;
      const now = order[+slider.value];
      clear();
      const done = new Set(), gone = new Set();
      order.slice(0, +slider.value + 1).forEach(({kind, k}) => kind === 'back' ? gone.add(k) : kind === 'forward' && done.add(k));
      steps.vertices.forEach((vertex, k) => {
        const box = boxes.get(vertex.name);
        if (!box) return;
        const seen = !vertex.equation || done.has(k);
        box.querySelector('.value').textContent = seen ? fitted(moving(k).value) : '';
        box.querySelector('.gradient').textContent = gone.has(k) ? (typeof moving(k).gradient === 'number' ? fitted(moving(k).gradient) : 'gradient') : '';
      });
      const parts = now.kind === 'given' ? given() : now.kind === 'forward' ? ahead(now.k) : back(now.k);
      at('step-panel').replaceChildren(...parts);
      at('step-name').textContent = `${+slider.value} of ${order.length - 1}`;
      slider.setAttribute('aria-valuetext', at('step-panel').querySelector('h3').textContent);
      if (now.k !== undefined) reveal(boxes.get(steps.vertices[now.k].name));
    };

    /** Scroll the frame, and only that, so that a box is in it. */
    const reveal = (box) => {
      if (!box) return;
      const inner = box.getBoundingClientRect(), frame = canvas.getBoundingClientRect();
      if (inner.left < frame.left || inner.right > frame.right) canvas.scrollLeft += inner.left - frame.left - frame.width/2;
      if (inner.top < frame.top || inner.bottom > frame.bottom) canvas.scrollTop += inner.top - frame.top - frame.height/2;
    };

    const stop = () => { clearInterval(timer); timer = 0; all('[data-do="play"]').forEach((b) => { b.textContent = 'Play'; b.setAttribute('aria-pressed', 'false'); }); };
    const move = (by) => { stop(); show(Math.min(order.length - 1, Math.max(0, +slider.value + by))); };
    act.first = () => { stop(); show(0); };
    act.back = () => move(-1);
    act.next = () => move(1);
    act.play = (button) => {
      if (timer) return stop();
      if (+slider.value === order.length - 1) show(0);
      button.textContent = 'Pause';
      button.setAttribute('aria-pressed', 'true');
      timer = setInterval(() => +slider.value === order.length - 1 ? stop() : show(+slider.value + 1), 900);
    };
    slider.addEventListener('input', () => { stop(); show(+slider.value); });
    choose('sample', (value) => { sample = +value; show(+slider.value); list(); });
    document.addEventListener('keydown', (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey || !['ArrowLeft', 'ArrowRight'].includes(event.key)) return;
      const target = event.target;
      if (target.closest('select, input') || !(target === document.body || target.closest('.stage, #steps .controls'))) return;
      const here = at('steps').getBoundingClientRect();
      if (target === document.body && (here.bottom < 80 || here.top > innerHeight - 80)) return;
      event.preventDefault();
      move(event.key === 'ArrowRight' ? 1 : -1);
    });

    // A vertex that is touched is shown as far as the passes have come; an edge shows the product that flows over it.
    picture.addEventListener('click', (event) => {
      const box = event.target.closest('.vertex'), line = event.target.closest('.edge');
      if (box) {
        const k = index.get(box.dataset.v);
        const passed = +slider.value > forward.length;
        const found = order.findIndex((step) => step.k === k && step.kind === (passed && steps.vertices[k].gradient_name ? 'back' : 'forward'));
        if (found >= 0) { stop(); show(found); }
      }
      if (line) touch(line.dataset.from, line.dataset.to);
    });
    const touch = (from, to) => {
      stop();
      clear();
      const below = steps.vertices[index.get(from)], above = steps.vertices[index.get(to)];
      const n = below.terms.findIndex((term) => term.through === to);
      const m = above.locals.findIndex((local) => local.sources.includes(from));
      const parts = [heading(`${from} → ${to}`, 'One edge')];
      if (m >= 0) parts.push(element('div', {}, [element('p', {kind: 'tag', text: 'Local derivative'}), chain([above.locals[m].name, above.locals[m].formula], moving(index.get(to)).locals[m], 'forward')]));
      if (n >= 0) {
        const term = moving(index.get(from)).terms[n];
        parts.push(element('div', {}, [element('p', {kind: 'tag', text: 'What flows back: the derivative above, times the local derivative'}), chain([below.terms[n].formula, term.numbers], term.value, 'back')]));
        mark(from, to, 'back', shown(term.value, 4));
      } else {
        parts.push(element('p', {text: 'No derivative is wanted over this edge.'}));
        mark(from, to, 'forward', '');
      }
      at('step-panel').replaceChildren(...parts);
    };

    // --- the sum over paths ---------------------------------------------------------------------------------------------

    const slope = (from, to) => {
      const above = steps.vertices[index.get(to)];
      const m = above.locals.findIndex((local) => local.sources.includes(from));
      return moving(index.get(to)).locals[m];
    };
    const products = () => (steps.paths[at('path-source')?.value] ?? []).map((path) => {
      const factors = path.slice(1).map((to, n) => slope(path[n], to));
      return {path, factors, product: factors.reduce((total, factor) => total*factor, 1)};
    });
    const bracket = (value) => value < 0 ? `(${shown(value, 4)})` : shown(value, 4);
    let walking = 0;
    function list() {
      clearInterval(walking);
      if (!at('path-list')) return;
      at('path-list').replaceChildren(...products().map(({path, factors, product}) => element('li', {text: `${path.join(' → ')}: ${factors.map(bracket).join('·')} = ${shown(product)}`})));
      at('path-sum').textContent = '';
    }
    const total = (upTo) => {
      const found = products().slice(0, upTo);
      const sumOf = found.reduce((sum, {product}) => sum + product, 0);
      const source = at('path-source').value;
      const whole = upTo >= products().length;
      const result = whole ? `; backpropagation has ${shown(moving(index.get(source)).gradient)}` : ' …';
      at('path-sum').textContent = `${steps.vertices[index.get(source)].gradient_name} = ${found.map(({product}) => bracket(product)).join(' + ')}${found.length > 1 ? ` = ${shown(sumOf)}` : ''}${result}`;
    };
    choose('path-source', list);
    act.walk = () => {
      stop();
      list();
      let n = 0;
      const found = products();
      const next = () => {
        if (n >= found.length) return clearInterval(walking);
        clear();
        const {path, factors} = found[n];
        path.slice(1).forEach((to, k) => mark(path[k], to, 'back', shown(factors[k], 4)));
        all('li', at('path-list')).forEach((line, k) => line.classList.toggle('now', k === n));
        n += 1;
        total(n);
      };
      if (matchMedia('(prefers-reduced-motion: reduce)').matches) { while (n < found.length) next(); return; }
      next();
      walking = setInterval(next, 1100);
    };

    for (const query of ['(prefers-color-scheme: dark)', 'print']) {
      matchMedia(query).addEventListener('change', () => all('.heat', at('step-panel')).forEach((picture) => picture.replaceWith(colours.get(picture)())));
    }
    show(0);
    list();
  }

  document.addEventListener('click', (event) => {
    const button = event.target.closest('button[data-do]');
    if (button) act[button.dataset.do]?.(button);
  });

  // --- where one is -----------------------------------------------------------------------------------------------------

  const links = new Map(all('.bar li a').map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const [name, link] of links) name === entry.target.id ? link.setAttribute('aria-current', 'true') : link.removeAttribute('aria-current');
    }
  }, {rootMargin: '-30% 0px -60% 0px'});
  for (const section of all('main section')) seen.observe(section);
})();

// Texts whose contrast to what is behind them is below 4.5.
(() => {
  const parse = (c) => c.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => { v /= 255; return v <= .03928 ? v/12.92 : ((v + .055)/1.055)**2.4; })
    .reduce((sum, v, k) => sum + v*[.2126, .7152, .0722][k], 0);
  const behind = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  const faults = [];
  for (const e of document.querySelectorAll('main *, .bar *, footer *')) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || !e.getClientRects().length) continue;
    const style = getComputedStyle(e);
    const [a, b] = [parse(e.ownerSVGElement ? style.fill : style.color), behind(e)].map(light);
    const ratio = (Math.max(a, b) + .05)/(Math.min(a, b) + .05);
    if (ratio < 4.5) faults.push(`${ratio.toFixed(2)} ${e.localName} ${e.textContent.slice(0, 40)}`);
  }
  return faults;
})()

// What axe would say first: names, labels, ids, headings, landmarks, and no order of keys of its own.
(() => {
  const faults = [];
  const named = (e) => (e.getAttribute('aria-label') || e.textContent || (e.labels && e.labels.length)) ? true : false;
  for (const e of document.querySelectorAll('button, a, select, input, [role]')) {
    if (!named(e)) faults.push(`no name: ${e.outerHTML.slice(0, 80)}`);
  }
  for (const e of document.querySelectorAll('select, input')) {
    if (!e.labels.length && !e.getAttribute('aria-label')) faults.push(`no label: ${e.id}`);
  }
  const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push(`twice: ${id}`);
  const levels = [...document.querySelectorAll('h1, h2, h3, h4')].map((e) => +e.localName[1]);
  levels.forEach((level, k) => { if (k && level > levels[k - 1] + 1) faults.push(`level ${level} after ${levels[k - 1]}`); });
  if (levels.filter((level) => level === 1).length !== 1) faults.push('not one h1');
  for (const e of document.querySelectorAll('[aria-labelledby]')) {
    if (!document.getElementById(e.getAttribute('aria-labelledby'))) faults.push('labelled by nothing');
  }
  for (const e of document.querySelectorAll('th')) if (!e.textContent.trim()) faults.push('a column without a name');
  for (const e of document.querySelectorAll('[role=heading]')) if (!e.getAttribute('aria-level')) faults.push('a heading without a level');
  for (const e of document.querySelectorAll('main *')) {
    const scrolled = e.scrollWidth > e.clientWidth + 1 && ['auto', 'scroll'].includes(getComputedStyle(e).overflowX);
    if (scrolled && e.tabIndex < 0 && !e.querySelector('a, button, select, input, [tabindex]')) faults.push(`keys do not scroll ${e.localName}.${e.className}`);
  }
  for (const e of document.querySelectorAll('[tabindex]')) if (+e.getAttribute('tabindex') > 0) faults.push('tabindex > 0');
  if (!document.documentElement.lang || !document.title || !document.querySelector('main')) faults.push('page');
  return faults;
})()

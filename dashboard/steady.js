// Streamlit throws a figure away and draws a new one whenever a number in it changes. Until the new one is drawn, a picture of the
// old one covers its place: nothing flickers and nothing below it jumps. Room that a figure leaves empty is folded away.
(() => {
  if (window.ptlibSteady) return;
  window.ptlibSteady = true;
  const SPARE = 30;
  const pictures = new WeakMap();
  const placeOf = node => node.closest?.('[class*="st-key-steady-"]');
  const plotsIn = place => [...place.querySelectorAll('.js-plotly-plot:not(.steady-cover)')];
  // Streamlit hides the old figure before it takes it away.
  const plotIn = place => plotsIn(place).find(plot => !plot.closest('[data-retained]'));
  // By attribute: to measure would have the page laid out with every change. Plotly draws the rest before anything is painted.
  const drawn = place => plotIn(place)?.querySelector('.main-svg')?.getAttribute('height') > 50;

  // A figure has the room above its plot that its key takes on a telephone. What a wider window leaves empty of it is folded away.
  const LEAST = 16, CLEAR = 8;
  const HEAD = ['legend', 'colorbar', 'annotation', 'g-gtitle'].map(name => `.infolayer > .${name}`).join();
  const PLOT = '.cartesianlayer, .gl-container > *';
  const area = node => node.getBoundingClientRect();
  const fold = (place, plot) => {
    if (!plot?.isConnected || !plot.querySelector('.main-svg')) return;
    beside(plot);
    // What is drawn may reach beyond the plot unseen: it is asked only where no key stands above it.
    const keyed = plot.querySelector('.infolayer > :is(.legend, .colorbar)');
    const tops = [...plot.querySelectorAll(keyed ? HEAD : `${HEAD}, ${PLOT}`)].map(area).filter(one => one.height).map(one => one.top);
    const empty = Math.floor(Math.min(...tops) - area(plot).top) - CLEAR;
    const spare = tops.length && empty >= LEAST ? empty : 0;
    // The place stays when the figure in it is drawn anew. What fills the screen is not in its place.
    const away = area(plot).width > area(place).width + 1;
    const clip = spare && !away ? `inset(${spare}px 0px 0px)` : '';
    if (place.style.clipPath === clip && place.style.getPropertyValue('--folded') === `${spare}px`) return;
    place.style.clipPath = clip;
    place.style.setProperty('--folded', `${spare}px`);
    if (!away) place.style.marginTop = spare ? `-${spare}px` : '';
  };

  const moved = node => parseFloat(node.style.translate.split(' ')[1]) || 0;
  // A colour bar stands above the key. Where the window is wide enough for both in one line it comes down to the key's foot.
  const beside = plot => {
    const [bar, key] = ['colorbar', 'legend'].map(name => plot.querySelector(`.infolayer > .${name}`));
    if (!bar || !key) return;
    const one = area(bar), other = area(key), foot = one.bottom - moved(bar), head = one.top - moved(bar);
    const down = other.bottom - foot, to = down < LEAST || other.right + 2 * CLEAR > one.left ? 0 : down;
    // Plotly makes the words above the bar anew more often than the bar.
    const title = [...plot.querySelectorAll('.infolayer > .annotation')]
      .filter(node => Math.abs(area(node).bottom - moved(node) - head) < LEAST && area(node).right > one.left);
    for (const node of [bar, ...title]) if (Math.abs(moved(node) - to) >= 1) node.style.translate = `0 ${to}px`;
  };

  // Plotly says when it has drawn, also for another width; a plot that was emptied and filled again has to be asked again.
  const heard = new WeakMap();
  const listen = place => {
    for (const plot of plotsIn(place)) {
      if (!plot.on || heard.get(plot) === plot._ev) continue;
      heard.set(plot, plot._ev);
      plot.on('plotly_afterplot', () => fold(place, plot));
    }
  };

  // A copy, since plotly empties its node before it goes. Taken when the figure has come to rest.
  const keep = place => {
    const plot = plotIn(place);
    if (!plot?.querySelector('.main-svg') || plot.querySelector('canvas')) return;
    const copy = plot.cloneNode(true);
    copy.classList.add('steady-cover');
    copy.setAttribute('aria-hidden', 'true');
    copy.style.cssText = 'position:absolute;inset:0;z-index:1;pointer-events:none;overflow:hidden';
    pictures.set(place, { copy });
    // What has become a little lower, as when its key has lost an entry, keeps its place: nothing below it moves.
    const [height, own] = [place, plot].map(node => area(node).height);
    place.style.minHeight = `${height - own > SPARE ? own : height}px`;
  };

  const cover = place => {
    const picture = pictures.get(place);
    if (!picture || place.querySelector('.steady-cover')) return;
    place.style.position = 'relative';
    place.append(picture.copy);
    pictures.set(place, { ...picture, until: setTimeout(uncover, 15000, place) });
  };

  const uncover = place => {
    clearTimeout(pictures.get(place)?.until);
    place.querySelector('.steady-cover')?.remove();
  };

  const waiting = new Map();
  new MutationObserver(changes => {
    // What changes inside a picture, as under the pointer, is not looked at.
    const places = new Set(changes.filter(change => !(change.target instanceof SVGElement)).map(change => placeOf(change.target)));
    for (const place of places) {
      if (!place?.isConnected) continue;
      // Looked at again before the next picture is painted: most figures are drawn by then.
      listen(place);
      if (!drawn(place)) requestAnimationFrame(() => drawn(place) || cover(place));
      else {
        uncover(place);
        clearTimeout(waiting.get(place));
        waiting.set(place, setTimeout(() => { waiting.delete(place); fold(place, plotIn(place)); keep(place); }, 150));
      }
    }
  }).observe(document.body, { childList: true, subtree: true });
})();

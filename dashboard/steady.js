// Streamlit throws a figure away and draws a new one whenever a number in it changes. Until the new one is drawn, a picture of the
// old one covers its place: nothing flickers and nothing below it jumps. Room that a figure leaves empty is folded away.
(() => {
  if (window.ptlibSteady) return;
  window.ptlibSteady = true;
  const SPARE = 30;
  const pictures = new WeakMap();
  const placeOf = node => node.closest?.('[class*="st-key-steady-"]');
  // Streamlit hides the old figure before it takes it away.
  const plotIn = place => [...place.querySelectorAll('.js-plotly-plot:not(.steady-cover)')].find(plot => !plot.closest('[data-retained]'));
  // By attribute: to measure would have the page laid out with every change. Plotly draws the rest before anything is painted.
  const drawn = place => plotIn(place)?.querySelector('.main-svg')?.getAttribute('height') > 50;

  // A figure has the room above its plot that its key takes on a telephone. What a wider window leaves empty of it is folded away.
  const LEAST = 16, CLEAR = 8;
  const HEAD = ['legend', 'colorbar', 'annotation', 'g-gtitle'].map(name => `.infolayer > .${name}`).join();
  const PLOT = '.cartesianlayer, .gl-container > *';
  const area = node => node.getBoundingClientRect();
  const fold = place => {
    const plot = plotIn(place), box = plot?.closest('[data-testid="stElementContainer"]');
    if (!box || !drawn(place)) return;
    beside(plot);
    // What is drawn may reach beyond the plot unseen: it is asked only where no key stands above it.
    const keyed = plot.querySelector('.infolayer > :is(.legend, .colorbar)');
    const tops = [...plot.querySelectorAll(keyed ? HEAD : `${HEAD}, ${PLOT}`)].map(area).filter(one => one.height).map(one => one.top);
    const empty = Math.floor(Math.min(...tops) - area(plot).top) - CLEAR;
    const spare = tops.length && empty >= LEAST ? empty : 0;
    box.style.marginTop = spare ? `-${spare}px` : '';
    plot.style.clipPath = spare ? `inset(${spare}px 0 0 0)` : '';
    plot.querySelector('.modebar-container')?.style.setProperty('top', `${spare}px`);
    place.dataset.spare = spare;
  };

  // A colour bar stands above the key. Where the window is wide enough for both in one line it comes down to the key's foot.
  const beside = plot => {
    const [bar, key] = ['colorbar', 'legend'].map(name => plot.querySelector(`.infolayer > .${name}`));
    if (!bar || !key) return;
    const words = [...plot.querySelectorAll('.infolayer > .annotation')];
    [bar, ...words].forEach(node => node.style.translate = '');
    const one = area(bar), other = area(key), down = other.bottom - one.bottom;
    if (down < LEAST || other.right + 2 * CLEAR > one.left) return;
    const title = words.filter(node => Math.abs(area(node).bottom - one.top) < LEAST && area(node).right > one.left);
    [bar, ...title].forEach(node => node.style.translate = `0 ${down}px`);
  };
  const foldSoon = place => requestAnimationFrame(() => place.isConnected && fold(place));

  // A copy, since plotly empties its node before it goes. Taken when the figure has come to rest.
  const keep = place => {
    const plot = plotIn(place);
    if (!plot?.querySelector('.main-svg') || plot.querySelector('canvas')) return;
    const copy = plot.cloneNode(true);
    copy.classList.add('steady-cover');
    copy.setAttribute('aria-hidden', 'true');
    const { spare = 0 } = place.dataset;
    copy.style.cssText = `position:absolute;inset:${-spare}px 0 0 0;clip-path:inset(${spare}px 0 0 0);z-index:1;pointer-events:none;overflow:hidden`;
    pictures.set(place, { copy });
    // What has become a little lower, as when its key has lost an entry, keeps its place: nothing below it moves.
    const [height, own] = [place, plot].map(node => node.getBoundingClientRect().height);
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
      if (!drawn(place)) requestAnimationFrame(() => drawn(place) || cover(place));
      else {
        uncover(place);
        foldSoon(place);
        clearTimeout(waiting.get(place));
        waiting.set(place, setTimeout(() => { waiting.delete(place); keep(place); }, 150));
      }
    }
  }).observe(document.body, { childList: true, subtree: true });

  // A figure that is drawn wider or narrower has its key in other lines.
  new MutationObserver(changes => {
    const places = new Set(changes.filter(change => change.target.matches('.main-svg')).map(change => placeOf(change.target)));
    places.forEach(place => place && foldSoon(place));
  }).observe(document.body, { attributeFilter: ['width', 'height'], subtree: true });
})();

// Streamlit throws a figure away and draws a new one whenever a number in it changes. Until the new one is drawn, a picture of the
// old one covers its place: nothing flickers and nothing below it jumps.
(() => {
  if (window.ptlibSteady) return;
  window.ptlibSteady = true;
  const pictures = new WeakMap();
  const placeOf = node => node.closest?.('[class*="st-key-steady-"]');
  // Plotly puts its parts in place before it gives them their size.
  const drawn = place => place.querySelector('.js-plotly-plot:not(.steady-cover) .main-svg')?.getBoundingClientRect().height > 50;

  // A copy, since plotly empties its node before it goes. Taken when the figure has come to rest.
  const keep = place => {
    const plot = place.querySelector('.js-plotly-plot:not(.steady-cover)');
    if (!plot?.querySelector('.main-svg') || plot.querySelector('canvas')) return;
    const copy = plot.cloneNode(true);
    copy.classList.add('steady-cover');
    copy.setAttribute('aria-hidden', 'true');
    copy.style.cssText = 'position:absolute;inset:0;z-index:1;pointer-events:none;overflow:hidden';
    pictures.set(place, { copy, height: place.getBoundingClientRect().height });
  };

  const cover = place => {
    const picture = pictures.get(place);
    if (!picture || place.querySelector('.steady-cover')) return;
    place.style.position = 'relative';
    place.style.minHeight = `${picture.height}px`;
    place.append(picture.copy);
    const until = performance.now() + 15000;
    let frames = 0;
    const look = () => {
      frames = drawn(place) ? frames + 1 : 0;
      if (frames < 4 && performance.now() < until) return requestAnimationFrame(look);
      picture.copy.remove();
      place.style.minHeight = '';
    };
    requestAnimationFrame(look);
  };

  const waiting = new Map();
  new MutationObserver(changes => {
    for (const change of changes) {
      const place = placeOf(change.target);
      if (!place?.isConnected) continue;
      if (!drawn(place)) cover(place);
      else {
        clearTimeout(waiting.get(place));
        waiting.set(place, setTimeout(() => { waiting.delete(place); keep(place); }, 150));
      }
    }
  }).observe(document.body, { childList: true, subtree: true });
})();

// The study's page: filters its numbers and draws them. Names come from files and are only ever set as text.
"use strict";
(() => {
  const study = JSON.parse(document.getElementById("study").textContent);
  const main = document.getElementById("main");
  const look = new Map(study.types.map((kind) => [kind.name, kind]));
  const other = { colour: "#7F7F7F", symbol: "star" };
  const NUMBERS = 24;  // columns up to which cells are written
  const state = { plm: 0, types: new Set(), seeds: new Set(), words: "", show: "score", indicator: 0, space: 0, by: "type", prompt: 0 };
  let plm = study.plms[0];

  // Plotly reads a little HTML in labels.
  const safe = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const short = (text) => safe(text.length > 22 ? text.slice(0, 21) + "…" : text);
  const of = (kind) => look.get(kind) || other;
  const known = (values) => values.filter((value) => value !== null && Number.isFinite(value));
  const mean = (values) => { const there = known(values); return there.length ? there.reduce((a, b) => a + b, 0) / there.length : null; };
  const fixed = (value, places = 2) => (value === null ? "–" : value.toFixed(places).replace("-", "−"));

  function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (name in node && name !== "list") node[name] = value;
      else node.setAttribute(name, value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined));
    return node;
  }

  // ---- what passes the filters ----
  const matches = (name) => !state.words || name.toLowerCase().includes(state.words);
  const passes = (task) => state.types.has(task.type) && matches(task.name);
  const seedPasses = (seed) => seed === null || state.seeds.has(seed);
  const taskTypes = () => [...new Set([...plm.tasks, ...plm.sources].map((task) => task.type))];

  // ---- figures ----
  const drawings = [];
  function drawing(parent, id, caption) {
    const plot = make("div", { id, role: "img" });
    const words = make("figcaption", {}, caption || "");
    parent.append(make("figure", {}, plot, words));
    return { plot, words };
  }
  function put({ plot, words }, data, layout, caption, alt) {
    const config = { displaylogo: false, responsive: true, toImageButtonOptions: { format: "svg", filename: plot.id, width: 648, height: layout.height },
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };
    Plotly.react(plot, data, { template: study.template, ...layout }, config);
    plot.setAttribute("aria-label", alt || caption);
    words.textContent = caption;
  }
  function nothing({ plot, words }, caption) { Plotly.purge(plot); plot.replaceChildren(); words.textContent = caption; }
  const keys = (kinds, square) => kinds.map((kind) => ({ type: "scatter", x: [null], y: [null], mode: "markers", name: safe(kind), hoverinfo: "skip",
    marker: { color: of(kind).colour, symbol: square ? "square" : of(kind).symbol, size: 11 } }));
  // Lines of the legend, whose columns are as wide as its widest entry, beside the names of an axis and a colour bar.
  function lines(place, names, taken) {
    const room = Math.max(90, place.plot.clientWidth - taken), widths = names.map((name) => 42 + 6.6 * Math.min(name.length, 22));
    return widths.reduce((a, b) => a + b, 0) <= room ? 1 : Math.ceil(names.length / Math.max(1, Math.floor(room / Math.max(...widths))));
  }
  const legend = (height, rows) => ({ margin: { l: 8, r: 8, b: 8, t: rows * 19 + 24 }, legend: { y: 1 - (rows * 19 + 8) / height } });
  const scale = study.scale.map((tint, at) => [at / (study.scale.length - 1), tint]);

  // Black or white, whichever reads better on the scale (relative luminance of WCAG 2).
  function inkOn(share) {
    const place = Math.min(Math.max(share, 0), 1) * (study.scale.length - 1), low = Math.min(Math.floor(place), study.scale.length - 2);
    const parts = [0, 1, 2].map((at) => {
      const [one, two] = [low, low + 1].map((tint) => parseInt(study.scale[tint].slice(1 + 2 * at, 3 + 2 * at), 16) / 255);
      const level = one + (place - low) * (two - one);
      return level <= 0.04045 ? level / 12.92 : ((level + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2] > 0.179 ? "#111111" : "#FFFFFF";
  }

  function strips(rows, columns) {
    const shapes = [];
    const groups = (tasks) => tasks.reduce((found, task, at) => {
      if (at && tasks[at - 1].type === task.type) found[found.length - 1].end = at + 1; else found.push({ start: at, end: at + 1, type: task.type });
      return found;
    }, []);
    for (const { start, end, type } of groups(rows))
      shapes.push({ type: "rect", line: { width: 0 }, fillcolor: of(type).colour, xref: "paper", xsizemode: "pixel", xanchor: 0, x0: -10, x1: -5, y0: start - 0.5, y1: end - 0.5 });
    for (const { start, end, type } of groups(columns))
      shapes.push({ type: "rect", line: { width: 0 }, fillcolor: of(type).colour, yref: "paper", ysizemode: "pixel", yanchor: 1, y0: 5, y1: 10, x0: start - 0.5, x1: end - 0.5 });
    return shapes;
  }

  function matrix(place) {
    const targets = plm.tasks.filter(passes), names = new Set(plm.sources.map((task) => task.name));
    const extra = [...new Set(plm.scores.map((cell) => cell[0]))].filter((name) => !names.has(name))
      .map((name) => ({ name, type: name === "no prompt" ? "none" : "random" }));
    const rows = [...plm.sources.filter(passes), ...extra];
    if (!targets.length || rows.length === extra.length) return nothing(place, "No task passes the filters.");
    const relative = state.show !== "score", cells = new Map();
    for (const cell of plm.scores) {
      if (!seedPasses(cell[2])) continue;
      const key = JSON.stringify([cell[0], cell[1]]);
      if (!cells.has(key)) cells.set(key, []);
      cells.get(key).push(cell);
    }
    const z = [], text = [], hover = [], tints = { dark: [], light: [] };
    let there = 0;
    for (const row of rows) {
      const line = [], words = [], notes = [];
      for (const target of targets) {
        const found = cells.get(JSON.stringify([row.name, target.name])) || [], value = mean(found.map((cell) => cell[relative ? 7 : 3]));
        if (value !== null) there += 1;
        line.push(value);
        words.push(value === null ? "" : value.toFixed(2).replace(/^0/, ""));
        const one = found.length === 1 && !relative && found[0][4] !== null ? `<br>95 % interval ${fixed(found[0][4], 3)} to ${fixed(found[0][5], 3)}` : "";
        const several = found.length > 1 ? `<br>${found.length} prompts: ${fixed(Math.min(...found.map((c) => c[relative ? 7 : 3])), 3)} to ${fixed(Math.max(...found.map((c) => c[relative ? 7 : 3])), 3)}` : "";
        const n = found.length && found[0][6] !== null ? `<br>n = ${found[0][6]} each` : "";
        notes.push(`<b>${safe(row.name)}</b> on <b>${safe(target.name)}</b><br>${value === null ? "not there" : state.show + " " + fixed(value, 3) + one + several + n}`);
      }
      z.push(line); text.push(words); hover.push(notes);
    }
    const all = known(z.flat()), low = Math.min(0.25, ...all), high = relative ? Math.max(1.05, ...all) : Math.max(1, ...all);
    const kinds = [...new Set([...rows, ...targets].map((task) => task.type))].filter((kind) => kind !== "random" && kind !== "none");
    const keyLines = Math.max(2, lines(place, kinds, 270)), height = 172 + 19 * keyLines + 28 * rows.length, data = [];
    const base = { type: "heatmap", zmin: low, zmax: high, colorscale: scale, hoverinfo: "text", hovertext: hover };
    for (const ink of ["#111111", "#FFFFFF"]) {
      const mine = z.map((line) => line.map((value) => value !== null && inkOn((value - low) / (high - low)) === ink));
      data.push({ ...base, z: ink === "#111111" ? z : z.map((line, r) => line.map((value, c) => (mine[r][c] ? value : null))),
        text: text.map((line, r) => line.map((word, c) => (mine[r][c] ? word : "    "))), texttemplate: targets.length <= NUMBERS ? "%{text}" : undefined,
        textfont: { color: ink }, showscale: ink === "#111111", hoverinfo: ink === "#111111" ? "text" : "skip",
        colorbar: { orientation: "h", thickness: 9, len: 110, lenmode: "pixels", outlinewidth: 0, nticks: 5, x: 1, xanchor: "right", yref: "container",
          yanchor: "top", y: 1 - 22 / height, xpad: 4, ypad: 0, tickfont: { size: 11 } } });
    }
    const frames = [];
    rows.forEach((row, r) => targets.forEach((target, c) => {
      if (row.name === target.name) for (const [color, width] of [["#FFFFFF", 3.5], ["#111111", 1.5]])
        frames.push({ type: "rect", x0: c - 0.48, x1: c + 0.48, y0: r - 0.45, y1: r + 0.45, line: { color, width } });
    }));
    put(place, [...data, ...keys(kinds, true)], {
      height, ...legend(height, keyLines), shapes: [...strips(rows, targets), ...frames], plot_bgcolor: "#DDE2E8", dragmode: false,
      annotations: [{ text: relative ? "relative performance" : "score", x: 1, xref: "paper", xanchor: "right", xshift: -4, y: 1, yref: "paper", yanchor: "top", yshift: 19 * keyLines + 20, showarrow: false, font: { size: 12 } }],
      xaxis: { tickvals: targets.map((_, at) => at), ticktext: targets.map((task) => short(task.name)), autotickangles: [-40, -65, -90], range: [-0.5, targets.length - 0.5], title: { text: "target task" }, showgrid: false, fixedrange: true },
      yaxis: { tickvals: rows.map((_, at) => at), ticktext: rows.map((row) => short(row.name)), ticklabelstandoff: 11, range: [rows.length - 0.5, -0.5], title: { text: "source prompt" }, showgrid: false, fixedrange: true },
    }, `${relative ? "Score over the score of the target's own prompt" : "Score"} of each source prompt (row) on each task (column), mean over prompt seeds ${[...state.seeds].join(", ")}; ${plm.n}. Framed: a task's own prompt. ${there} of ${rows.length * targets.length} cells are there.`);
  }

  // Ranks with ties at their mean.
  function ranks(values) {
    const order = values.map((value, at) => [value, at]).sort((a, b) => a[0] - b[0]), found = new Array(values.length);
    for (let start = 0; start < order.length;) {
      let end = start;
      while (end < order.length && order[end][0] === order[start][0]) end += 1;
      for (let at = start; at < end; at += 1) found[order[at][1]] = (start + end - 1) / 2;
      start = end;
    }
    return found;
  }
  function spearman(x, y) {
    if (x.length < 3) return null;
    const [a, b] = [ranks(x), ranks(y)], middle = (x.length - 1) / 2;
    let top = 0, left = 0, right = 0;
    for (let at = 0; at < a.length; at += 1) { top += (a[at] - middle) * (b[at] - middle); left += (a[at] - middle) ** 2; right += (b[at] - middle) ** 2; }
    return left && right ? top / Math.sqrt(left * right) : null;
  }

  function scatter(place) {
    const pairs = plm.pairs, indicator = pairs.indicators[state.indicator], groups = new Map(), byTarget = [];
    const kept = pairs.tasks.map((name, at) => passes({ name, type: pairs.types[at] }));
    let count = 0;
    pairs.seeds.forEach((seed, s) => {
      if (!seedPasses(seed)) return;
      pairs.tasks.forEach((target, t) => {
        if (!kept[t]) return;
        const xs = [], ys = [];
        pairs.tasks.forEach((source, r) => {
          const x = indicator.values[s][r][t], y = pairs.transfer[s][r][t];
          if (!kept[r] || r === t || x === null || y === null) return;
          const same = pairs.types[r] === pairs.types[t], key = pairs.types[t] + (same ? "" : "-open");
          if (!groups.has(key)) groups.set(key, { type: pairs.types[t], same, x: [], y: [], text: [] });
          const group = groups.get(key);
          group.x.push(x); group.y.push(y); xs.push(x); ys.push(y);
          group.text.push(`<b>${safe(source)}</b> on <b>${safe(target)}</b>, seed ${seed}<br>${safe(indicator.label)} ${fixed(x, 3)}<br>transfer ${fixed(y, 3)}`);
          count += 1;
        });
        byTarget.push(spearman(xs, ys));
      });
    });
    if (!count) return nothing(place, "No pair passes the filters.");
    const defined = known(byTarget), rho = mean(byTarget), kinds = [...new Set([...groups.values()].map((group) => group.type))], keyLines = lines(place, kinds, 60), height = 430 + 19 * keyLines;
    const data = [...groups.values()].sort((a, b) => a.same - b.same).map((group) => ({ type: "scatter", mode: "markers", x: group.x, y: group.y, hovertext: group.text, hoverinfo: "text", showlegend: false,
      marker: { color: of(group.type).colour, symbol: of(group.type).symbol + (group.same ? "" : "-open"), size: 8, ...(group.same ? {} : { line: { width: 1.5 } }) } }));
    put(place, [...data, ...keys(kinds)], { height, ...legend(height, keyLines), hovermode: "closest",
      xaxis: { title: { text: safe(indicator.label) + " of source and target prompt" } }, yaxis: { title: { text: "transfer score" } } },
    `${count} pairs of a source prompt and another task, of the tasks and seeds that pass the filters. Mean per-target Spearman correlation of what is shown: ${fixed(rho)} (${defined.length} of ${byTarget.length} targets and seeds where it is defined; the interval over all targets is in the figure of indicators). Colour: type of the target; filled: the source's type is the same.`);
  }

  function space(place) {
    const drawn = plm.spaces[state.space], groups = new Map();
    const points = drawn.points.filter(([name, task, type, seed]) => (type === "random" || state.types.has(type)) && (task ? seedPasses(seed) : true) && (matches(task) || matches(name)));
    if (!points.length) return nothing(place, "No prompt passes the filters.");
    for (const point of points) {
      const key = state.by === "seed" ? "seed " + point[3] : point[2];
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(point);
    }
    const spare = ["#E69F00", "#A6761D", "#66A61E", "#F0E442", "#1B9E77", "#E7298A"], forms = ["circle", "square", "diamond", "cross", "x", "star"], keyLines = lines(place, [...groups.keys()], 40), height = 480 + 19 * keyLines;
    const data = [...groups].map(([key, part], at) => ({ type: "scatter", mode: "markers", name: safe(key), x: part.map((p) => p[4]), y: part.map((p) => p[5]),
      hovertext: part.map((p) => `<b>${safe(p[0])}</b><br>${safe(p[2])}`), hoverinfo: "text",
      marker: { size: 11, line: { color: "#FFFFFF", width: 1 }, color: state.by === "seed" ? spare[at % 6] : of(key).colour, symbol: state.by === "seed" ? forms[at % 6] : of(key).symbol } }));
    put(place, data, { height, ...legend(height, keyLines), hovermode: "closest", xaxis: { title: { text: drawn.method + " 1" }, showticklabels: false }, yaxis: { title: { text: drawn.method + " 2" }, showticklabels: false } },
      `${points.length} prompts by their ${drawn.of}: ${drawn.words}${drawn.trust === null ? "" : `, trustworthiness ${fixed(drawn.trust)}`}. The places were computed from all prompts. Points that lie near each other are alike; with UMAP and t-SNE, distances between far groups mean little.`);
  }

  const promptPasses = ([name, task, type, seed]) => (state.types.has(type) || !task) && seedPasses(seed) && (matches(task) || matches(name));
  function on(place) {
    const { prompts, order } = plm.neurons, kept = order.filter((at) => promptPasses(prompts[at]));
    if (kept.length < 2) return nothing(place, "Fewer than two prompts pass the filters.");
    const tasks = kept.map((at) => ({ type: prompts[at][2] })), names = kept.map((at) => prompts[at][0].split("/").pop());
    const z = kept.map((a) => kept.map((b) => (a === b || plm.neurons.on[a][b] < 0 ? null : plm.neurons.on[a][b]))), kinds = [...new Set(tasks.map((task) => task.type))];
    const keyLines = Math.max(2, lines(place, kinds, 270)), height = Math.min(900, 130 + 19 * keyLines + 16 * kept.length);
    const step = Math.max(1, Math.ceil(kept.length / 46)), ticks = kept.map((_, at) => at).filter((at) => at % step === 0), all = known(z.flat());
    put(place, [{ type: "heatmap", z, zmin: 0, zmax: Math.max(0.1, ...all), colorscale: scale, hoverinfo: "text",
      hovertext: z.map((line, r) => line.map((value, c) => `${safe(names[r])} and ${safe(names[c])}<br>ON ${fixed(value, 3)}`)),
      colorbar: { orientation: "h", thickness: 9, len: 110, lenmode: "pixels", outlinewidth: 0, nticks: 5, x: 1, xanchor: "right", yref: "container", yanchor: "top", y: 1 - 22 / height, xpad: 4, ypad: 0, tickfont: { size: 11 } } },
    ...keys(kinds, true)], { height, ...legend(height, keyLines), shapes: strips(tasks, tasks), dragmode: false,
      annotations: [{ text: "ON", x: 1, xref: "paper", xanchor: "right", xshift: -4, y: 1, yref: "paper", yanchor: "top", yshift: 19 * keyLines + 20, showarrow: false, font: { size: 12 } }],
      xaxis: { showticklabels: false, showgrid: false, title: { text: "prompts, in the same order" }, range: [-0.5, kept.length - 0.5], fixedrange: true },
      yaxis: { tickvals: ticks, ticktext: ticks.map((at) => short(names[at])), tickfont: { size: 11 }, ticklabelstandoff: 11, showgrid: false, range: [kept.length - 0.5, -0.5], fixedrange: true } },
    `Overlapping rate of activated neurons (ON) of every pair of ${kept.length} prompts, in the dendrogram order of all of them (average linkage); mean ${fixed(mean(z.flat()))}. Strips show the type.`);
  }
  function prompt(place) {
    const { prompts, shares, counts, width } = plm.neurons, z = shares[state.prompt], step = width / z[0].length, total = counts[state.prompt].reduce((a, b) => a + b, 0);
    const height = 90 + 34 * z.length;
    put(place, [{ type: "heatmap", z, x0: step / 2 - 0.5, dx: step, y0: 1, dy: 1, zmin: 0, zmax: Math.max(0.1, ...z.flat()), colorscale: scale, showscale: false,
      hovertemplate: "layer %{y}, around neuron %{x:.0f}: %{z:.0%} activated<extra></extra>" }],
    { height, margin: { l: 8, r: 8, t: 8, b: 8 }, dragmode: false, xaxis: { title: { text: "neuron" }, showgrid: false, range: [-0.5, width - 0.5], fixedrange: true },
      yaxis: { title: { text: "layer" }, tickvals: z.map((_, at) => at + 1), range: [z.length + 0.5, 0.5], showgrid: false, fixedrange: true } },
    `Share of activated neurons of ${prompts[state.prompt][0]} in bins along each layer: ${total} of ${width * z.length} are activated (${(100 * total / (width * z.length)).toFixed(1)} %).`);
  }

  // ---- the page ----
  function redraw() { for (const draw of drawings) draw(); }
  function choices(parent, label, options, key, change) {
    const node = make("select", { "aria-label": label, onchange: (event) => { state[key] = typeof state[key] === "number" ? Number(event.target.value) : event.target.value; change(); } },
      ...options.map(([value, words]) => make("option", { value, selected: value === state[key] }, words)));
    parent.append(make("div", { className: "choices" }, make("label", {}, label + " ", node)));
  }
  function section(id, title) { const node = make("section", { id }, make("h2", {}, title)); main.append(node); return node; }
  function ownDrawing(parent, id, draw) { const place = drawing(parent, id); const run = () => draw(place); drawings.push(run); return run; }

  function filters() {
    const box = (legendText, entries, chosen) => make("fieldset", {}, make("legend", {}, legendText), ...entries.map(([value, words, tint]) =>
      make("label", {}, make("input", { type: "checkbox", checked: chosen.has(value), value: String(value), onchange: (event) => { event.target.checked ? chosen.add(value) : chosen.delete(value); redraw(); } }),
        tint ? make("span", { className: "dot", style: `background:${tint}` }) : null, words)));
    const search = make("input", { type: "search", placeholder: "name of a task or prompt", "aria-label": "Filter by name", value: state.words, oninput: (event) => { state.words = event.target.value.trim().toLowerCase(); redraw(); } });
    const bar = make("div", { className: "bar", role: "search" });
    if (study.plms.length > 1) bar.append(make("label", {}, "PLM ", make("select", { "aria-label": "PLM", onchange: (event) => { state.plm = Number(event.target.value); build(); } },
      ...study.plms.map((one, at) => make("option", { value: at, selected: at === state.plm }, one.plm)))));
    bar.append(box("Types", taskTypes().map((kind) => [kind, kind, of(kind).colour]), state.types), box("Seeds", plm.seeds.map((seed) => [seed, String(seed)]), state.seeds), search,
      make("button", { type: "button", onclick: () => { state.words = ""; build(); } }, "Everything"));
    main.append(bar);
  }

  function build() {
    drawings.length = 0;
    for (const plot of main.querySelectorAll(".js-plotly-plot")) Plotly.purge(plot);
    main.replaceChildren();
    plm = study.plms[state.plm];
    Object.assign(state, { types: new Set(taskTypes()), seeds: new Set(plm.seeds), indicator: 0, space: 0, prompt: 0 });
    main.append(make("h1", {}, study.title), make("p", { className: "faint" }, `A study in one file, made by ptlib ${study.version}${plm.newest ? `, results up to ${plm.newest}` : ""}. It needs no network and no server.`));
    if (plm.published) main.append(make("p", { className: "faint" }, "Results as their authors published them; n and intervals were not recorded."));
    if (plm.synthetic) main.append(make("p", { className: "faint" }, "A zoo PLM: small, pre-trained by this project on generated text. It illustrates the method; its numbers are not the paper's, and its types of task are partly by design."));
    main.append(make("ul", { className: "facts" }, ...[[plm.plm, "PLM"], [String(plm.sources.length), "source tasks"], [String(plm.tasks.length), "target tasks"], [plm.seeds.join(", "), "prompt seeds"],
      [plm.n.replace(/^the /, ""), "n"], [plm.missing ? `${plm.missing} of ${plm.cells}` : "none", "cells missing"]].map(([value, what]) => make("li", {}, make("b", {}, value), what))));
    filters();
    const parts = [["overview", "Overview"], ["matrices", "Transfer"], ["correlations", "Correlation"], ["neurons", "Neurons"], ["projections", "Prompt space"]];
    main.append(make("nav", { "aria-label": "Parts" }, ...parts.map(([id, words]) => make("a", { href: "#" + id }, words))));
    const still = (parent, names) => {
      for (const figure of plm.static.filter((one) => names.includes(one.name))) {
        const box = make("div", {}, make("h3", {}, figure.title)), place = drawing(box, figure.name);
        parent.append(box);
        put(place, structuredClone(figure.data), structuredClone(figure.layout), figure.caption + " Of the whole selection; filters do not change it.");
      }
    };
    const overview = section("overview", "Overview");
    const two = make("div", { className: "two" });
    overview.append(two);
    still(two, ["own-against-baselines", "type-effect"]);
    const matrices = section("matrices", "Transfer");
    choices(matrices, "Show", [["score", "score"], ["relative performance", "relative performance"]], "show", redraw);
    ownDrawing(matrices, "transfer-matrix", matrix);
    still(matrices, ["type-blocks"]);
    const correlations = section("correlations", "Correlation");
    if (plm.pairs) {
      choices(correlations, "Indicator", plm.pairs.indicators.map((one, at) => [at, one.label]), "indicator", redraw);
      ownDrawing(correlations, "overlap-performance", scatter);
      still(correlations, ["indicators", "by-layer"]);
    } else correlations.append(make("p", { className: "faint" }, "Fewer than two tasks have an own prompt here."));
    const neurons = section("neurons", "Neurons");
    if (plm.neurons) {
      ownDrawing(neurons, "on-matrix", on);
      const one = [];
      choices(neurons, "Prompt", plm.neurons.prompts.map((entry, at) => [at, entry[0]]), "prompt", () => one[0]());
      one.push(ownDrawing(neurons, "neurons-overview", prompt));
    } else neurons.append(make("p", { className: "faint" }, "No stimulation of these prompts was computed."));
    const projections = section("projections", "Prompt space");
    if (plm.spaces.length) {
      choices(projections, "Projection", plm.spaces.map((one, at) => [at, `${one.of}, ${one.method}`]), "space", redraw);
      choices(projections, "Colour", [["type", "type"], ["seed", "seed"]], "by", redraw);
      ownDrawing(projections, "prompt-space", space);
    } else projections.append(make("p", { className: "faint" }, "Fewer than four prompts are here."));
    redraw();
    document.documentElement.dataset.ready = "yes";
  }
  let wait = 0, width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth === width) return;
    width = window.innerWidth;
    clearTimeout(wait);
    wait = setTimeout(redraw, 200);
  });
  build();
})();

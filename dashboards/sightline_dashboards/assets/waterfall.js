// The waterfall of a trace: one row a span, a tree that folds; positions arrive as shares of the trace, spans in columns.
// Of many rows only those in sight are in the document. All text goes in as text.
function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined && text !== null) node.textContent = text;
  return node;
}
const percent = (share) => `${(share * 100).toFixed(4)}%`;

const CRITICAL = 1, FAILED = 2, FLAGGED = 4, ORPHAN = 8; // as in waterfall.py
const LABEL_PX = 230; // two labels of marks fit beside each other from here on
const ROW_PX = 25;
const BOX_ROWS = 32; // more rows than these scroll in a box
const FOLDED_FROM = 400; // of more spans, branches without the critical path and without an error are folded at first
const BESIDE = 20; // rows that are drawn above and below those in sight

const kept = new WeakMap(); // root to what its reader folded, chose and looked for

function summary(data) {
  const box = element("div", "summary"), strip = element("div", "strip"), legend = element("div", "legend");
  for (const part of data.parts) {
    const piece = element("div");
    piece.style.width = percent(part.share);
    piece.style.background = part.colour;
    piece.title = part.text;
    strip.appendChild(piece);
    const entry = element("span"), mark = element("i");
    mark.style.background = part.colour;
    entry.append(mark, document.createTextNode(part.text));
    legend.appendChild(entry);
  }
  box.append(strip, legend);
  return box;
}

class Tree {
  constructor(data, state) {
    this.data = data;
    this.spans = data.spans;
    this.state = state;
  }

  hasChildren(place) {
    return this.spans.depth[place + 1] > this.spans.depth[place];
  }

  // Folds what leads neither to the chosen span nor to the critical path nor to an error; spans come before their children.
  foldAtFirst() {
    const { depth, flags, id } = this.spans, open = new Set();
    const above = [];
    for (let place = 0; place < id.length; place += 1) {
      above.length = depth[place];
      if (flags[place] & (CRITICAL | FAILED) || id[place] === this.data.selected) above.forEach((each) => open.add(each));
      above.push(place);
    }
    for (let place = 0; place < id.length; place += 1) {
      if (depth[place] && this.hasChildren(place) && !open.has(place)) this.state.folded.add(id[place]);
    }
  }

  foldAll(isFolded) {
    this.state.folded = new Set(isFolded ? this.spans.id.filter((_, place) => this.hasChildren(place)) : []);
  }

  // Places of the rows to show: those that nothing folds, or those whose name holds the words that are looked for.
  rows() {
    const { depth, id, name } = this.spans, found = [];
    const wanted = this.state.find.toLowerCase();
    if (wanted) {
      const holds = this.data.names.map((text) => text.toLowerCase().includes(wanted));
      for (let place = 0; place < id.length; place += 1) if (holds[name[place]]) found.push(place);
      return found;
    }
    let below = Infinity;
    for (let place = 0; place < id.length; place += 1) {
      if (depth[place] > below) continue;
      below = this.state.folded.has(id[place]) ? depth[place] : Infinity;
      found.push(place);
    }
    return found;
  }

  title(place) {
    const { spans, data } = this, flags = spans.flags[place];
    const notes = [data.names[spans.name[place]], data.stages[spans.stage[place]].text, data.durations[spans.took[place]],
      data.services[spans.service[place]]];
    if (flags & FAILED) notes.push(`error: ${data.errors[place]}`);
    if (flags & FLAGGED) notes.push("flagged by the guardrail");
    if (flags & ORPHAN) notes.push("its parent is not in the store");
    if (flags & CRITICAL) notes.push("on the critical path to the first token");
    return notes.join(" · ");
  }

  row(place, actions) {
    const { spans, data } = this, flags = spans.flags[place], failed = flags & FAILED ? " failed" : "";
    const colour = data.stages[spans.stage[place]].colour, id = spans.id[place];
    const row = element("button", `row${id === this.state.selected ? " selected" : ""}`);
    row.type = "button";
    row.title = this.title(place);
    row.dataset.place = place;
    row.onclick = () => actions.select(id);
    const name = element("div", `name${failed}`), dot = element("i");
    name.style.paddingLeft = `${6 + Math.min(spans.depth[place], 12) * 12}px`;
    dot.style.background = colour;
    const text = data.names[spans.name[place]];
    if (this.hasChildren(place) && !this.state.find) {
      const isFolded = this.state.folded.has(id), fold = element("span", "fold", isFolded ? "▸" : "▾");
      row.setAttribute("aria-expanded", String(!isFolded));
      fold.onclick = (event) => { event.stopPropagation(); actions.fold(id, !isFolded); };
      name.appendChild(fold);
    }
    name.append(dot, document.createTextNode(`${failed ? "✕ " : ""}${text}${flags & FLAGGED ? " ⚑" : ""}`));
    const track = element("div", "track");
    const bar = element("div", `bar${flags & CRITICAL ? " critical" : ""}${failed}`);
    const left = spans.left[place], width = spans.width[place], first = data.firsts[place];
    bar.style.left = percent(left);
    bar.style.width = percent(width);
    bar.style.background = first === undefined ? colour
      : `linear-gradient(90deg, ${colour} 0 ${percent(first)}, ${colour}66 ${percent(first)})`;
    const end = left + width, inside = end > 0.93 && left > 0.2;
    const took = element("span", `took${inside ? " before" : ""}${failed}`, data.durations[spans.took[place]]);
    took.style.left = percent(inside ? left : end);
    track.append(bar, took);
    row.append(name, track);
    return row;
  }
}

function tools(tree, show) {
  const bar = element("div", "tools"), find = element("input"), found = element("span", "dim");
  find.type = "search";
  find.placeholder = "Find a span";
  find.ariaLabel = "Find a span by its name";
  find.value = tree.state.find;
  find.oninput = () => { tree.state.find = find.value.trim(); show(true); };
  const buttons = [["Unfold all", false], ["Fold all", true]].map(([label, isFolded]) => {
    const button = element("button", "tool", label);
    button.type = "button";
    button.onclick = () => { tree.foldAll(isFolded); show(true); };
    return button;
  });
  bar.append(find, ...buttons, found);
  return [bar, (rows) => {
    const all = tree.spans.id.length;
    found.textContent = rows === all ? "" : `${rows.toLocaleString("en")} of ${all.toLocaleString("en")} spans shown`;
  }];
}

export default function (component) {
  const { parentElement, setTriggerValue } = component;
  const { selected, drawn } = JSON.parse(new TextDecoder().decode(component.data));
  const data = { ...drawn, selected };
  const root = parentElement.querySelector(".root");
  let state = kept.get(root);
  const isNew = !state;
  if (isNew) kept.set(root, state = { folded: new Set(), find: "", selected: data.selected, given: data.selected, top: 0 });
  if (state.given !== data.selected) state.selected = state.given = data.selected;
  const tree = new Tree(data, state);
  if (isNew && data.spans.id.length > FOLDED_FROM) tree.foldAtFirst();

  const head = element("div", "head"), ticks = element("div", "ticks");
  head.append(element("div", "name", data.title), ticks);
  for (const tick of data.ticks) {
    const label = element("span", "", tick.text);
    label.style.left = percent(tick.at);
    ticks.appendChild(label);
  }
  const view = element("div", "view"), box = element("div", "rows"), lines = element("div", "lines");
  const marks = element("div", "marks"), foot = element("div", "foot");
  box.appendChild(lines);
  view.append(box, marks);

  let rows = [], first = -1, last = -1;
  const actions = {
    select(id) {
      state.selected = id;
      draw(true);
      setTriggerValue("select", id);
    },
    fold(id, isFolded) {
      if (isFolded) state.folded.add(id); else state.folded.delete(id);
      show(false);
    },
  };
  function draw(isForced) {
    const isBoxed = rows.length > BOX_ROWS;
    const from = isBoxed ? Math.max(0, Math.floor(box.scrollTop / ROW_PX) - BESIDE) : 0;
    const until = isBoxed ? Math.min(rows.length, from + BOX_ROWS + 2 * BESIDE) : rows.length;
    if (!isForced && from === first && until === last) return;
    const focused = Number(root.getRootNode().activeElement?.dataset?.place ?? -1);
    first = from;
    last = until;
    lines.replaceChildren(...rows.slice(from, until).map((place) => tree.row(place, actions)));
    lines.style.transform = `translateY(${from * ROW_PX}px)`;
    if (focused >= 0) lines.querySelector(`[data-place="${focused}"]`)?.focus({ preventScroll: true });
  }
  const [bar, tell] = tools(tree, (isFromTop) => show(isFromTop));
  function show(isFromTop) {
    rows = tree.rows();
    const isBoxed = rows.length > BOX_ROWS;
    box.classList.toggle("boxed", isBoxed);
    box.style.height = `${Math.min(rows.length, BOX_ROWS) * ROW_PX}px`;
    lines.style.height = `${rows.length * ROW_PX}px`;
    if (isFromTop) box.scrollTop = 0;
    root.style.setProperty("--gutter", `${isBoxed ? box.offsetWidth - box.clientWidth : 0}px`);
    tell(rows.length);
    draw(true);
  }
  function reveal(place) {
    const at = rows.indexOf(place) * ROW_PX;
    if (at < box.scrollTop) box.scrollTop = at;
    if (at + ROW_PX > box.scrollTop + box.clientHeight) box.scrollTop = at + ROW_PX - box.clientHeight;
    draw(false);
  }
  box.onscroll = () => { state.top = box.scrollTop; draw(false); };
  box.onkeydown = (event) => {
    const place = Number(event.target.dataset?.place ?? -1);
    if (place < 0) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      const next = rows[rows.indexOf(place) + step];
      event.preventDefault();
      if (next === undefined) return;
      reveal(next);
      lines.querySelector(`[data-place="${next}"]`)?.focus({ preventScroll: true });
    } else if ((event.key === "ArrowLeft" || event.key === "ArrowRight") && tree.hasChildren(place)) {
      event.preventDefault();
      actions.fold(data.spans.id[place], event.key === "ArrowLeft");
    }
  };

  const trackPx = (root.clientWidth || 800) * 0.73 - 64;
  for (const mark of data.marks) {
    const line = element("div", "mark");
    line.style.left = percent(mark.at);
    marks.appendChild(line);
    const near = data.marks.some((other) => other.at < mark.at && (mark.at - other.at) * trackPx < LABEL_PX);
    const label = element("span", `${mark.at > 0.8 ? "end" : mark.at < 0.25 ? "start" : ""}${near ? " below" : ""}`, mark.text);
    if (near) foot.classList.add("two");
    label.style.left = percent(mark.at);
    foot.appendChild(label);
  }
  const parts = data.parts.length ? [summary(data)] : [];
  root.replaceChildren(...parts, ...(data.spans.id.length > BOX_ROWS ? [bar] : []), head, view, foot);
  show(false);
  const chosen = data.spans.id.indexOf(state.selected);
  if (isNew && chosen > 0) reveal(chosen); else box.scrollTop = state.top;
  draw(true);
}

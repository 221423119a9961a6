// The waterfall of a trace: one row a span; positions arrive as shares of the trace. All text goes in as text.
function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined && text !== null) node.textContent = text;
  return node;
}
const percent = (share) => `${(share * 100).toFixed(4)}%`;

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

const LABEL_PX = 230; // two labels of marks fit beside each other from here on

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".root");
  const parts = data.parts.length ? [summary(data)] : [];
  const head = element("div", "head"), ticks = element("div", "ticks");
  head.append(element("div", "name", data.title), ticks);
  for (const tick of data.ticks) {
    const label = element("span", "", tick.text);
    label.style.left = percent(tick.at);
    ticks.appendChild(label);
  }
  const rows = element("div", "rows");
  for (const span of data.rows) {
    const row = element("button", `row${span.selected ? " selected" : ""}`);
    row.type = "button";
    row.title = span.title;
    row.onclick = () => setTriggerValue("select", span.id);
    const name = element("div", `name${span.failed ? " failed" : ""}`), dot = element("i");
    name.style.paddingLeft = `${6 + Math.min(span.depth, 12) * 12}px`;
    dot.style.background = span.colour;
    name.append(dot, document.createTextNode(`${span.failed ? "✕ " : ""}${span.name}`));
    const track = element("div", "track");
    const bar = element("div", `bar${span.critical ? " critical" : ""}${span.failed ? " failed" : ""}`);
    bar.style.left = percent(span.left);
    bar.style.width = percent(span.width);
    bar.style.background = span.first === null ? span.colour
      : `linear-gradient(90deg, ${span.colour} 0 ${percent(span.first)}, ${span.colour}66 ${percent(span.first)})`;
    const end = span.left + span.width, inside = end > 0.93 && span.left > 0.2;
    const took = element("span", `took${inside ? " before" : ""}${span.failed ? " failed" : ""}`, span.took);
    took.style.left = percent(inside ? span.left : end);
    track.append(bar, took);
    row.append(name, track);
    rows.appendChild(row);
  }
  const trackPx = (root.clientWidth || 800) * 0.73 - 64;
  const marks = element("div", "marks"), foot = element("div", "foot");
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
  rows.appendChild(marks);
  root.replaceChildren(...parts, head, rows, foot);
}

// A table whose rows are links and whose headers sort. All text goes in as text, never as markup.
function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined && text !== null) node.textContent = text;
  return node;
}

const ticked = new WeakMap(); // root to the ids of the rows that are ticked, in the order in which they were

// The line below a table of which two rows can be ticked; returns it and what shows how many are.
function pairLine(data, chosen, compare) {
  const line = element("div", "pair"), words = element("span"), button = element("button", "compare", data.pair);
  line.setAttribute("role", "status");
  button.type = "button";
  button.onclick = () => compare([...chosen]);
  line.append(words, button);
  return [line, () => {
    line.hidden = !chosen.size;
    button.disabled = chosen.size !== 2;
    words.textContent = chosen.size === 2 ? "2 ticked" : "1 ticked: tick a second one";
  }];
}

// The line below a table by which it is taken as a file.
function filesLine(data, take) {
  const line = element("div", "files");
  if (data.note) line.appendChild(element("span", "", data.note));
  for (const file of data.files) {
    const button = element("button", "", file.label);
    button.type = "button";
    button.ariaLabel = `Download as ${file.label}`;
    button.title = button.ariaLabel;
    button.onclick = () => take(file.form);
    line.appendChild(button);
  }
  return line;
}

// The box above a table that leaves the rows that hold a text.
function findBox(data, body) {
  const find = element("input", "find");
  Object.assign(find, { type: "search", placeholder: data.find, ariaLabel: data.find });
  find.oninput = () => {
    const wanted = find.value.trim().toLowerCase();
    data.rows.forEach((row, i) => { body.rows[i].hidden = !row.cells.some((cell) => cell.toLowerCase().includes(wanted)); });
  };
  return find;
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".root");
  const table = element("table"), head = element("tr"), body = element("tbody");
  const there = new Set(data.rows.map((row) => row.id));
  const chosen = new Set([...(ticked.get(root) ?? [])].filter((id) => there.has(id)));
  ticked.set(root, chosen);
  const [pair, tell] = pairLine(data, chosen, (ids) => setTriggerValue("pair", ids));
  const take = (form) => setTriggerValue("take", form);
  const boxes = [];
  const tick = (box, id) => {
    if (box.checked) chosen.add(id); else chosen.delete(id);
    for (const each of boxes) each.disabled = chosen.size === 2 && !each.checked;
    tell();
  };
  if (data.pair) {
    const cell = element("th", "tick");
    cell.scope = "col";
    cell.ariaLabel = data.pair;
    head.appendChild(cell);
  }
  for (const column of data.columns) {
    const sorted = data.sort && data.sort.key === column.sort;
    const cell = element("th", `${column.number ? "number " : ""}${column.sort ? "sortable " : ""}${sorted ? "sorted" : ""}`);
    cell.scope = "col";
    if (column.sort) {
      const button = element("button", "", `${column.label}${sorted ? (data.sort.descending ? " ↓" : " ↑") : ""}`);
      button.onclick = () => setTriggerValue("sort", column.sort);
      cell.setAttribute("aria-sort", sorted ? (data.sort.descending ? "descending" : "ascending") : "none");
      cell.appendChild(button);
    } else {
      cell.textContent = column.label;
    }
    if (column.hint) cell.title = column.hint;
    head.appendChild(cell);
  }
  for (const row of data.rows) {
    const line = element("tr", row.open ? "link" : "");
    const open = (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      setTriggerValue("open", row.open);
    };
    if (data.pair) {
      const cell = element("td", "tick"), box = element("input");
      box.type = "checkbox";
      box.checked = chosen.has(row.id);
      box.ariaLabel = `Tick to compare: ${row.cells[0]}`;
      cell.onclick = (event) => event.stopPropagation();
      box.onchange = () => tick(box, row.id);
      boxes.push(box);
      cell.appendChild(box);
      line.appendChild(cell);
    }
    row.cells.forEach((value, i) => {
      const column = data.columns[i];
      const tone = row.tones && row.tones[i] ? row.tones[i] : value === "unknown" ? "unknown" : "";
      const cell = element("td", `${column.number ? "number " : ""}${column.mono ? "mono " : ""}${column.wrap ? "wrap " : ""}${tone}`);
      if (column.colour && row.colour) {
        const mark = element("span", "bar");
        mark.style.background = row.colour;
        mark.style.width = "8px";
        cell.appendChild(mark);
      }
      if (row.open && column.link) {
        const link = element("a", "", value);
        link.href = row.href;
        link.onclick = (event) => { event.stopPropagation(); open(event); };
        cell.appendChild(link);
      } else {
        cell.appendChild(document.createTextNode(value));
      }
      cell.title = (row.titles && row.titles[i]) || value;
      line.appendChild(cell);
    });
    if (row.open) line.onclick = open;
    body.appendChild(line);
  }
  const thead = element("thead");
  thead.appendChild(head);
  table.append(thead, body);
  const scroll = element("div", "scroll");
  scroll.appendChild(table);
  if (!data.rows.length) scroll.appendChild(element("div", "empty", data.empty));
  for (const box of boxes) box.disabled = chosen.size === 2 && !box.checked;
  tell();
  root.replaceChildren(...(data.find && data.rows.length ? [findBox(data, body)] : []), scroll, ...(data.pair ? [pair] : []), ...(data.files.length ? [filesLine(data, take)] : []));
}

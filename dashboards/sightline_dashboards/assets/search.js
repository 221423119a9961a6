// A search box that completes keys and values. All text goes in as text, never as markup.
const MOST = 8;
const AGAIN_MS = 2500, TRIES = 4;  // a run of the page that is cut off by another one may lose what was sent

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined && text !== null) node.textContent = text;
  return node;
}

// Where the term begins that the caret stands in: behind the last blank outside of quotes.
function termStart(text) {
  let start = 0, quoted = false;
  for (let i = 0; i < text.length; i++) {
    if (quoted && text[i] === "\\") i++;
    else if (text[i] === '"') quoted = !quoted;
    else if (!quoted && /\s/.test(text[i])) start = i + 1;
  }
  return start;
}

function quoted(value) {
  return /^[^\s"]+$/.test(value) ? value : `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

// What can stand in place of the term: values where it has a key, else keys.
function suggestions(term, data) {
  const pair = /^([\w.\-/]+):"?([^]*)$/.exec(term);
  if (pair) {
    const typed = pair[2].toLowerCase();
    const values = data.values[pair[1].toLowerCase()] || [];
    return values.filter((value) => value.toLowerCase().includes(typed) && value.toLowerCase() !== typed)
      .map((value) => ({ put: `${pair[1].toLowerCase()}:${quoted(value)} `, text: value, hint: "" }));
  }
  return data.keys.filter((key) => key.put.toLowerCase().startsWith(term.toLowerCase()) && key.put !== term)
    .map((key) => ({ put: key.put, text: key.put, hint: key.hint }));
}

function built(root) {
  const box = element("div", "box"), input = element("input"), list = element("ul"), error = element("p", "error");
  Object.assign(input, { type: "search", autocomplete: "off", spellcheck: false });
  for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-expanded", "false"],
    ["aria-controls", "suggested"], ["aria-label", "Search requests"]]) input.setAttribute(name, value);
  list.id = "suggested";
  list.setAttribute("role", "listbox");
  list.hidden = true;
  box.append(input, error, list);
  root.replaceChildren(box);
  const state = { input, list, error, data: null, send: null, active: -1, shown: [], typed: false, sent: null };

  const close = () => { list.hidden = true; state.active = -1; input.setAttribute("aria-expanded", "false"); };
  const send = (text, tries) => {
    clearTimeout(state.timer);
    state.sent = text.trim();
    state.send(text);
    state.timer = setTimeout(() => {
      if (state.sent !== null && tries < TRIES && root.isConnected) send(text, tries + 1);
      else state.sent = null;
    }, AGAIN_MS);
  };
  const submit = () => {
    close();
    const isNew = state.sent !== null || input.value.trim() !== state.data.value.trim();
    if (state.typed && isNew) send(input.value, 1);
    state.typed = false;
  };
  const choose = (number) => {
    const caret = input.selectionStart ?? input.value.length, before = input.value.slice(0, caret);
    const start = termStart(before), sign = before[start] === "-" ? "-" : "";
    const put = sign + state.shown[number].put;
    input.value = before.slice(0, start) + put + input.value.slice(caret);
    input.setSelectionRange(start + put.length, start + put.length);
    state.typed = true;
    input.focus();
    open();
  };
  const mark = () => [...list.children].forEach((item, number) => {
    item.setAttribute("aria-selected", number === state.active ? "true" : "false");
  });
  const open = () => {
    const before = input.value.slice(0, input.selectionStart ?? input.value.length);
    const term = before.slice(termStart(before)).replace(/^-/, "");
    state.shown = suggestions(term, state.data).slice(0, MOST);
    state.active = -1;
    list.replaceChildren(...state.shown.map((each, number) => {
      const item = element("li");
      item.setAttribute("role", "option");
      item.append(element("code", "", each.text), element("span", "", each.hint));
      item.onpointerdown = (event) => { event.preventDefault(); choose(number); };
      return item;
    }));
    list.hidden = !state.shown.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    mark();
  };
  input.onfocus = open;
  input.onclick = open;
  input.oninput = () => { state.typed = true; open(); };
  input.onblur = submit;
  input.onkeydown = (event) => {
    if ((event.key === "ArrowDown" || event.key === "ArrowUp") && !list.hidden) {
      const count = state.shown.length, step = event.key === "ArrowDown" ? 1 : -1;
      state.active = (state.active + step + count + (state.active < 0 && step < 0 ? 1 : 0)) % count;
      mark();
    } else if ((event.key === "Enter" || event.key === "Tab") && state.active >= 0) choose(state.active);
    else if (event.key === "Enter") { state.typed = true; submit(); return; }
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
  };
  return state;
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".root");
  const state = root.search || (root.search = built(root));
  state.data = data;
  state.send = (text) => setTriggerValue("search", { text });  // an object: an empty text alone would be no value
  state.input.placeholder = data.placeholder;
  if (state.sent === data.value.trim()) state.sent = null;
  if (!state.typed && state.sent === null) state.input.value = data.value;  // what is being typed, or was sent, stays
  state.input.setAttribute("aria-invalid", data.error ? "true" : "false");
  state.error.replaceChildren();
  if (data.error) {
    const rest = data.value.slice(data.error.at - 1);
    state.error.append(`At character ${data.error.at}`, rest ? ", " : "", rest ? element("mark", "", rest.slice(0, 24)) : "",
      `: expected ${data.error.expected}.`);
  }
}

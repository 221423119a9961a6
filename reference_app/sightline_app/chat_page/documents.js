// The documents of the tenant: uploads files to /v1/documents, shows how far each one is, and deletes.
// Names and messages are put in by textContent only, never as HTML.

const POLL_MS = 500;
const PATH = "v1/documents"; // relative, as all addresses of this page
const element = (id) => document.getElementById(id);
const rows = new Map(); // document id -> Row

class Row {
  constructor(name, headers) {
    this.node = element("document").content.firstElementChild.cloneNode(true);
    this.headers = headers;
    this.find(".name").textContent = name;
    this.find(".delete").onclick = () => this.remove();
    this.isGone = false;
    element("documents").querySelector("ul").prepend(this.node);
    count();
  }

  find(selector) {
    return this.node.querySelector(selector);
  }

  say(text, part = null) {
    this.find(".state").textContent = text;
    this.find("progress").hidden = part === null;
    if (part !== null) this.find("progress").value = part;
  }

  fail(text) {
    this.say(text);
    this.find(".state").classList.add("failed");
    if (!this.id) this.find(".delete").textContent = "Hide"; // it was refused: there is nothing to delete
    this.find(".delete").hidden = false;
  }

  show(told) {
    if (rows.has(told.id) && rows.get(told.id) !== this) this.drop(); // the same file was sent again
    else rows.set(told.id, this);
    this.id = told.id;
    this.find(".delete").hidden = false;
    if (told.state === "stored") this.say(`${told.passages} passage${told.passages === 1 ? "" : "s"}`);
    else if (told.state === "failed") this.fail(told.error);
    else if (told.error) this.say(`waits${told.attempts > 1 ? `, tried ${told.attempts} times` : ""}: ${told.error}`, 0);
    else if (told.state === "embedding") this.say(`embedding ${told.embedded} of ${told.passages}`, told.embedded / told.passages);
    else this.say(told.state, 0);
    return ["stored", "failed"].includes(told.state);
  }

  /** Ask until there is nothing left to do for the document. */
  async follow() {
    while (!this.isGone) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      const answer = await fetch(`${PATH}/${this.id}`, { headers: this.headers() }).catch(() => null);
      if (answer?.status === 404) return this.drop();
      if (answer?.ok && this.show(await answer.json())) return;
    }
  }

  async remove() {
    if (!this.id) return this.drop();
    const answer = await fetch(`${PATH}/${this.id}`, { method: "DELETE", headers: this.headers() }).catch(() => null);
    if (answer?.status === 204 || answer?.status === 404) this.drop();
    else if (answer?.ok) this.follow();
    else this.fail(`not deleted: ${await problem(answer)}`);
  }

  drop() {
    this.isGone = true;
    this.node.remove();
    if (rows.get(this.id) === this) rows.delete(this.id);
    count();
  }
}

function count() {
  const items = element("documents").querySelectorAll("li").length;
  element("documents").hidden = items === 0;
  element("documents").querySelector("summary").textContent = `${items} document${items === 1 ? "" : "s"}`;
}

async function problem(answer) {
  if (!answer) return "the server is not reachable";
  if (answer.status === 401) element("key-field").hidden = false;
  const told = await answer.json().catch(() => null);
  return told?.error?.message ?? `the server answered ${answer.status}`;
}

/** Send a file; only XMLHttpRequest says how much of it has left. */
function send(file, headers, progress) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("POST", `${PATH}?name=${encodeURIComponent(file.name)}`);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => progress(event.loaded / event.total);
    request.onload = () => resolve(new Response(request.responseText, { status: request.status }));
    request.onerror = () => resolve(null);
    request.send(new Blob([file])); // without a type: the server goes by the ending of the name
  });
}

async function upload(file, headers) {
  const row = new Row(file.name, headers);
  row.say("sending", 0);
  const answer = await send(file, headers(), (part) => row.say(part < 1 ? "sending" : "sent", part));
  if (!answer?.ok) return row.fail(await problem(answer));
  if (!row.show(await answer.json())) await row.follow();
}

async function list(headers) {
  const answer = await fetch(PATH, { headers: headers() }).catch(() => null);
  if (!answer?.ok) return;
  const { documents } = await answer.json();
  for (const told of documents.reverse()) {
    if (rows.has(told.id)) continue;
    const row = new Row(told.name, headers);
    if (!row.show(told)) row.follow();
  }
}

/** Let a reader add and delete documents; `headers` returns those of a request: the API key. */
export function addDocuments(headers) {
  const files = element("files");
  element("add-documents").addEventListener("click", () => files.click());
  files.addEventListener("change", async () => {
    element("documents").open = true;
    const chosen = [...files.files];
    files.value = "";
    for (const file of chosen) await upload(file, headers);
  });
  element("key").addEventListener("change", () => list(headers));
  list(headers);
}

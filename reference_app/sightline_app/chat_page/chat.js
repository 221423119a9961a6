// The chat page: asks /v1/chat, shows the stream of server-sent events, and sends the verdict of a reader.
// Text of users, models and documents is put in by textContent only, never as HTML.

import { addDocuments } from "./documents.js";
import { eventsOf } from "./events.js";
import { show } from "./markup.js";

const element = (id) => document.getElementById(id);
const conversation = element("conversation");
const question = element("question");
const RESUMES = 5;
const RESUME_AFTER_MS = 1000;
let session = stored("session") ?? renewed();
let running = null; // the turn that is answered now

function stored(name) {
  return sessionStorage.getItem(`chat.${name}`);
}

function renewed() {
  // crypto.randomUUID exists only where the page came over https or from the same machine.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const id = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  sessionStorage.setItem("chat.session", id);
  return id;
}

function keyHeaders() {
  const key = element("key").value.trim();
  return key ? { authorization: `Bearer ${key}` } : {};
}

function headers() {
  return { "content-type": "application/json", "x-session-id": session, ...keyHeaders() };
}

const seconds = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`);

class Turn {
  constructor(text) {
    this.node = element("turn").content.firstElementChild.cloneNode(true);
    this.find(".question").textContent = text;
    this.text = "";
    this.sources = [];
    this.ids = null;
    this.lastEvent = "0";
    this.aborter = new AbortController();
    this.began = performance.now();
    conversation.append(this.node);
    this.node.scrollIntoView({ block: "end" });
  }

  find(selector) {
    return this.node.querySelector(selector);
  }

  get isOpen() {
    return this.find(".answer").getAttribute("aria-busy") === "true";
  }

  get address() {
    return this.ids?.stream?.slice(1); // relative, as all addresses of this page
  }

  /** Take the events of a response; where it is lost, read on after the last event that came. */
  async follow(answer) {
    let resumes = RESUMES;
    for (;;) {
      try {
        for await (const [name, data, id] of eventsOf(answer.body)) {
          this.take(name, data);
          this.lastEvent = id;
          resumes = RESUMES;
        }
      } catch (problem) {
        if (this.aborter.signal.aborted) throw problem;
      }
      answer = null;
      while (!answer) {
        if (!this.isOpen || !this.address || resumes-- === 0) return;
        await new Promise((resolve) => setTimeout(resolve, RESUME_AFTER_MS));
        answer = await this.resumed();
      }
      if (!answer.ok || answer.status === 204) return;
    }
  }

  async resumed() {
    const { signal } = this.aborter;
    try {
      return await fetch(this.address, { headers: { ...headers(), "last-event-id": this.lastEvent }, signal });
    } catch (problem) {
      if (signal.aborted) throw problem;
      return null; // not reachable: perhaps the next time
    }
  }

  /** Stop reading, and stop the model. */
  stop() {
    this.aborter.abort();
    if (this.address) fetch(this.address, { method: "DELETE", headers: headers() }).catch(() => null);
  }

  take(name, data) {
    if (name === "meta") this.ids = data;
    else if (name === "sources") this.showSources(data);
    else if (name === "token") this.addWords(data.text);
    else if (name === "done") this.end(data);
    else if (name === "error") this.fail(data.message);
  }

  addWords(text) {
    if (!this.text) this.find(".first-token").textContent = `first word ${seconds(performance.now() - this.began)}`;
    this.text += text;
    this.draw();
  }

  draw() {
    const page = document.querySelector("main");
    const isAtEnd = page.scrollHeight - page.scrollTop - page.clientHeight < 80;
    show(this.find(".answer"), this.text, this.sources.length, (number) => this.openSource(number));
    if (isAtEnd) page.scrollTop = page.scrollHeight;
  }

  showSources(sources) {
    this.sources = sources;
    if (!sources.length) return;
    this.find(".sources").hidden = false;
    this.find(".sources summary").textContent = `${sources.length} passages`;
    this.find(".sources ol").replaceChildren(
      ...sources.map((source, place) => {
        const item = document.createElement("li");
        const title = document.createElement("strong");
        title.textContent = `[${place + 1}] ${source.title}`;
        const score = document.createElement("span");
        score.className = "score";
        score.textContent = ` score ${Number(source.score).toPrecision(3)}`;
        item.append(title, score);
        if (source.text) {
          const text = document.createElement("pre");
          text.textContent = source.text;
          item.append(text);
        }
        return item;
      }),
    );
  }

  openSource(number) {
    const list = this.find(".sources");
    list.open = true;
    const items = list.querySelectorAll("ol > li");
    items.forEach((item, place) => item.classList.toggle("shown", place === number - 1));
    items[number - 1].scrollIntoView({ block: "nearest", behavior: "smooth" });
  }

  end(done) {
    this.find(".total").textContent = `total ${seconds(performance.now() - this.began)}`;
    const usage = done.usage ?? {};
    if (usage.output_tokens !== undefined)
      this.find(".usage").textContent = `${usage.input_tokens} + ${usage.output_tokens} tokens`;
    if (done.finish_reason === "length") this.fail("The answer reached the longest length that is set.");
    if (done.conversation?.kept === false) this.fail("The conversation's memory is away: this turn was not kept.");
    element("model").textContent = done.note ?? "";
    element("model").classList.toggle("note", Boolean(done.note));
    this.close();
  }

  fail(message) {
    const failure = this.find(".failure");
    failure.textContent = [failure.textContent, message].filter(Boolean).join(" ");
    failure.hidden = false;
    this.close();
  }

  close() {
    this.find(".answer").setAttribute("aria-busy", "false");
    if (!this.ids?.trace_id) return;
    this.find("footer").hidden = false;
    const pages = document.body.dataset.dashboardsUrl;
    this.find(".trace").hidden = !pages;
    this.find(".trace").href = `${pages}/trace?trace=${encodeURIComponent(this.ids.trace_id)}`;
    for (const [selector, isGood] of [[".up", true], [".down", false]])
      this.find(selector).onclick = () => this.judge(selector, isGood);
  }

  async judge(selector, isGood) {
    const buttons = [this.find(".up"), this.find(".down")];
    buttons.forEach((button) => (button.disabled = true));
    const { trace_id, span_id } = this.ids;
    const body = JSON.stringify({ trace_id, span_id, helpful: isGood });
    try {
      const answer = await fetch("v1/feedback", { method: "POST", headers: headers(), body });
      if (!answer.ok) throw new Error((await answer.json()).error.message);
      this.find(selector).setAttribute("aria-pressed", "true");
      this.find(".thanks").textContent = "Thank you";
    } catch (problem) {
      buttons.forEach((button) => (button.disabled = false));
      this.find(".thanks").textContent = `not sent: ${problem.message}`;
    }
  }
}

async function ask(text) {
  element("empty").hidden = true;
  const turn = new Turn(text);
  running = turn;
  element("send").hidden = true;
  element("stop").hidden = false;
  try {
    const body = JSON.stringify({ question: text });
    const answer = await fetch("v1/chat", { method: "POST", headers: headers(), body, signal: turn.aborter.signal });
    if (!answer.ok) {
      if (answer.status === 401) element("key-field").hidden = false;
      const told = await answer.json().catch(() => null);
      const wait = answer.headers.get("retry-after");
      throw new Error((told?.error?.message ?? `the server answered ${answer.status}`) + (wait ? `; try again in ${wait} s` : ""));
    }
    await turn.follow(answer);
    if (turn.isOpen) turn.fail("The stream broke off.");
  } catch (problem) {
    turn.fail(problem.name === "AbortError" ? "Stopped." : problem.message);
  } finally {
    running = null;
    element("send").hidden = false;
    element("stop").hidden = true;
    question.focus();
  }
}

element("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = question.value.trim();
  if (!text || running) return;
  question.value = "";
  ask(text);
});

question.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    element("ask").requestSubmit();
  }
});

element("stop").addEventListener("click", () => running?.stop());

element("new-conversation").addEventListener("click", async () => {
  running?.stop();
  const old = headers();
  session = renewed();
  conversation.replaceChildren();
  element("empty").hidden = false;
  question.focus();
  await fetch("v1/conversation", { method: "DELETE", headers: old }).catch(() => null);
});

addDocuments(keyHeaders);
question.focus();

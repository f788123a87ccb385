// Streams answers into the chat. Without this file the same form posts and the whole page comes back.
// Everything that arrives is set as text, never as markup.

const find = (selector, within = document) => within.querySelector(selector);
const form = find("#ask");
const box = find("#text");
const send = find("#send");
const stop = find("#stop");
const log = find("#log");
const problem = find("#problem");
const status = find("#status");
const suggestions = find("#suggestions");
const words = form.dataset;
let running = null; // the AbortController of the answer being written

function show(element, text) {
  element.textContent = text;
  element.hidden = !text;
}

// A reader who has scrolled up to reread must not be pulled down again.
function atEnd() {
  return log.getBoundingClientRect().bottom < form.getBoundingClientRect().top + 80;
}

function follow(turn, wasAtEnd) {
  if (wasAtEnd) turn.scrollIntoView({ block: "end" });
}

function openTurn(question) {
  const turn = find("#turn").content.firstElementChild.cloneNode(true);
  find(".question [dir]", turn).textContent = question;
  turn.setAttribute("aria-busy", "true");
  find("#empty")?.remove();
  log.append(turn);
  follow(turn, true);
  return turn;
}

function setState(turn, state) {
  const verdict = find(".verdict", turn);
  turn.dataset.state = state;
  verdict.textContent = words[state] ?? state;
  verdict.classList.toggle("held", state === "withheld" || state === "refused");
}

function link(turn, selector, url) {
  const anchor = find(selector, turn);
  anchor.hidden = !url;
  if (url) anchor.href = url;
}

function notice(turn, { message, rule = "", obligations = [], appeal_url: appeal }) {
  find(".notice", turn).hidden = false;
  find(".notice .message", turn).textContent = message;
  find(".notice .rule", turn).textContent = rule;
  find(".notice .id", turn).textContent = obligations.join(" ");
  link(turn, ".appeal", appeal);
}

const apply = {
  start(turn, { exchange, at }) {
    const time = document.createElement("time");
    time.dateTime = at;
    time.textContent = `${at.slice(0, 10)} ${at.slice(11, 16)}`;
    find(".at", turn).replaceChildren(time);
    find(".mark .id", turn).textContent = exchange;
    link(turn, ".report", `/report/${encodeURIComponent(exchange)}`);
  },
  text(turn, { text }) {
    find(".answer", turn).append(text);
  },
  notice(turn, data) {
    setState(turn, data.state);
    notice(turn, data);
  },
  done(turn, { state, label, report_url: report }) {
    setState(turn, state);
    find(".seal", turn).textContent = label;
    link(turn, ".report", report);
  },
};

function parse(block) {
  let name = "";
  const data = [];
  for (const line of block.split(/\r?\n/)) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    if (line.startsWith("data:")) data.push(line.slice(5));
  }
  return name in apply ? [name, JSON.parse(data.join("\n"))] : null;
}

async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split(/\r?\n\r?\n/);
    rest = blocks.pop();
    yield* blocks.map(parse).filter(Boolean);
  }
}

// The server's own words about what is wrong are better than ours, where its page has them.
async function whyNot(response) {
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  return find("[data-problem], #problem:not([hidden])", page)?.textContent.trim() || words.failed;
}

async function write(turn, response) {
  let last = "";
  for await (const [name, data] of eventsOf(response)) {
    const wasAtEnd = atEnd();
    apply[name](turn, data);
    follow(turn, wasAtEnd);
    last = name;
  }
  if (last !== "done") throw new TypeError("the stream ended early");
  status.textContent = words[turn.dataset.state] || words.ready;
}

function takeBack(turn, text, why) {
  turn.remove();
  status.textContent = "";
  if (!box.value) box.value = text;
  show(problem, why);
}

function breakOff(turn, error) {
  setState(turn, "interrupted");
  status.textContent = words.interrupted;
  notice(turn, { message: error.name === "AbortError" ? words.stopped : words.broken });
}

async function ask(text) {
  const body = new FormData(form);
  body.set("text", text);
  running = new AbortController();
  const turn = openTurn(text);
  let started = false;
  try {
    const response = await fetch(form.action, {
      method: "POST",
      body: new URLSearchParams(body),
      headers: { Accept: "text/event-stream" },
      signal: running.signal,
    });
    if (response.redirected) return void location.assign(response.url);
    const streams = response.headers.get("Content-Type")?.startsWith("text/event-stream");
    if (!response.ok || !streams) return void takeBack(turn, text, await whyNot(response));
    started = true;
    await write(turn, response);
  } catch (error) {
    if (started || error.name === "AbortError") breakOff(turn, error);
    else takeBack(turn, text, words.offline);
  } finally {
    turn.removeAttribute("aria-busy");
    running = null;
    busy(false);
  }
}

// The two buttons share one place, so nothing moves; focus goes from one to the other.
function busy(is) {
  const focused = document.activeElement === (is ? send : stop);
  send.hidden = is;
  stop.hidden = !is;
  if (is) status.textContent = words.running;
  if (focused) (is ? stop : box).focus();
}

function begin(text) {
  show(problem, "");
  busy(true);
  ask(text);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = box.value;
  if (running || !text.trim()) return;
  box.value = "";
  begin(text);
});

suggestions?.addEventListener("submit", (event) => {
  event.preventDefault();
  if (running) return;
  begin(event.submitter.value);
  box.focus();
});

// While an input method is composing, Enter picks a candidate; 229 is how Safari says so.
box.addEventListener("keydown", (event) => {
  const composing = event.isComposing || event.keyCode === 229;
  if (event.key !== "Enter" || event.shiftKey || composing) return;
  event.preventDefault();
  if (!running) form.requestSubmit();
});

stop.addEventListener("click", () => running?.abort());

log.lastElementChild?.scrollIntoView({ block: "end" });

// The page: a list of thousands of files of which only what is seen is drawn, pushed as it changes; a sheet with
// one file; uploads. What comes from the ledger is set as text; the parts the server renders are escaped there.
"use strict";

const $ = (id) => document.getElementById(id);
const list = $("list"), sheet = $("sheet"), find = $("find");
const GAP = 16, CARD_WIDTH = 236, TEXT_HEIGHT = 78, PAGE = 100, AT_ONCE = 3, HIDDEN_MS = 2000;
const VIEWS = [["all", "All"], ["needs_you", "Needs you"], ["working", "In work"], ["waiting", "Waiting"],
  ["done", "Done"], ["cancelled", "Cancelled"]];
const MARKS = { queued: "·", running: "›", waiting: "›", parked: "‖", unconfirmed: "?", done: "✓", failed: "✗",
  cancelled: "–" };

async function ask(address, options = {}) {
  const answer = await fetch(address, options);
  if (answer.status === 401) location.assign("/sign-in");
  return answer;
}

function debounce(act, ms) {
  let timer = 0;
  return (...given) => { clearTimeout(timer); timer = setTimeout(() => act(...given), ms); };
}

// --- words for a moment ---------------------------------------------------------------------------

function toast(words, isBad = false) {
  const line = document.createElement("p");
  line.textContent = words;
  if (isBad) line.className = "bad";
  $("toasts").append(line);
  setTimeout(() => line.remove(), isBad ? 9000 : 5000);
}

function makeSure(words) {
  $("sure-words").textContent = words;
  $("sure").returnValue = "no";
  $("sure").showModal();
  return new Promise((answer) => {
    $("sure").addEventListener("close", () => answer($("sure").returnValue === "yes"), { once: true });
  });
}

async function command(asked) {
  try {
    const answer = await ask("/api/command", {
      method: "POST", headers: { "X-Dropscore": "1", "Content-Type": "application/json" },
      body: JSON.stringify(asked),
    });
    const said = await answer.json();
    if (said.question) return await makeSure(said.question) && command({ ...asked, sure: true });
    for (const line of (said.lines || []).slice(0, 3)) toast(line);
    if ((said.lines || []).length > 3) toast(`and ${said.lines.length - 3} more`);
    for (const line of (said.errors || (said.error ? [said.error] : [])).slice(0, 3)) toast(line, true);
    return answer.ok;
  } catch {
    toast("The page cannot reach its server.", true);
    return false;
  }
}

document.addEventListener("click", async (event) => {
  const target = event.target.closest("[data-command], [data-open], [data-close], [data-sentence]");
  if (!target) return;
  const said = target.dataset;
  if (said.open) return void openFile(said.open);
  if ("close" in said) return void sheet.close();
  if (said.sentence) return void putSentence(said.sentence);
  if (said.sure && !(await makeSure(said.sure))) return;
  const asked = { command: said.command };
  for (const name of ["job", "gate", "code", "state", "mood", "to"]) if (name in said) asked[name] = said[name];
  if ("resend" in said) asked.resend = true;
  target.disabled = true;
  await command(asked);
  target.disabled = false;
  refreshSheet();
});

// --- the list -------------------------------------------------------------------------------------

const state = { view: "all", query: "", total: 0, counts: {}, revision: 0 };
let rows = new Map();    // index → row
let cards = new Map();   // index → element
let asked = new Set();   // pages that are on their way
let shape = { columns: 1, width: CARD_WIDTH, height: 200 };

function measure() {
  const width = list.clientWidth || 300;
  const columns = Math.max(1, Math.floor((width + GAP) / (CARD_WIDTH + GAP)));
  const card = (width - GAP * (columns - 1)) / columns;
  const isNarrow = width < 520;
  shape = isNarrow ? { columns: 1, width, height: 92, isNarrow }
    : { columns, width: card, height: Math.round(card * 9 / 16) + TEXT_HEIGHT, isNarrow };
  list.classList.toggle("narrow", isNarrow);
  for (const card_ of cards.values()) card_.remove();
  cards.clear();
  draw();
}

function take(listing, replace) {
  if (replace) { rows = new Map(); asked.clear(); }
  Object.assign(state, { total: listing.total, counts: listing.counts, revision: listing.revision });
  listing.rows.forEach((row, at) => rows.set(listing.offset + at, row));
  showCounts();
  draw();
}

async function load(page, replace = false) {
  if (asked.has(page) && !replace) return;
  asked.add(page);
  const wanted = `${state.view}|${state.query}`;
  const query = new URLSearchParams({ view: state.view, query: state.query, offset: page * PAGE, limit: PAGE });
  try {
    const answer = await ask(`/api/files?${query}`);
    if (!answer.ok) throw new Error(answer.statusText);
    const listing = await answer.json();
    if (wanted === `${state.view}|${state.query}`) take(listing, replace);
  } catch {
    asked.delete(page);
  }
}

function visible() {
  const top = Math.max(0, -list.getBoundingClientRect().top);
  const step = shape.height + GAP, height = innerHeight;
  const first = Math.max(0, Math.floor((top - height / 2) / step)) * shape.columns;
  const last = Math.min(state.total, Math.ceil((top + height * 1.5) / step) * shape.columns);
  return [first, last];
}

// The list is asked for anew where it is looked at; what is elsewhere is asked for when it is scrolled to.
const reload = debounce(async () => {
  const [first, last] = visible();
  const pages = new Set([Math.floor(first / PAGE), Math.floor(Math.max(first, last - 1) / PAGE)]);
  const [one, ...others] = pages;
  asked.clear();
  await load(one, true);
  for (const page of others) load(page);
}, 120);

function draw() {
  const lines = Math.ceil(state.total / shape.columns);
  list.style.height = `${Math.max(0, lines * (shape.height + GAP) - GAP)}px`;
  const [first, last] = visible();
  for (const [index, card] of cards) {
    if ((index < first || index >= last) && !card.contains(document.activeElement)) {
      card.remove();
      cards.delete(index);
    }
  }
  for (let index = first; index < last; index++) {
    const row = rows.get(index);
    if (!row) { load(Math.floor(index / PAGE)); continue; }
    let card = cards.get(index);
    if (card && card.dataset.key !== row.key && !card.contains(document.activeElement)) {
      card.remove();
      card = null;
    }
    if (!card) {
      card = makeCard(row);
      cards.set(index, card);
      const after = [...list.children].find((other) => Number(other.dataset.index) > index);
      list.insertBefore(card, after || null);
    }
    place(card, index);
    fill(card, row);
  }
  const empty = $("empty");
  empty.hidden = state.total > 0;
  if (!state.total) {
    empty.textContent = state.query ? `No file is called “${state.query}”.`
      : state.view === "all" ? "No files yet." : "None at the moment.";
  }
}

function place(card, index) {
  const line = Math.floor(index / shape.columns), column = index % shape.columns;
  card.dataset.index = index;
  card.style.width = `${shape.width}px`;
  card.style.height = `${shape.height}px`;
  card.style.transform = `translate(${column * (shape.width + GAP)}px, ${line * (shape.height + GAP)}px)`;
  card.setAttribute("aria-posinset", index + 1);
  card.setAttribute("aria-setsize", state.total);
}

function make(tag, name, ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...children);
  return element;
}

function makeCard(row) {
  const card = make("div", "card");
  card.setAttribute("role", "listitem");
  card.dataset.key = row.key;
  const button = make("button", "open");
  const picture = make("span", "picture");
  const image = document.createElement("img");
  image.alt = "";
  image.loading = "lazy";
  image.decoding = "async";
  image.addEventListener("error", () => image.remove());
  image.src = `/media/${row.job}/poster`;
  picture.append(make("span", "blank", "♪"), image, make("span", "count"));
  button.append(picture, make("span", "name"), make("span", "line",
    make("span", "mark"), make("span", "word"), make("span", "why")), make("span", "bar", make("i")));
  button.addEventListener("click", () => openFile(card.dataset.key));
  card.append(button);
  return card;
}

function fill(card, row) {
  const version = `${row.updated}|${row.progress}|${row.state}|${row.versions}|${row.word}`;
  if (card.dataset.version === version) return;
  card.dataset.version = version;
  card.className = `card ${row.view} ${row.state}`;
  const name = card.querySelector(".name");
  name.textContent = "";
  const cut = Math.max(0, row.name.length - 10);   // names of one folder differ at their ends: cut in the middle
  name.append(make("span", "head", row.name.slice(0, cut)), make("span", "tail", row.name.slice(cut)));
  name.title = row.folder ? `${row.folder}/${row.name}` : row.name;
  card.querySelector(".mark").textContent = MARKS[row.state];
  card.querySelector(".word").textContent = row.word;
  card.querySelector(".why").textContent = row.view === "needs_you" ? row.message : row.folder;
  card.querySelector(".count").textContent = row.versions > 1 ? `${row.versions} versions` : "";
  card.querySelector(".bar").hidden = row.view !== "working";
  card.querySelector(".bar i").style.width = `${Math.round(row.progress * 100)}%`;
}

function showCounts() {
  for (const button of document.querySelectorAll(".views button")) {
    const count = state.counts[button.value] || 0;
    button.querySelector("b").textContent = count.toLocaleString("en");
    button.hidden = !count && button.value !== "all" && button.value !== state.view;
  }
  const drop = $("drop");
  if (drop) drop.classList.toggle("small", (state.counts.all || 0) > 0);
}

for (const [value, word] of VIEWS) {
  const button = make("button", "view", word, " ", make("b"));
  button.value = value;
  button.type = "button";
  button.setAttribute("aria-pressed", String(value === "all"));
  button.addEventListener("click", () => {
    state.view = value;
    for (const other of document.querySelectorAll(".views button")) {
      other.setAttribute("aria-pressed", String(other === button));
    }
    load(0, true);
  });
  document.querySelector(".views").append(button);
}
find.addEventListener("input", debounce(() => { state.query = find.value.trim(); load(0, true); }, 60));

let isDrawing = false;
addEventListener("scroll", () => {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => { isDrawing = false; draw(); });
}, { passive: true });
addEventListener("resize", debounce(measure, 80));

list.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: shape.columns, ArrowUp: -shape.columns }[event.key];
  const card = event.target.closest(".card");
  if (!step || !card) return;
  const index = Number(card.dataset.index) + step;
  if (index < 0 || index >= state.total) return;
  event.preventDefault();
  const goal = Math.floor(index / shape.columns) * (shape.height + GAP) + list.getBoundingClientRect().top;
  if (goal < 80 || goal + shape.height > innerHeight) scrollBy(0, goal - innerHeight / 3);
  draw();
  const focus = () => cards.get(index)?.querySelector("button").focus({ preventScroll: true });
  if (cards.has(index)) focus(); else setTimeout(focus, 150);
});

// --- what is pushed -------------------------------------------------------------------------------

function onRows(pushed) {
  const places = new Map();
  for (const [index, row] of rows) places.set(row.key, index);
  let isStale = pushed.more || false;
  for (const row of pushed.rows) {
    const index = places.get(row.key);
    if (index === undefined) isStale = true;
    else {
      rows.set(index, row);
      if (state.view !== "all" && row.view !== state.view) isStale = true;
    }
    for (const line of $("uploads").children) if (line.dataset.taken === row.name) line.remove();
    if (row.key === shown.key) refreshSheet();
  }
  state.counts = pushed.counts;
  state.revision = pushed.revision;
  showCounts();
  draw();
  if (isStale) reload();
}

function onPanel({ name, html }) {
  const panel = $(name), focused = panel.contains(document.activeElement) ? document.activeElement.id : "";
  panel.innerHTML = html;
  if (focused) $(focused)?.focus({ preventScroll: true });
}

// A tab that nobody sees holds no stream: a browser opens six connections to a page, for all its tabs together.
let events = null;
function listen() {
  if (document.hidden || (events && events.readyState !== EventSource.CLOSED)) return;
  events = new EventSource("/api/events");
  let wasLost = false;
  events.addEventListener("hello", (event) => {
    if (JSON.parse(event.data).revision !== state.revision) reload();
  });
  events.addEventListener("rows", (event) => onRows(JSON.parse(event.data)));
  events.addEventListener("panel", (event) => onPanel(JSON.parse(event.data)));
  events.addEventListener("note", (event) => {
    const { words, name } = JSON.parse(event.data);
    for (const line of $("uploads").children) if (line.dataset.taken === name) line.remove();
    toast(words);
  });
  events.addEventListener("file", (event) => { if (JSON.parse(event.data).key === shown.key) refreshSheet(); });
  events.addEventListener("ledger", (event) => { $("away").hidden = !JSON.parse(event.data).away; });
  events.addEventListener("open", () => { $("away").hidden = true; if (wasLost) reload(); wasLost = false; });
  events.addEventListener("error", () => {
    wasLost = true;
    $("away").hidden = false;
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  });
}
addEventListener("pagehide", () => events?.close());
addEventListener("pageshow", (event) => { if (event.persisted) listen(); });
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) listen();
  else setTimeout(() => { if (document.hidden) events?.close(); }, HIDDEN_MS);
});

// --- one file -------------------------------------------------------------------------------------

const shown = { key: "", parts: new Map(), player: null };

async function openFile(key) {
  Object.assign(shown, { key, parts: new Map(), player: null });
  $("sheet-body").textContent = "";
  await refreshSheet();
  if (!sheet.open && shown.parts.size) sheet.showModal();
  $("sheet-name")?.focus();
}

let isRefreshing = false, isWanted = false;
async function refreshSheet() {
  if (!shown.key) return;
  if (isRefreshing) { isWanted = true; return; }
  isRefreshing = true;
  try {
    const key = shown.key;
    const answer = await ask(`/files/${encodeURIComponent(key)}`);
    if (answer.ok && key === shown.key) putParts(await answer.text());
    else if (!answer.ok) toast("That file is not there any more.", true);
  } catch { /* the stream of events tells that the server is away */ }
  isRefreshing = false;
  if (isWanted) { isWanted = false; refreshSheet(); }
}

// Only a part that changed is put in: what plays goes on playing, and what is typed stays.
function putParts(html) {
  const body = $("sheet-body"), holder = document.createElement("template");
  holder.innerHTML = html;
  const fresh = new Map();
  let before = null;
  for (const part of holder.content.querySelectorAll("[data-part]")) {
    const name = part.dataset.part, text = part.outerHTML;
    fresh.set(name, text);
    let old = body.querySelector(`[data-part="${name}"]`);
    if (shown.parts.get(name) !== text || !old) {
      const box = old?.querySelector("input"), typed = box && box.value !== box.defaultValue ? box.value : "";
      const focused = old?.contains(document.activeElement) ? document.activeElement.id : "";
      const isOpen = old?.querySelector("details")?.open;
      const next = document.importNode(part, true);
      if (old) old.replaceWith(next);
      else if (before) before.after(next);
      else body.prepend(next);
      old = next;
      if (typed && next.querySelector("input")) next.querySelector("input").value = typed;
      if (isOpen) next.querySelector("details").open = true;
      if (name === "player") equipPlayer(next);
      if (focused) $(focused)?.focus();
    }
    before = old;
  }
  for (const old of body.querySelectorAll("[data-part]")) if (!fresh.has(old.dataset.part)) old.remove();
  shown.parts = fresh;
}

function equipPlayer(part) {
  const player = part.querySelector(".player");
  if (!player) return;
  const sides = JSON.parse(player.dataset.sides);
  const element = document.createElement("sound" in player.dataset ? "audio" : "video");
  element.controls = true;
  element.preload = "auto";
  element.setAttribute("playsinline", "");
  element.setAttribute("aria-label", player.dataset.name);
  if (element.tagName === "VIDEO") element.poster = player.dataset.poster;
  element.src = sides[sides.length - 1][1];
  player.append(element);
  shown.player = addSwitch(player, sides, sides.length - 1);
  player.addEventListener("error", (event) => {
    if (!event.target.error) return;
    const side = sides[shown.player.index()][0];
    toast(`Your browser cannot play this file (${side}); it is whole all the same.`, true);
  }, true);
  const sound = part.querySelector(".sound");
  if (sound) loadSound(sound, player);
}

async function loadSound(sound, player) {
  const answer = await ask(`/files/${encodeURIComponent(shown.key)}/sound?job=${sound.dataset.soundOf}`);
  if (!answer.ok) return;
  sound.innerHTML = await answer.text();
  const waves = sound.querySelector(".waves");
  if (!waves) return;
  const length = Number(waves.dataset.length);
  for (const drawing of waves.querySelectorAll("svg")) {
    const head = document.createElementNS("http://www.w3.org/2000/svg", "path");
    head.setAttribute("class", "head");
    drawing.append(head);
    drawing.addEventListener("click", (event) => {
      const box = drawing.getBoundingClientRect();
      shown.player.current().currentTime = length * (event.clientX - box.left) / box.width;
    });
  }
  const follow = () => {
    if (!shown.player || !waves.isConnected) return;
    const at = 1000 * shown.player.current().currentTime / length;
    for (const head of waves.querySelectorAll(".head")) head.setAttribute("d", `M${at.toFixed(1)} 0V44`);
  };
  for (const kind of ["timeupdate", "seeked"]) player.addEventListener(kind, follow, true);
}

function putSentence(sentence) {
  const box = $("sentence"), hole = sentence.indexOf('""');
  box.value = sentence;
  box.focus();
  if (hole >= 0) box.setSelectionRange(hole + 1, hole + 1);
}

document.addEventListener("submit", async (event) => {
  const form = event.target.closest(".hear");
  if (!form) return;
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  const begun = await command({ command: "preview", job: form.dataset.job, moods: form.querySelector("input").value });
  button.disabled = begun;
  refreshSheet();
});

document.addEventListener("submit", async (event) => {
  const form = event.target.closest(".say");
  if (!form) return;
  event.preventDefault();
  const box = form.querySelector("input"), sentence = box.value.trim();
  if (!sentence) { box.focus(); return; }
  const button = form.querySelector("button.main");
  button.disabled = true;
  if (await command({ command: "tweak", job: form.dataset.job, sentence })) box.value = "";
  button.disabled = false;
  refreshSheet();
});
// One sounds at a time.
sheet.addEventListener("play", (event) => {
  for (const element of sheet.querySelectorAll("video, audio")) if (element !== event.target) element.pause();
}, true);
sheet.addEventListener("close", () => {
  for (const element of sheet.querySelectorAll("video, audio")) element.pause();
  const card = [...cards.values()].find((one) => one.dataset.key === shown.key);
  shown.key = "";
  $("sheet-body").textContent = "";
  card?.querySelector("button").focus({ preventScroll: true });
});
sheet.addEventListener("click", (event) => { if (event.target === sheet) sheet.close(); });
sheet.addEventListener("keydown", (event) => {
  if (event.key !== "b" || event.target.matches("input, textarea") || !shown.player) return;
  shown.player.change((shown.player.index() + 1) % shown.player.count);
});

// --- uploads --------------------------------------------------------------------------------------

const queue = [];
let sending = 0, refused = 0;

function send(files) {
  refused = 0;
  for (const [file, name] of files) {
    const words = make("span", "name", name), bar = document.createElement("progress");
    bar.max = 1;
    bar.value = 0;
    bar.setAttribute("aria-label", `Upload of ${name}`);
    const line = make("li", "", words, bar, make("span", "word", "waiting"));
    line.hidden = $("uploads").children.length >= 8;
    $("uploads").append(line);
    queue.push({ file, name, line, bar });
  }
  pump();
}

function pump() {
  while (sending < AT_ONCE && queue.length) {
    sending++;
    upload(queue.shift()).finally(() => { sending--; pump(); });
  }
}

function upload({ file, name, line, bar }) {
  return new Promise((done) => {
    const request = new XMLHttpRequest(), word = line.querySelector(".word");
    line.hidden = false;
    word.textContent = "uploading";
    request.upload.addEventListener("progress", (event) => { if (event.total) bar.value = event.loaded / event.total; });
    request.addEventListener("load", () => {
      let said = {};
      try { said = JSON.parse(request.responseText); } catch { /* no words of ours */ }
      if (request.status === 200) {
        bar.remove();
        word.textContent = "in the inbox";
        line.dataset.taken = said.name.split("/").pop();
        setTimeout(() => line.remove(), 20000);
      } else {
        line.remove();
        if (said.code === "bad_name" && ++refused > 3) { if (refused === 4) toast("More files are no media and were left out.", true); }
        else toast((said.errors || [said.error || `${name}: it could not be taken`])[0], true);
      }
      done();
    });
    request.addEventListener("error", () => { line.remove(); toast(`${name}: the connection was lost; drop it again.`, true); done(); });
    request.open("POST", "/api/upload");
    request.setRequestHeader("X-Dropscore", "1");
    request.setRequestHeader("X-Name", encodeURIComponent(name));
    request.setRequestHeader("X-Inbox", $("inbox")?.value || "0");
    request.send(file);
  });
}

async function walk(entry, into, prefix = "") {
  if (entry.isFile) {
    const file = await new Promise((found, lost) => entry.file(found, lost));
    if (!file.name.startsWith(".")) into.push([file, prefix + file.name]);
    return;
  }
  const reader = entry.createReader();
  for (;;) {  // a reader answers at most 100 entries at once
    const some = await new Promise((found, lost) => reader.readEntries(found, lost));
    if (!some.length) return;
    for (const inner of some) await walk(inner, into, `${prefix}${entry.name}/`);
  }
}

if ($("drop")) {
  let depth = 0;
  const holdsFiles = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  addEventListener("dragenter", (event) => { if (holdsFiles(event)) { depth++; document.body.classList.add("over"); } });
  addEventListener("dragleave", () => { depth = Math.max(0, depth - 1); if (!depth) document.body.classList.remove("over"); });
  addEventListener("dragover", (event) => { if (holdsFiles(event)) event.preventDefault(); });
  addEventListener("drop", async (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    depth = 0;
    document.body.classList.remove("over");
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const files = [];
    if (entries.length) for (const entry of entries) await walk(entry, files);
    else for (const file of event.dataTransfer.files) files.push([file, file.name]);
    send(files);
  });
  $("pick-files").addEventListener("change", (event) => {
    send([...event.target.files].map((file) => [file, file.name]));
    event.target.value = "";
  });
  $("pick-folder").addEventListener("change", (event) => {
    const files = [...event.target.files].filter((file) => !file.name.startsWith("."));
    send(files.map((file) => [file, file.webkitRelativePath || file.name]));
    event.target.value = "";
  });
}

// --- the two halves -------------------------------------------------------------------------------

function showHalf() {
  const half = location.hash === "#operations" ? "operations" : "files";
  $("files").hidden = half !== "files";
  $("operations").hidden = half !== "operations";
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${half}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  scrollTo(0, 0);
  if (half === "files") measure();
}
addEventListener("hashchange", showHalf);

take(JSON.parse(list.dataset.listing), true);
showHalf();
listen();

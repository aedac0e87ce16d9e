#pragma once

#include <string_view>

namespace ferry::http {

// What the page of a directory has more for whoever may change something in it. All of it is hidden
// until the script shows it: without scripts there are no dead controls.

inline constexpr std::string_view writing_style = R"css(
:root { --bad: #b3261e }
@media (prefers-color-scheme: dark) { :root { --bad: #ff8a80 } }
#work { margin-bottom: .75rem }
#work > div { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center }
#work button, dialog button { border: 1px solid var(--line); border-radius: 6px;
  padding: .3rem .75rem; color: inherit; background: var(--over) }
#work p { margin-left: .25rem }
#done:not(:empty) { flex-basis: 100% }
#jobs { list-style: none; margin: .5rem 0 0; padding: 0; max-height: 40vh; overflow: auto }
#jobs li { display: grid; grid-template-columns: minmax(0, 1fr) 10rem 10rem 5.5rem;
  gap: .25rem .75rem; align-items: center; min-height: 2.5rem; padding: .3rem .25rem;
  border-bottom: 1px solid var(--line) }
#jobs bdi { overflow-wrap: anywhere }
#jobs span { color: var(--dim); font-variant-numeric: tabular-nums }
#jobs .failed span { grid-column: 2 / 4; color: var(--bad) }
#jobs button { padding: .1rem .5rem; justify-self: end }
progress { width: 100%; accent-color: var(--link) }
td.more { padding: .25rem 0 }
.more button { color: var(--dim); padding: .15rem .6rem; border-radius: 6px }
.more button:hover { color: var(--text); background: var(--line); text-decoration: none }
dialog { width: 28rem; max-width: calc(100vw - 2rem); padding: 1.25rem; color: var(--text);
  background: var(--back); border: 1px solid var(--line); border-radius: 10px }
dialog::backdrop { background: rgb(0 0 0 / .5) }
dialog form { flex-direction: column; gap: 1rem }
dialog p { color: inherit; overflow-wrap: anywhere }
dialog input { width: 100% }
dialog label { display: flex; gap: .5rem; align-items: center; color: var(--dim) }
dialog label input { width: auto }
dialog menu { display: flex; flex-wrap: wrap; gap: .5rem; margin: 0; padding: 0 }
dialog menu :last-child { margin-left: auto }
.over::after { content: "Drop to upload"; position: fixed; inset: .5rem; display: grid;
  place-items: center; font-size: 1.5rem; border: 3px dashed var(--link); border-radius: 12px;
  background: color-mix(in srgb, var(--back) 85%, transparent); pointer-events: none }
@media (max-width: 40rem) {
  #hint { display: none }
  #jobs li { grid-template-columns: minmax(0, 1fr) 9.5rem }
  #jobs bdi { grid-area: 1 / 1 }
  #jobs button { grid-area: 1 / 2 }
  #jobs progress { grid-area: 2 / 1 }
  #jobs span { grid-area: 2 / 2; text-align: right }
  #jobs .failed span { grid-area: 2 / 1 / auto / 3; text-align: left }
}
@media (pointer: coarse) {
  #work button, dialog button, .more button { padding: .5rem .75rem }
  td.more { padding: .15rem 0 }
}
@media print { #work, .more { display: none } }
)css";

inline constexpr std::string_view writing_controls =
    R"html(<section id="work" aria-label="Changes" hidden>
<div><button id="files">Upload files</button>
<button id="folder">Upload folder</button>
<button id="make">New folder</button>
<p id="hint">or drop files and folders anywhere</p>
<p id="done" role="status"></p></div>
<input id="pick" type="file" multiple hidden>
<input id="tree" type="file" webkitdirectory hidden>
<ul id="jobs" aria-label="Uploads"></ul>
</section>
<template id="job"><li><bdi></bdi><progress value="0"></progress><span></span>
<button>Cancel</button></li></template>
<dialog id="ask" aria-labelledby="asked"><form method="dialog">
<p id="asked"></p>
<input id="name" aria-label="Name" autocomplete="off" autocapitalize="off" spellcheck="false">
<label><input id="same" type="checkbox">The same for all others</label>
<menu id="choices"></menu>
</form></dialog>
)html";

/// Uploads what is picked or dropped, two files at a time, each a PUT that only makes a new file
/// (If-None-Match: *) until the user says that it may replace one, and from 8 MiB on an upload that
/// goes on where its connection broke (decision 0025); makes folders (MKCOL), renames
/// (MOVE) and deletes. What may be done is said by data-may of the table, and of rows that differ:
/// letters of `append_rights`. When all is done and something has changed, the page loads itself
/// anew; the filter, what was told and what failed are kept over that in sessionStorage.
inline constexpr std::string_view writing_script = R"js(
(() => {
  const id = name => document.getElementById(name);
  const table = document.querySelector("table"), may = table.dataset.may;
  const filter = id("filter"), told = id("done"), jobs = id("jobs"), dialog = id("ask");
  const here = location.origin + location.pathname, key = "ferry " + location.pathname;
  const isName = name => !/^\.{0,2}$/.test(name) && !/[\/\0]/.test(name) &&
    name.isWellFormed?.() !== false;
  const address = way => {
    if (!way.every(isName)) throw RangeError();
    return new URL("./" + way.map(encodeURIComponent).join("/"), here);
  };
  const words = (status, how, isBelow) => ({
    0: how === "PUT" ? "the connection broke, or the file cannot be read"
      : "the connection broke",
    400: "the server does not take that name",
    401: "log in first",
    403: "you may not do that",
    404: how === "PUT" ? "the server no longer has what was sent: choose the file again"
      : "it is not there any more",
    405: how === "MKCOL" ? "that name is taken" : "",
    408: "it came too slowly",
    409: how === "DELETE" ? "the folder is not empty"
      : how === "PUT" && !isBelow ? "a folder has that name"
      : "its folder is not there",
    412: "that name is taken",
    413: "it is larger than the server takes",
    414: "the name is too long",
    429: "too many failed logins",
    503: "the server is busy: try again later",
    507: "there is no room for it",
  })[status] || "the server refuses it with status " + status;
  const readable = octets => {
    const step = Math.min(4, Math.floor(Math.log2(Math.max(octets, 1)) / 10));
    return (octets / 1024 ** step).toFixed(step ? 1 : 0) + " " +
      ["B", "KiB", "MiB", "GiB", "TiB"][step];
  };

  const queue = [], folders = new Map(), failed = [];
  let running = 0, all = 0, stored = 0, skipped = 0, lost = 0, changed = false;
  let forAll = "", focus = "";  // What is to be done with all names that are taken; a name.

  // Gives the status; 0: there was no answer.
  const send = async (method, to, fields = {}, content = null, watch = () => {}) => {
    let isPart = false;
    const status = await new Promise(done => {
      const sending = new XMLHttpRequest();
      sending.open(method, to);
      for (const name in fields) sending.setRequestHeader(name, fields[name]);
      sending.onloadend = () => {
        isPart = sending.getResponseHeader("Upload-Complete") === "?0";
        done(sending.status);
      };
      watch(sending);
      sending.send(content);
    });
    const isCancel = method === "DELETE" && to.search;
    changed ||= status >= 200 && status < 300 && !isPart && !isCancel;
    return status;
  };

  const cancel = ["", "Cancel"];
  let turn = Promise.resolve();  // One question at a time.
  const show = (text, choices, name, many) => new Promise(done => {
    id("asked").textContent = text;
    id("name").hidden = name === undefined;
    id("name").value = name ?? "";
    id("same").checked = false;
    id("same").parentNode.hidden = !many;
    id("choices").replaceChildren(...choices.map(([value, label]) => {
      const button = document.createElement("button");
      button.value = value;
      button.textContent = label;
      return button;
    }));
    dialog.returnValue = "";
    dialog.onclose = () => {
      done({ chosen: dialog.returnValue, name: id("name").value, same: id("same").checked });
      setTimeout(settle);
    };
    dialog.showModal();
    if (name === undefined) return id("choices").lastElementChild.focus();
    id("name").focus();
    const dot = name.lastIndexOf(".");
    id("name").setSelectionRange(0, dot > 0 ? dot : name.length);
  });
  const ask = (...question) => turn = turn.then(() => show(...question));
  const mayReplace = name => turn = turn.then(async () => {
    if (forAll) return forAll;
    const said = await show("“" + name + "” is there already.",
      [["replace", "Replace"], ["skip", "Skip"]], undefined, all > 1);
    if (said.same) forAll = said.chosen || "skip";
    return said.chosen;
  });
  dialog.addEventListener("keydown", event => event.stopPropagation());

  const line = name => {
    const made = id("job").content.firstElementChild.cloneNode(true);
    const [text, bar, state, stop] = made.children;
    text.textContent = name;
    bar.setAttribute("aria-label", name);
    stop.setAttribute("aria-label", "Cancel " + name);
    if (jobs.childElementCount > 100) jobs.querySelector(".ended")?.remove();
    jobs.append(made);
    return { made, bar, state, stop };
  };
  const showFailure = (shown, name, why) => {
    shown.bar.remove();
    shown.made.className = "failed";
    shown.state.textContent = why;
    shown.stop.textContent = "Dismiss";
    shown.stop.setAttribute("aria-label", "Dismiss " + name);
    shown.stop.onclick = () => {
      shown.made.remove();
      failed.splice(failed.findIndex(each => each[0] === name), 1);
    };
  };
  const fail = (shown, name, why) => {
    ++lost;
    failed.push([name, why]);
    showFailure(shown, name, why);
  };
  const tell = () => {
    told.textContent = stored + " of " + all + " uploaded" +
      (skipped ? ", " + skipped + " skipped" : "") +
      (lost ? ", " + lost + " failed" : "");
  };

  const settle = () => {
    if (running || queue.length || dialog.open) return;
    forAll = "";
    folders.clear();
    if (!changed) return all = stored = skipped = lost = 0;
    try {
      sessionStorage.setItem(key, JSON.stringify(
        { filter: filter.value, told: told.textContent, failed: failed.slice(-100), focus }));
    } catch {}
    location.reload();
  };

  // What is the matter with the folder; "" when it is there.
  const folder = way => {
    const name = way.join("/");
    if (!folders.has(name)) folders.set(name, (async () => {
      const above = way.length > 1 ? await folder(way.slice(0, -1)) : "";
      if (above || !may.includes("m")) return above;
      const status = await send("MKCOL", address(way));
      return status === 201 || status === 405 ? "" : words(status, "MKCOL");
    })());
    return folders.get(name);
  };
  // Sends what follows `from` of a file, and shows how far it is.
  const piece = (job, method, to, fields, from) => {
    const all = job.file.size;
    let loaded = from, when = performance.now(), speed = 0;
    return send(method, to, fields, from ? job.file.slice(from) : job.file, sending => {
      job.sending = sending;
      sending.upload.onprogress = event => {
        const now = performance.now(), seconds = (now - when) / 1000;
        const isWhole = event.loaded >= event.total, done = from + event.loaded;
        if (seconds < .2 && !isWhole) return;
        const last = (done - loaded) / Math.max(seconds, .001);
        speed = speed ? speed * .7 + last * .3 : last;
        loaded = done, when = now;
        job.shown.bar.value = isWhole ? 1 : done / all;
        job.shown.state.textContent = isWhole ? "storing"
          : Math.floor(100 * done / all) + " %, " + readable(speed) + "/s";
      };
    });
  };
  const pause = seconds => new Promise(done => setTimeout(done, seconds * 1000));
  // Goes on where the connection broke: the server says where that is. 404: it lost what it had.
  const pieces = async (job, file, fields) => {
    const made = await send("PUT", file,
      { ...fields, "Upload-Complete": "?0", "Upload-Length": job.file.size }, null,
      sending => job.sending = sending);
    if (made === 501) return piece(job, "PUT", file, fields, 0);
    if (made !== 201) return made;
    const to = new URL(file);
    to.search = new URL(job.sending.getResponseHeader("Location"), here).search;
    for (let offset = 0, tries = 0; !job.isCancelled;) {
      const status = await piece(job, "PATCH", to, { "Content-Type": "application/partial-upload",
        "Upload-Offset": offset, "Upload-Complete": "?1" }, offset);
      const isWhole = job.sending.getResponseHeader("Upload-Complete") === "?1";
      const mayGoOn = !isWhole && [0, 408, 409, 500, 502, 503, 504].includes(status);
      if (job.isCancelled) break;
      if (!mayGoOn || ++tries > 8) return status;
      job.shown.state.textContent = "the connection broke: going on";
      await pause(Math.min(8, 2 ** tries / 4));
      if (job.isCancelled) break;
      const state = await send("HEAD", to, {}, null, sending => job.sending = sending);
      if (state === 404) return state;
      if (state !== 204) continue;
      const has = +job.sending.getResponseHeader("Upload-Offset");
      if (job.sending.getResponseHeader("Upload-Complete") === "?1") return 204;
      if (has > offset) tries = 0;
      offset = has;
    }
    await send("DELETE", to);
    return 0;
  };
  const put = async (job, fields) => {
    const file = address(job.way);
    if (job.file.size < 8 << 20) return piece(job, "PUT", file, fields, 0);
    const status = await pieces(job, file, fields);
    if (status !== 404 || job.isCancelled) return status;
    job.shown.state.textContent = "the server lost it: from the beginning";
    return pieces(job, file, fields);
  };
  // What is the matter; "" when it is stored, "skip" when it is not to be.
  const upload = async job => {
    const { way } = job, above = way.length > 1 ? await folder(way.slice(0, -1)) : "";
    if (above) return above;
    const isKnown = way.length === 1 && names.has(way[0]);
    let status = isKnown ? 412 : await put(job, { "If-None-Match": "*" });
    if (status === 412 && may.includes("w") && !job.isCancelled) {
      job.shown.state.textContent = "that name is taken";
      if (await mayReplace(job.name) !== "replace") return "skip";
      status = job.isCancelled ? 0 : await put(job, {});
    }
    return status >= 200 && status < 300 ? "" : words(status, "PUT", way.length > 1);
  };
  const start = async job => {
    const shown = job.shown ??= line(job.name);
    shown.stop.onclick = () => {
      job.isCancelled = true;
      job.sending?.abort();
    };
    let why;
    try {
      why = await upload(job);
    } catch {
      why = "the server does not take that name";
    }
    if (why && why !== "skip" && !job.isCancelled) fail(shown, job.name, why);
    else {
      stored += !why;
      skipped += !!why;
      shown.bar.value = why ? 0 : 1;
      shown.made.className = "ended";
      shown.state.textContent = !why ? "done" : job.isCancelled ? "cancelled" : "skipped";
      shown.stop.remove();
    }
    tell();
    --running;
    pump();
  };
  const pump = () => {
    while (running < 2 && queue.length) {
      ++running;
      start(queue.shift());
    }
    settle();
  };
  const add = (file, way) => {
    const job = { file, way, name: way.join("/") };
    ++all;
    if (jobs.childElementCount < 100) {
      job.shown = line(job.name);
      job.shown.state.textContent = "waiting";
      job.shown.stop.onclick = () => {
        queue.splice(queue.indexOf(job), 1);
        job.shown.made.remove();
        --all;
        tell();
        settle();
      };
    }
    queue.push(job);
  };
  const begin = () => {
    tell();
    pump();
  };

  // Everything in what was dropped, however deep.
  const walk = async (entry, way) => {
    const below = [...way, entry.name];
    try {
      if (entry.isFile) return add(await new Promise((...then) => entry.file(...then)), below);
      const why = await folder(below);
      if (why) return fail(line(below.join("/")), below.join("/"), why);
      for (const reader = entry.createReader();;) {
        const some = await new Promise((...then) => reader.readEntries(...then));
        if (!some.length) return;
        for (const each of some) await walk(each, below);
      }
    } catch {
      fail(line(below.join("/")), below.join("/"), "it cannot be read");
    }
  };
  const hasFiles = event => event.dataTransfer?.types.includes("Files");
  if (may.includes("c")) {
    addEventListener("dragover", event => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = "copy";
      document.body.classList.add("over");
    });
    addEventListener("dragleave", event => {
      if (!event.relatedTarget) document.body.classList.remove("over");
    });
    addEventListener("drop", async event => {
      document.body.classList.remove("over");
      if (!hasFiles(event)) return;
      event.preventDefault();
      // They are there only until this event is over.
      const dropped = [...event.dataTransfer.items].filter(each => each.kind === "file")
        .map(each => ({ entry: each.webkitGetAsEntry?.(), file: each.getAsFile() }));
      ++running;
      for (const { entry, file } of dropped) {
        if (entry) await walk(entry, []);
        else if (file) add(file, [file.name]);
      }
      --running;
      begin();
    });
  }
  for (const [button, input] of [["files", "pick"], ["folder", "tree"]]) {
    id(button).hidden = !may.includes("c");
    id(button).onclick = () => id(input).click();
    id(input).onchange = () => {
      for (const file of id(input).files)
        add(file, (file.webkitRelativePath || file.name).split("/"));
      id(input).value = "";
      begin();
    };
  }
  id("hint").hidden = !may.includes("c");
  id("make").hidden = !may.includes("m");
  if (!may.includes("m") || !("webkitdirectory" in id("tree"))) id("folder").hidden = true;
  addEventListener("beforeunload", event => {
    if (queue.length || running) event.preventDefault();
  });

  // One change of a name; `done` is told when it is made.
  const change = async (done, method, to, fields) => {
    ++running;
    const status = await send(method, to, fields);
    --running;
    const isDone = status >= 200 && status < 300;
    told.textContent = isDone ? done : "Not done: " + words(status, method);
    if (!isDone) focus = "";
    pump();
  };
  const refuse = () => told.textContent = "Not done: no such name can be given";
  id("make").onclick = async () => {
    const said = await ask("New folder", [["make", "Make"], cancel], "");
    if (!said.chosen) return;
    if (!isName(said.name)) return refuse();
    focus = said.name;
    change("“" + said.name + "” was made", "MKCOL", address([said.name]));
  };
  const edit = async row => {
    const link = row.querySelector("a"), rights = row.dataset.may ?? may;
    const from = new URL(link.getAttribute("href"), here);
    const name = row.className === "d" ? link.textContent.slice(0, -1) : link.textContent;
    const choices = [];
    if (rights.includes("n")) choices.push(["rename", "Rename"]);
    if (rights.includes("d")) choices.push(["delete", "Delete…"]);
    choices.push(cancel);
    const said = await ask("“" + name + "”", choices, rights.includes("n") ? name : undefined);
    if (said.chosen === "delete") {
      const sure = await ask("Delete “" + name + "” for good?", [["delete", "Delete"], cancel]);
      if (sure.chosen) change("“" + name + "” was deleted", "DELETE", from);
    } else if (said.chosen === "rename" && said.name !== name) {
      if (!isName(said.name)) return refuse();
      focus = said.name;
      change("“" + name + "” is “" + said.name + "” now", "MOVE", from.href.replace(/\/$/, ""),
        { Destination: address([said.name]).pathname, Overwrite: "F" });
    }
  };

  const names = new Set();
  const head = document.createElement("th");
  head.className = "more";
  head.setAttribute("aria-label", "Change");
  const cell = document.createElement("td");
  cell.className = "more";
  const button = document.createElement("button");
  button.textContent = "⋯";
  let hasButtons = false;
  for (const row of [...table.tBodies[0].rows]) {  // A copy: they are being changed.
    const own = cell.cloneNode(), link = row.querySelector("a");
    row.append(own);
    if (row.className === "up") continue;
    try {
      names.add(decodeURIComponent(link.getAttribute("href").slice(2)));
    } catch {}  // It is no UTF-8: no file of this user's is called that.
    if (!/[dn]/.test(row.dataset.may ?? may)) continue;
    hasButtons = true;
    const own_button = own.appendChild(button.cloneNode(true));
    own_button.setAttribute("aria-label", "Change " + link.textContent);
  }
  if (hasButtons) table.tHead.rows[0].append(head);
  else for (const each of document.querySelectorAll("td.more")) each.remove();
  table.addEventListener("click", event => {
    const pressed = event.target.closest(".more button");
    if (pressed) edit(pressed.closest("tr"));
  });
  id("work").hidden = false;

  try {
    const kept = JSON.parse(sessionStorage.getItem(key));
    sessionStorage.removeItem(key);
    if (!kept) return;
    told.textContent = kept.told;
    for (const [name, why] of kept.failed) fail(line(name), name, why);
    lost = 0;
    filter.value = kept.filter;
    filter.dispatchEvent(new Event("input"));
    if (!kept.focus) return;
    for (const link of document.querySelectorAll("tbody tr:not(.up) a"))
      if (link.textContent.replace(/\/$/, "") === kept.focus) link.focus();
  } catch {}
})();
)js";

}  // namespace ferry::http

"use strict";
(() => {
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const data = JSON.parse(one("#data").textContent);
  const audio = one("#audio");
  const rows = all(".u");
  const list = one("#rows");
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  // ---- the clock of every row and word, in ms
  const starts = new Float64Array(rows.length).fill(NaN);
  const ends = new Float64Array(rows.length).fill(NaN);
  const times = data.rows.map((row, index) => {
    const spans = [];
    for (let place = 0, at = 0; place < row.length; place += 2) {
      at += row[place];
      spans.push([at, at + row[place + 1]]);
    }
    if (spans.length) {
      starts[index] = spans[0][0];
      ends[index] = Math.max(...spans.map((span) => span[1]));
    }
    return spans;
  });
  const order = [...starts.keys()].filter((index) => starts[index] >= 0).sort((a, b) => starts[a] - starts[b]);

  // ---- what is searched for, and where it was found
  let searched = "";
  const hits = typeof Highlight === "function" && CSS.highlights ? new Highlight() : null;
  if (hits) CSS.highlights.set("found", hits);

  // ---- words become elements only when their row comes near the screen: 40,000 of them at once would be slow
  const wordsOf = new Map();
  const hydrate = (index) => {
    const known = wordsOf.get(index);
    if (known) return known;
    const paragraph = one("p", rows[index]);
    const texts = paragraph.textContent.split(" ");
    if (texts.length !== times[index].length) {
      wordsOf.set(index, []);
      return [];
    }
    const words = texts.map((text, place) => {
      const word = document.createElement("span");
      word.className = "w";
      word.dataset.i = place;
      word.textContent = text;
      return word;
    });
    const marks = data.marks[index] || [];
    for (let at = 0; at < marks.length; at += 2) {
      const word = words[marks[at]];
      word.classList.add(marks[at + 1] < 0 ? "estimated" : "unsure");
      word.title = marks[at + 1] < 0 ? "Its time is an estimate" : `The engine was ${marks[at + 1]} % sure`;
    }
    paragraph.replaceChildren(...words.flatMap((word, place) => (place ? [" ", word] : [word])));
    wordsOf.set(index, words);
    if (searched) mark(rows[index]);
    return words;
  };
  const near = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (entry.isIntersecting) {
          hydrate(indexOf.get(entry.target));
          near.unobserve(entry.target);
        }
      }
    },
    { rootMargin: "800px" },
  );
  const indexOf = new Map(rows.map((row, index) => [row, index]));
  rows.forEach((row) => {
    // an honest guess of the height keeps the scroll bar steady while rows are not laid out yet
    const lines = 1 + Math.floor(row.textContent.length / 62);
    row.style.containIntrinsicSize = `auto ${lines * 26 + (row.classList.contains("changed") ? 44 : 14)}px`;
    near.observe(row);
  });

  // ---- playing
  const clock = (ms) => {
    const s = Math.max(0, Math.floor(ms / 1000));
    const pad = (value) => String(value).padStart(2, "0");
    const minutes = Math.floor(s / 60) % 60;
    return s >= 3600 ? `${Math.floor(s / 3600)}:${pad(minutes)}:${pad(s % 60)}` : `${minutes}:${pad(s % 60)}`;
  };
  const seek = (ms) => {
    audio.currentTime = Math.min(Math.max(ms, 0), data.duration) / 1000;
    show();
  };
  const toggle = () => (audio.paused ? audio.play().catch(() => undefined) : audio.pause());
  const speeds = [1, 1.25, 1.5, 2, 0.75];

  const head = one(".head");
  const slider = one("#seek");
  const clockText = one("#clock");
  const chapters = all("[data-from]");
  let currentRow = -1;
  let currentWord = null;

  const rowAt = (ms) => {
    let low = 0;
    let high = order.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (starts[order[middle]] <= ms) low = middle + 1;
      else high = middle;
    }
    // people talk at once: the latest that still runs, else the latest that began
    for (let back = low - 1; back >= Math.max(0, low - 6); back -= 1) {
      if (ends[order[back]] > ms) return order[back];
    }
    return low ? order[low - 1] : -1;
  };

  function show() {
    const ms = audio.currentTime * 1000;
    clockText.textContent = clock(ms);
    slider.value = ms / 10;
    slider.setAttribute("aria-valuetext", clock(ms));
    head.style.left = `${(100 * ms) / data.duration}%`;
    slider.style.setProperty("--done", `${(100 * ms) / data.duration}%`);
    const row = rowAt(ms);
    if (row !== currentRow) {
      if (currentRow >= 0) rows[currentRow].classList.remove("now");
      currentRow = row;
      if (row >= 0) {
        rows[row].classList.add("now");
        if (!audio.paused && following()) bring(rows[row]);
      }
      for (const chapter of chapters) {
        chapter.classList.toggle("now", ms >= +chapter.dataset.from && ms < +chapter.dataset.to);
      }
    }
    let word = null;
    if (row >= 0) {
      const spans = times[row];
      const elements = hydrate(row);
      for (let place = 0; place < spans.length && spans[place][0] <= ms; place += 1) word = elements[place] || null;
    }
    if (word !== currentWord) {
      if (currentWord) currentWord.classList.remove("now");
      if (word) word.classList.add("now");
      currentWord = word;
    }
  }
  const run = () => {
    show();
    if (!audio.paused) requestAnimationFrame(run);
  };
  audio.addEventListener("play", () => {
    document.body.classList.add("playing");
    one("#play").setAttribute("aria-label", "Pause");
    requestAnimationFrame(run);
  });
  audio.addEventListener("pause", () => {
    document.body.classList.remove("playing");
    one("#play").setAttribute("aria-label", "Play");
  });
  audio.addEventListener("seeked", show);
  audio.addEventListener("timeupdate", show);
  const fail = () => (one("#silent").hidden = false);
  audio.addEventListener("error", fail);
  if (audio.error) fail();

  audio.controls = false;
  audio.hidden = true;
  for (const hidden of all(".controls, .zoom, .people, #follow")) hidden.hidden = false;
  one("#play").addEventListener("click", toggle);
  one("#speed").addEventListener("click", (event) => {
    const next = speeds[(speeds.indexOf(audio.playbackRate) + 1) % speeds.length];
    audio.playbackRate = next;
    event.target.textContent = `${next}×`;
    event.target.setAttribute("aria-label", `Speed: ${next === 1 ? "normal" : next}`);
  });
  slider.addEventListener("input", () => seek(slider.value * 10));

  // ---- following: the panel scrolls along until the reader scrolls it
  const followButton = one("#follow");
  const following = () => Boolean(followButton) && followButton.getAttribute("aria-pressed") === "true";
  const follow = (on) => followButton && followButton.setAttribute("aria-pressed", String(on));
  const scrolls = () => list && list.scrollHeight > list.clientHeight + 2 && getComputedStyle(list).overflowY !== "visible";
  let bringing = 0;
  const bring = (row) => {
    cancelAnimationFrame(bringing);
    if (!scrolls()) {
      row.scrollIntoView({ block: "center", behavior: calm.matches ? "auto" : "smooth" });
      return;
    }
    const off = () => {
      const frame = list.getBoundingClientRect();
      return row.getBoundingClientRect().top - frame.top - frame.height * 0.3;
    };
    if (Math.abs(off()) <= 1200) {
      list.scrollBy({ top: off(), behavior: calm.matches ? "auto" : "smooth" });
      return;
    }
    // Rows that were never laid out have guessed heights, which change once they are near: aim again until it holds.
    let still = 0;
    let tries = 60;
    const aim = () => {
      const before = list.scrollTop;
      list.scrollTop += off();
      still = Math.abs(list.scrollTop - before) < 2 ? still + 1 : 0;
      tries -= 1;
      if (still < 4 && tries) bringing = requestAnimationFrame(aim);
    };
    aim();
  };
  if (list) {
    for (const gesture of ["wheel", "touchmove"]) {
      list.addEventListener(gesture, () => !audio.paused && follow(false), { passive: true });
    }
    followButton.addEventListener("click", () => {
      follow(!following());
      if (following() && currentRow >= 0) bring(rows[currentRow]);
    });
  }

  // ---- citations and times
  const cited = (id) => {
    const row = document.getElementById(id);
    if (!row || !indexOf.has(row)) return false;
    if (row.hidden) clearSearch();
    hydrate(indexOf.get(row));
    for (const other of all(".u.cited")) other.classList.remove("cited");
    row.classList.add("cited");
    const frame = list.getBoundingClientRect();
    if (scrolls() && frame.top + frame.height * 0.3 + 80 > innerHeight) {
      // the panel's upper part lies below the fold: what is cited has to be seen
      one("#transcript").scrollIntoView({ block: "nearest", behavior: calm.matches ? "auto" : "smooth" });
    }
    bring(row);
    if (starts[indexOf.get(row)] >= 0) seek(starts[indexOf.get(row)]);
    return true;
  };
  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    if (!target) return;
    const link = target.closest("[data-u]");
    if (link && cited(link.dataset.u)) {
      event.preventDefault();
      return;
    }
    const back = target.closest(".back");
    if (back) {
      event.preventDefault();
      const id = back.closest(".u").id;
      const source = all("#notes .cite").find((citation) => citation.dataset.u === id);
      const claim = source && source.closest("li");
      if (claim) {
        claim.scrollIntoView({ block: "center", behavior: calm.matches ? "auto" : "smooth" });
        claim.classList.remove("flash");
        requestAnimationFrame(() => claim.classList.add("flash"));
      }
      return;
    }
    const time = target.closest("[data-t]");
    if (time) {
      seek(+time.dataset.t);
      const row = rows[rowAt(+time.dataset.t)];
      if (row && !time.closest(".u")) bring(row);
      return;
    }
    const skip = target.closest("[data-skip]");
    if (skip) {
      seek(audio.currentTime * 1000 + 1000 * skip.dataset.skip);
      return;
    }
    const row = target.closest(".u");
    if (row && getSelection().isCollapsed) {
      const index = indexOf.get(row);
      const word = target.closest(".w");
      if (word) seek(times[index][+word.dataset.i][0]);
      else if (target.closest("p") && starts[index] >= 0) seek(starts[index]);
    }
  });
  if (list) list.addEventListener("dblclick", (event) => event.target.closest(".w") && audio.play().catch(() => undefined));

  // ---- the timeline
  const strip = one(".tl-scroll");
  const inner = one(".tl-inner");
  const axis = one(".axis");
  const hover = one(".hover");
  let zoom = 1;
  const ticks = () => {
    const width = inner.clientWidth;
    const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
    const seconds = data.duration / 1000;
    const step = steps.find((candidate) => (candidate / seconds) * width > 64) || 14400;
    const marks = [];
    for (let at = 0; at < seconds; at += step) {
      const mark = document.createElement("span");
      mark.textContent = clock(at * 1000);
      mark.style.left = `${(100 * at) / seconds}%`;
      if ((1 - at / seconds) * width > 34) marks.push(mark);
    }
    axis.replaceChildren(...marks);
  };
  const setZoom = (value) => {
    const middle = (strip.scrollLeft + strip.clientWidth / 2) / inner.clientWidth;
    zoom = Math.min(64, Math.max(1, value));
    inner.style.width = `${zoom * 100}%`;
    strip.scrollLeft = middle * inner.clientWidth - strip.clientWidth / 2;
    ticks();
  };
  const timeAt = (event) => {
    const box = inner.getBoundingClientRect();
    return (data.duration * Math.min(Math.max(event.clientX - box.left, 0), box.width)) / box.width;
  };
  for (const button of all("[data-zoom]")) {
    button.addEventListener("click", () => setZoom(+button.dataset.zoom ? zoom * 2 ** +button.dataset.zoom : 1));
  }
  inner.addEventListener("click", (event) => {
    const ms = timeAt(event);
    seek(ms);
    const row = rows[rowAt(ms)];
    if (row && scrolls()) bring(row);
  });
  inner.addEventListener("pointermove", (event) => {
    hover.style.left = `${(100 * timeAt(event)) / data.duration}%`;
    hover.dataset.at = clock(timeAt(event));
  });
  new ResizeObserver(ticks).observe(strip);

  // ---- search; hits are marked as rows are drawn
  const box = one("#search");
  const found = one("#found");
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  let texts = null;
  const people = new Set();
  const ranges = (row, wanted) => {
    const walker = document.createTreeWalker(one("p", row), NodeFilter.SHOW_TEXT);
    const nodes = [];
    let text = "";
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      nodes.push([text.length, node]);
      text += node.data;
    }
    const lower = text.toLowerCase();
    if (lower.length !== text.length) return [];
    const place = (offset) => {
      let at = nodes.length - 1;
      while (nodes[at][0] > offset) at -= 1;
      return [nodes[at][1], offset - nodes[at][0]];
    };
    const spans = [];
    for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, at + wanted.length)) {
      const range = new Range();
      range.setStart(...place(at));
      const [node, offset] = place(at + wanted.length - 1);
      range.setEnd(node, offset + 1);
      spans.push(range);
    }
    return spans;
  };
  const mark = (row) => {
    if (hits) for (const range of ranges(row, searched)) hits.add(range);
  };
  const filter = () => {
    const raw = box.value.trim().replace(/\s+/g, " ");
    const wanted = plain(raw);
    texts = texts || rows.map((row) => plain(one("p", row).textContent.replaceAll("\u00a0", " ")));
    searched = raw.toLowerCase();
    if (hits) hits.clear();
    let count = 0;
    rows.forEach((row, index) => {
      const fits = (!people.size || people.has(row.dataset.p)) && (!wanted || texts[index].includes(wanted));
      if (row.hidden === fits) row.hidden = !fits;
      count += fits;
      if (fits && wanted && wordsOf.has(index)) mark(row);
    });
    if (wanted) list.scrollTop = 0;
    list.classList.toggle("filtered", Boolean(wanted || people.size));
    found.textContent = wanted || people.size ? `${count} of ${rows.length} passages` : "";
  };
  const clearSearch = () => {
    box.value = "";
    people.clear();
    for (const chip of all("[data-person]")) chip.setAttribute("aria-pressed", "false");
    filter();
  };
  if (box) {
    let waiting = 0;
    box.addEventListener("input", () => {
      cancelAnimationFrame(waiting);
      waiting = requestAnimationFrame(filter);
    });
    for (const chip of all("[data-person]")) {
      chip.addEventListener("click", () => {
        const on = chip.getAttribute("aria-pressed") !== "true";
        chip.setAttribute("aria-pressed", String(on));
        if (on) people.add(chip.dataset.person);
        else people.delete(chip.dataset.person);
        filter();
      });
    }
  }

  // ---- keyboard
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target instanceof Element ? event.target : document.body;
    const typing = target.matches("input[type=search], textarea, select, [contenteditable]");
    if (event.key === "Escape" && box && (typing || list.classList.contains("filtered"))) {
      clearSearch();
      box.blur();
      return;
    }
    if (typing || target.closest("audio, video")) return;
    const onButton = target.matches("button, a, summary");
    if (event.key === " " && !onButton) toggle();
    else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      seek(audio.currentTime * 1000 + (event.key === "ArrowLeft" ? -1 : 1) * (event.shiftKey ? 30000 : 5000));
    } else if (event.key === "/" && box) box.focus();
    else return;
    event.preventDefault();
  });

  // only one sound at a time
  document.addEventListener(
    "play",
    (event) => {
      for (const media of all("audio, video")) if (media !== event.target) media.pause();
    },
    true,
  );

  if (location.hash) cited(location.hash.slice(1));
  show();
  document.documentElement.dataset.ready = "yes";
})();

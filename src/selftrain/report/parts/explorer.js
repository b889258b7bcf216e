"use strict";
// The list of problems. Every text reaches the page as textContent.
data.then(({ views }) => {
  if (!views.length) return;
  const PAGE = 20;
  const MARKS = { r: ["right", "\u2713 right"], w: ["wrong", "\u2717 wrong"], u: ["", "? unjudged"] };
  const get = (id) => document.getElementById(id);
  let page = 0, found = [], groups = [];

  function make(tag, name, text) {
    const node = document.createElement(tag);
    if (name) node.className = name;
    if (text !== undefined) node.textContent = text;
    return node;
  }

  // The text of a response, whole or in pieces.
  function said([text]) {
    return typeof text === "string" ? text : text.map((piece) => piece[0] ?? "").join(" ");
  }

  // What is asked for again and again while one types, worked out once.
  function known(item) {
    const [id, part, family, level, question, gold, sides] = item;
    const rates = sides.map((side) => {
      const count = (mark) => side.filter((r) => r[1] === mark).length;
      return { right: count("r"), judged: count("r") + count("w"), unjudged: count("u") };
    });
    const suite = part.startsWith("suite ") ? part.slice(6).split(", ").slice(0, -1).join(", ") : "";
    const group = [suite, family, level].filter(Boolean).join(", ");
    const every = sides.flat();
    const text = [id, question, gold, ...every.flatMap((r) => [said(r), r[2] ?? "", r[6]?.[2] ?? ""])].join("\n").toLowerCase();
    return { id, group, question, gold, sides, rates, text, every };
  }
  const share = (rate) => (rate.judged ? rate.right / rate.judged : NaN);
  const change = (p) => share(p.rates[1]) - share(p.rates[0]);
  const solved = (p, side) => p.rates[side].right > 0;
  const both = (p) => p.rates.every((rate) => rate.judged);
  const COMMON = {
    "with an unjudged response": (p) => p.every.some((r) => r[1] === "u"),
    "with a response cut at the token limit": (p) => p.every.some((r) => r[3]),
  };
  const PAIR = {
    "all": () => true,
    "rose": (p) => change(p) > 1e-9,
    "fell": (p) => change(p) < -1e-9,
    "gained: solved only after": (p) => both(p) && !solved(p, 0) && solved(p, 1),
    "lost: solved only before": (p) => both(p) && solved(p, 0) && !solved(p, 1),
    "kept: solved before and after": (p) => both(p) && solved(p, 0) && solved(p, 1),
    "neither": (p) => both(p) && !solved(p, 0) && !solved(p, 1),
    ...COMMON,
  };
  const DRAWN = {
    "all": () => true,
    "trained on": (p) => p.every.some((r) => r[5].length),
    "not trained on": (p) => p.every.every((r) => !r[5].length),
    "no right response": (p) => !solved(p, 0),
    "all right": (p) => p.rates[0].judged > 0 && p.rates[0].right === p.rates[0].judged,
    ...COMMON,
  };
  const PSEUDO = {
    "all": () => true,
    "kept": (p) => p.every.some((r) => r[6][0]),
    "dropped": (p) => p.every.some((r) => !r[6][0]),
    "right": (p) => solved(p, 0),
    "wrong": (p) => p.rates[0].judged > 0 && !solved(p, 0),
    "not in the probe": (p) => p.every.some((r) => !r[1]),
    "no answer": (p) => p.every.some((r) => r[2] === null),
    "no finite confidence": (p) => p.every.some((r) => r[6][1] === null),
    "with an unjudged response": COMMON["with an unjudged response"],
  };
  // Of each kind of list: what can be chosen, the last columns of its table, and how a response of it looks.
  const KINDS = {
    pair: { outcomes: PAIR, heads: ["before", "after"], cells: rated, response, side: judged },
    drawn: { outcomes: DRAWN, heads: ["right", "weight"], cells: rated, response, side: judged },
    pseudo: { outcomes: PSEUDO, heads: ["probe", "selection", "nats a token"], cells: selected, response, side: (view, i) => view.sides[i] },
    chains: chainKind(make),
  };
  const lists = views.map((view) => {
    let items = null;
    const kind = KINDS[view.chains ? "chains" : view.pseudo ? "pseudo" : view.sides.length > 1 ? "pair" : "drawn"];
    return { view, kind, items: () => (items ??= view.items.map(known)) };
  });
  const list = () => lists[get("view").selectedIndex];

  function options(select, names) {
    select.replaceChildren(...names.map((name) => make("option", "", name)));
  }

  function choose() {
    const { items, kind } = list();
    groups = [...new Set(items().map((p) => p.group))].filter(Boolean).sort();
    options(get("group"), ["all", ...groups]);
    options(get("outcome"), Object.keys(kind.outcomes));
    filter();
  }

  function filter() {
    const { view, kind, items } = list();
    // By its place: a kind with two spaces is not what the option says, HTML folds them.
    const group = groups[get("group").selectedIndex - 1], wanted = get("search").value.trim().toLowerCase();
    const keep = Object.values(kind.outcomes)[get("outcome").selectedIndex];
    found = items().filter((p) =>
      (group === undefined || p.group === group) && keep(p) && (!wanted || p.text.includes(wanted)));
    page = 0;
    const left = view.all - view.items.length;
    get("count").textContent = `${found.length.toLocaleString("en")} of ${view.items.length.toLocaleString("en")} problems` +
      (left ? `; ${left.toLocaleString("en")} more are not in this file, to bound its size` : "");
    show();
  }

  function rateText(rate) {
    return `${rate.right} of ${rate.judged}` + (rate.unjudged ? ` (+${rate.unjudged} unjudged)` : "");
  }

  function nats(nll) {
    return nll === null ? "no finite confidence" : nll.toFixed(4);
  }

  // What is said several times, as of a response that several rows are made of, once.
  function counted(texts) {
    const times = new Map();
    for (const text of texts) times.set(text, (times.get(text) ?? 0) + 1);
    return [...times].map(([text, count]) => (count > 1 ? `${text} (${count} times)` : text));
  }

  // What is said of a pseudo-label.
  function labelled([kept, nll, source]) {
    return [kept ? "kept" : "dropped", nll === null ? nats(nll) : `${nats(nll)} nats a token`, source];
  }

  function response(r) {
    const [text, mark, answer, cut, reason, uses, label] = r;
    const box = make("div", uses.length ? "response used" : "response");
    const head = make("p", "note");
    if (mark) head.append(make("span", `chip ${MARKS[mark][0]}`, MARKS[mark][1]));
    const facts = [answer === null ? "no answer" : `answer ${answer}`, reason];
    facts.push(...(label ? labelled(label) : [cut ? "cut at the token limit" : "finished"]));
    facts.push(...counted(uses.map(([side, weight]) => `trained on${side && ` as ${side}`}, weight ${weight}`)));
    head.append(" " + facts.filter(Boolean).join(" \u00B7 "));
    const body = make("div", "text", text || "(empty)");
    body.tabIndex = 0;
    box.append(head, body);
    return box;
  }

  function detail(problem, width) {
    const row = make("tr", "detail"), cell = make("td"), { view, kind } = list();
    cell.colSpan = width;
    const question = make("div", "text", problem.question);
    question.tabIndex = 0;
    cell.append(make("h3", "", "question"), question, make("h3", "", "gold answer"), make("div", "text", problem.gold || "(none)"));
    const sides = make("div", "sides");
    problem.sides.forEach((responses, i) => {
      const side = make("div");
      side.append(make("h3", "", kind.side(view, i, problem)), ...(kind.key ? [kind.key()] : []), ...responses.map(kind.response));
      sides.append(side);
    });
    cell.append(sides, make("p", "note", `problem ${problem.id}`));
    row.append(cell);
    return row;
  }

  function judged(view, i, problem) {
    return `${view.sides[i]}: ${rateText(problem.rates[i])} right`;
  }

  function rated(problem) {
    const cells = problem.rates.map((rate, i) => {
      const moved = i === 1 ? change(problem) : 0;
      const name = moved > 1e-9 ? " rose" : moved < -1e-9 ? " fell" : "";
      const arrow = moved > 1e-9 ? " \u25B2" : moved < -1e-9 ? " \u25BC" : "";
      return make("td", "rate" + name, rateText(rate) + arrow);
    });
    if (cells.length === 1) {
      const weights = problem.every.flatMap((r) => r[5]).map(([side, weight]) => `${side} ${weight.toFixed(2)}`.trim());
      cells.push(make("td", "rate", [...new Set(weights)].join(", ")));
    }
    return cells;
  }

  function selected(problem) {
    const [mark, [kept, nll]] = [problem.every[0][1], problem.every[0][6]];
    return [mark ? MARKS[mark][1] : "", kept ? "kept" : "dropped", nats(nll)].map((text) => make("td", "rate", text));
  }

  function line(problem) {
    const row = make("tr"), first = make("td"), button = make("button", "open");
    const question = problem.question.replace(/\s+/g, " ");
    button.type = "button";
    button.textContent = question.length > 140 ? question.slice(0, 137) + "..." : question;
    button.setAttribute("aria-expanded", "false");
    first.append(button);
    const gold = problem.gold.length > 40 ? problem.gold.slice(0, 37) + "..." : problem.gold;
    row.append(first, make("td", "extra", problem.group), make("td", "extra", gold));
    row.append(...list().kind.cells(problem));
    button.addEventListener("click", () => {
      const open = button.getAttribute("aria-expanded") === "true";
      button.setAttribute("aria-expanded", String(!open));
      if (open) row.nextSibling.remove();
      else row.after(detail(problem, row.children.length));
    });
    return row;
  }

  function show() {
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    const [head] = get("problems").tHead.children.length ? get("problems").tHead.children : [get("problems").tHead.insertRow()];
    head.replaceChildren(...["question", "kind", "gold", ...list().kind.heads].map((name, i) => {
      const cell = make("th", i === 1 || i === 2 ? "extra" : "", name);
      cell.scope = "col";
      return cell;
    }));
    get("problems").tBodies[0].replaceChildren(...found.slice(page * PAGE, (page + 1) * PAGE).map(line));
    get("place").textContent = `page ${page + 1} of ${pages}`;
    get("previous").disabled = page === 0;
    get("next").disabled = page >= pages - 1;
  }

  options(get("view"), views.map((view) => view.title));
  get("view").addEventListener("change", choose);
  for (const id of ["group", "outcome"]) get(id).addEventListener("change", filter);
  get("search").addEventListener("input", filter);
  document.querySelector(".tools").addEventListener("submit", (event) => event.preventDefault());
  get("previous").addEventListener("click", () => { page -= 1; show(); });
  get("next").addEventListener("click", () => { page += 1; show(); });
  choose();
});

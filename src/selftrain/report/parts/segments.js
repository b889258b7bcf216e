"use strict";
// How a list of chains is shown: each as running text, segment by segment. Every text reaches the page as textContent.
const chainKind = (make) => {
  const NAMES = { E: "extractive", A: "abstractive" };
  const facts = (problem) => problem.every.map((r) => r[6]);
  const digits = (value) => String(Number(value.toPrecision(3)));
  const outcomes = {
    "all": () => true,
    "trained": (p) => facts(p).some((f) => f[0]),
    "not trained": (p) => facts(p).some((f) => !f[0]),
    "extractive alone": (p) => facts(p).some((f) => f[4] && !f[6]),
    "abstractive alone": (p) => facts(p).some((f) => f[4] && f[6] === f[4]),
    "written by people": (p) => facts(p).some((f) => f[1] === "rationale"),
  };

  function sum(problem, place) {
    return facts(problem).reduce((total, f) => total + f[place], 0);
  }

  function cells(problem) {
    const share = sum(problem, 4) ? `${Math.round((100 * sum(problem, 6)) / sum(problem, 4))}%` : "";
    return [sum(problem, 5), share].map((text) => make("td", "rate", String(text)));
  }

  // A segment, with its number and the letter of its label: they are not told by colour alone.
  function segment(label, number) {
    const node = make("span", `segment ${NAMES[label]}`), tag = make("span", "tag", `${number} ${label}`);
    tag.title = `segment ${number}: ${NAMES[label]}`;
    node.append(tag, " ");
    return node;
  }

  // Boxed, since in a text about numbers a raised one would be an exponent.
  function mark(score) {
    return make("small", "score", score);
  }

  function piece([text, label, , place, score, relative]) {
    const node = make("span", "piece", text);
    const scored = score === null ? "no score" : `score ${score}`;
    const times = relative === null ? "" : `, ${relative} times the mean of its chain`;
    node.title = `piece ${place + 1}: ${NAMES[label]}, ${scored}${times}`;
    node.append(mark(score === null ? "-" : digits(score)));
    return node;
  }

  function running(pieces) {
    const body = make("div", "text chain");
    let open = null, last = null;
    for (const one of pieces) {
      if (typeof one === "number") {
        body.append(make("span", "note", `[... ${one.toLocaleString("en")} pieces left out ...]`), " ");
        last = null;
        continue;
      }
      if (one[2] !== last) {
        open = segment(one[1], one[2] + 1);
        body.append(open, " ");
        last = one[2];
      } else {
        open.append(" ");
      }
      open.append(piece(one));
    }
    body.tabIndex = 0;
    return body;
  }

  function response([pieces, , , , , , [trained, source, mean, above, count, segments]]) {
    const box = make("div", trained ? "response used" : "response"), head = make("p", "note");
    const scored = mean === null ? "no scores" : `mean score ${digits(mean)}`;
    const cut = above === null ? "" : `abstractive above ${digits(above)}`;
    const made = `${count} ${count === 1 ? "piece" : "pieces"} in ${segments} ${segments === 1 ? "segment" : "segments"}`;
    const by = source === "rationale" ? "written by people" : "a response";
    head.append(make("span", trained ? "chip right" : "chip", trained ? "trained" : "not trained"),
      ` ${[by, made, scored, cut].filter(Boolean).join(" \u00B7 ")}`);
    box.append(head, running(pieces));
    return box;
  }

  function key() {
    const list = make("ul", "legend");
    for (const [label, does] of [["E", "repeats what is given"], ["A", "infers something new"]]) {
      const item = make("li"), sample = segment(label, "1");
      sample.append(NAMES[label]);
      item.append(sample, ` ${does}`);
      list.append(item);
    }
    const scores = make("li");
    scores.append(mark("1.2"), " the score of the piece before it");
    list.append(scores);
    return list;
  }

  return { outcomes, heads: ["segments", "abstractive"], cells, response, side: () => "chains", key };
};

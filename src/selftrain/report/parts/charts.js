"use strict";
// What the page carries squeezed: base64 of gzipped text.
async function carried(id) {
  const text = JSON.parse(document.getElementById(id).textContent);
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

// The page's data, read once. Nothing in it is ever markup.
const data = carried("data").then(JSON.parse);

(() => {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const narrow = window.matchMedia("(max-width: 44rem)");

  function coloured(value, style) {
    if (typeof value === "string" && /^@[a-z-]+$/.test(value)) {
      return style.getPropertyValue("--" + value.slice(1)).trim();
    }
    if (Array.isArray(value)) return value.map((item) => coloured(item, style));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, coloured(item, style)]));
    }
    return value;
  }

  function axis(own, style) {
    const rule = style.getPropertyValue("--rule").trim();
    return { gridcolor: rule, linecolor: rule, zerolinecolor: rule, fixedrange: true, automargin: true, ...own,
             title: { ...own?.title, font: { size: 13 } } };
  }

  // Our own: plotly's legend takes the room that a narrow window has for the chart.
  function legend(traces) {
    const list = document.createElement("ul");
    list.className = "legend";
    for (const trace of traces.filter((one) => one.name)) {
      const item = document.createElement("li"), swatch = document.createElement("span");
      swatch.className = trace.line?.dash === "dash" ? "swatch dashed" : trace.marker.pattern?.shape ? "swatch hatched" : "swatch";
      swatch.style.color = trace.marker.color;
      item.append(swatch, trace.name);
      list.append(item);
    }
    return list.children.length > 1 ? list : "";
  }

  function draw(charts) {
    const style = getComputedStyle(document.documentElement);
    for (const place of document.querySelectorAll("[data-chart]")) {
      const { data: traces, layout } = coloured(charts[place.dataset.chart], style);
      place.previousElementSibling.replaceChildren(legend(traces));
      Plotly.react(place, traces, {
        paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)",
        font: { family: getComputedStyle(document.body).fontFamily, size: narrow.matches ? 11 : 13,
                color: style.getPropertyValue("--ink").trim() },
        margin: { l: 60, r: 48, t: 12, b: 48 },
        showlegend: false,
        hoverlabel: { namelength: -1 },
        dragmode: false,
        ...layout,
        xaxis: axis(layout.xaxis, style),
        yaxis: axis(layout.yaxis, style),
      }, { displayModeBar: false, responsive: true, doubleClick: false, showTips: false });
    }
  }

  data.then(async ({ charts }) => {
    // The policy holds the hash of plotly's script: it runs if it is that, to the letter.
    const script = document.createElement("script");
    script.textContent = await carried("plotly");
    document.head.append(script);
    draw(charts);
    for (const query of [dark, narrow]) query.addEventListener("change", () => draw(charts));
  });
})();

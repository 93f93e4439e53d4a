"use strict";
(() => {
  const details = document.getElementById("details");
  const chart = document.querySelector(".chart");
  const inner = document.querySelector(".inner");
  const axis = document.querySelector(".axis .track");
  const whole = Number(inner.dataset.seconds);
  let zoom = 1;

  // -- details of the bar under the pointer ------------------------------------------------------

  function show(bar, x, y) {
    const [name, took, from, meaning] = bar.dataset.told.split("|");
    const title = document.createElement("b");
    title.textContent = `${name} ${took}`;
    const from_line = document.createElement("div");
    from_line.textContent = from;
    const meaning_line = document.createElement("div");
    meaning_line.textContent = meaning;
    details.replaceChildren(title, from_line, meaning_line);
    details.hidden = false;
    const { width, height } = details.getBoundingClientRect();
    details.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - width - 8))}px`;
    details.style.top = `${y + 18 + height > innerHeight ? y - height - 12 : y + 18}px`;
  }

  chart.addEventListener("pointermove", (event) => {
    const bar = event.target.closest(".bar");
    if (bar) show(bar, event.clientX, event.clientY);
    else details.hidden = true;
  });
  chart.addEventListener("pointerleave", () => { details.hidden = true; });

  // -- zoom --------------------------------------------------------------------------------------

  function words(seconds) {
    if (!seconds) return "0";
    const round = (value) => Number(value.toPrecision(6));
    return seconds >= 1 ? `${round(seconds)} s` : `${round(seconds * 1000)} ms`;
  }

  function draw_axis() {
    const least = (whole * 90) / Math.max(axis.clientWidth, 1);
    const power = 10 ** Math.floor(Math.log10(Math.max(least, 0.001)));
    const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= least * 0.999) || power;
    const ticks = [];
    const lines = [];
    for (let number = 0; number * step <= whole; number += 1) {
      const at = number * step;
      const tick = document.createElement("span");
      const text = document.createElement("em");
      text.textContent = words(at);
      tick.append(text);
      tick.style.left = `${(100 * at) / whole}%`;
      // Near the end there is no room for a text.
      if ((1 - at / whole) * axis.clientWidth < 52) text.hidden = true;
      ticks.push(tick);
      const line = document.createElement("i");
      line.style.left = tick.style.left;
      lines.push(line);
    }
    axis.replaceChildren(...ticks);
    inner.querySelector(".lines").replaceChildren(...lines);
  }

  function set_zoom(value, x) {
    const labels = axis.getBoundingClientRect().left - inner.getBoundingClientRect().left;
    const at = (chart.scrollLeft + x - labels) / zoom;
    zoom = Math.min(Math.max(value, 1), 200);
    inner.style.setProperty("--zoom", zoom);
    chart.scrollLeft = at * zoom - x + labels;
    draw_axis();
  }

  document.querySelector(".zoom").hidden = false;
  for (const button of document.querySelectorAll(".zoom button")) {
    button.addEventListener("click", () => {
      const by = Number(button.dataset.by);
      set_zoom(by ? zoom * by : 1, chart.clientWidth / 2);
    });
  }
  chart.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const x = event.clientX - chart.getBoundingClientRect().left;
    set_zoom(zoom * (event.deltaY < 0 ? 1.25 : 0.8), x);
  }, { passive: false });
  addEventListener("resize", draw_axis);
  draw_axis();
})();

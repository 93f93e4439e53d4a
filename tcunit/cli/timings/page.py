"""The report as one page that needs nothing else: a summary, what to do, a chart and two tables.

The page is whole without its script, which only adds details under the pointer and the zoom. Bars
are placed in percent of their track, so that the chart has any width.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape
from importlib.resources import files

from .advice import advice_for, critical
from .phases import COLUMNS, PHASES, UP, seconds
from .recorded import Case, Lane, Run, Span, Start
from .summary import PARTS, contents, parts_of, parts_of_run, rows_of

TICKS = 8
GREY = ("connect", "arm", "prepare")
ROOM = 0.08  # of the whole, from which on a time is written behind a start
MINUS = "\N{MINUS SIGN}"
STEPS = (1, 2, 5, 10)


def page(run: Run) -> str:
    """The whole page."""
    inside = "\n".join([*_summary(run), *_advice(run), *_chart(run), *_classes(run), *_things(run)])
    return (
        "<!doctype html>\n"
        '<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{seconds(run.seconds)} — tcunit timings</title>\n"
        f"<style>\n{_part('page.css')}</style>\n</head>\n"
        f"<body>\n<main>\n{inside}\n</main>\n"
        '<div id="details" role="status" hidden></div>\n'
        f"<script>\n{_part('page.js')}</script>\n</body>\n</html>\n"
    )


def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


# -- at the top -----------------------------------------------------------------------------------


def _summary(run: Run) -> Iterator[str]:
    parts = parts_of_run(run)
    whole = sum(parts.values()) or 1.0
    yield f"<header><h1>{seconds(run.seconds)}</h1><p>{escape(contents(run))}</p></header>"
    yield '<section aria-label="Where the time went"><div class="shares" aria-hidden="true">'
    for name, spent in parts.items():
        yield f'<i class="p-{name}" style="flex-grow:{spent:.4f}"></i>'
    yield '</div><dl class="parts">'
    for name, spent in parts.items():
        yield (
            f'<div><dt><i class="p-{name}"></i>{name}</dt>'
            f"<dd>{seconds(spent)} <small>{spent / whole:.0%}</small></dd></div>"
        )
    yield "</dl></section>"


def _advice(run: Run) -> Iterator[str]:
    found = advice_for(run)
    if not found:
        return
    yield '<section><h2>What to do</h2><ol class="advice">'
    for each in found:
        yield f"<li><b>{MINUS}{seconds(each.saves)}</b> <span>{_with_code(each.text)}</span></li>"
    yield "</ol></section>"


def _with_code(text: str) -> str:
    """A text for the page, what is written in code set as such."""
    words = []
    for word in text.split(" "):
        bare = word.rstrip(",:")
        is_code = "(" in bare or bare.startswith("TCUNIT_")
        escaped = escape(bare, quote=False)
        words.append((f"<code>{escaped}</code>" if is_code else escaped) + word[len(bare) :])
    return " ".join(words)


# -- the chart ------------------------------------------------------------------------------------


def _chart(run: Run) -> Iterator[str]:
    yield '<section><div class="above"><h2>Timeline</h2>'
    yield '<div class="zoom" hidden>'
    yield f'<button type="button" data-by="0.5" aria-label="zoom out">{MINUS}</button>'
    yield '<button type="button" data-by="0">fit</button>'
    yield '<button type="button" data-by="2" aria-label="zoom in">+</button></div></div>'
    yield '<ul class="legend">'
    yield from _legend({span.phase for span in run.spans})
    yield f'<li title="ready for use"><i class="p-{UP}"></i>up</li>'
    yield '<li title="what decided how long the class waited"><i class="critical"></i>'
    yield "critical path</li></ul>"
    yield '<div class="chart" tabindex="0" role="group" aria-label="Timeline">'
    yield f'<div class="inner" data-seconds="{run.seconds:.5f}">'
    yield '<div class="axis" aria-hidden="true"><div class="label"></div><div class="track">'
    yield from (_tick(at, run.seconds) for at in ticks(run.seconds))
    yield "</div></div>"
    yield '<div class="lines" aria-hidden="true"></div>'
    process = ""
    for case in run.cases:
        if case.process != process:
            process = case.process
            yield f'<div class="process"><div class="label">{escape(process)}</div></div>'
        yield from _case(case, run)
    yield "</div></div></section>"


def _legend(present: set[str]) -> Iterator[str]:
    """A swatch for each phase that there is; those of one colour share it."""
    for name in (each for each in PHASES if each in present and each not in GREY):
        meaning = escape(PHASES[name].meaning, quote=True)
        yield f'<li title="{meaning}"><i class="p-{name}"></i>{name}</li>'
    if grey := [each for each in GREY if each in present]:
        meaning = escape("; ".join(f"{each}: {PHASES[each].meaning}" for each in grey), quote=True)
        yield f'<li title="{meaning}"><i class="p-{grey[0]}"></i>{", ".join(grey)}</li>'


def ticks(whole: float, most: int = TICKS) -> list[float]:
    """Round times from zero on, some of them, for an axis of this many seconds."""
    least = whole / most
    power: float = 10 ** math.floor(math.log10(least)) if least > 0 else 1.0
    step = next(each * power for each in STEPS if each * power >= least)
    return [number * step for number in range(int(whole / step) + 1)]


def _tick(at: float, whole: float) -> str:
    text = f"{at:g} s" if at >= 1 else f"{at * 1000:g} ms"
    return f'<span style="left:{_percent(at, whole)}"><em>{text if at else "0"}</em></span>'


def _case(case: Case, run: Run) -> Iterator[str]:
    path = {id(start.lane): start for start in critical(case)}
    yield f'<div class="case" role="group" aria-label="{escape(case.title)}">'
    title = f"<b>{escape(case.title)}</b>"
    if not case.own.spans:
        yield f'<div class="lane own"><div class="label">{title}</div>'
        yield '<div class="track"></div></div>'
    for lane in case.lanes:
        label = escape(lane.thing) if lane.thing else title
        yield _lane(lane, label, run, path.get(id(lane)))
    yield "</div>"


def _lane(lane: Lane, label: str, run: Run, on_path: Start | None) -> str:
    told = " ".join(filter(None, [lane.kind, lane.image, "" if lane.scope == "class" else
                                  f"for the {lane.scope}"]))  # fmt: skip
    kinds = "lane" + " own" * (not lane.thing) + " on-path" * bool(on_path)
    bars = [
        *(_bar(Span(UP, began, ended - began), run, lane) for began, ended in lane.up),
        *(_bar(span, run, lane) for span in lane.spans),
    ]
    if on_path:
        place = _place(on_path.began, on_path.seconds, run)
        bars.append(f'<div class="critical" style="{place}"></div>')
        bars.extend(_time_of(on_path, run))
    return (
        f'<div class="{kinds}"><div class="label" title="{escape(told, quote=True)}">{label}</div>'
        f'<div class="track" role="img" aria-label="{escape(_spoken(lane), quote=True)}">'
        f"{''.join(bars)}</div></div>"
    )


def _time_of(start: Start, run: Run) -> Iterator[str]:
    """How long a start took, written behind it where there is room."""
    after = [span.began for span in start.lane.spans if span.began >= start.ready]
    if min([run.ended, *after]) - start.ready > ROOM * run.seconds:
        left = _percent(start.ready - run.began, run.seconds)
        yield f'<span class="time" style="left:{left}">{seconds(start.seconds)}</span>'


def _bar(span: Span, run: Run, lane: Lane) -> str:
    name = span.what or lane.thing
    about = f"{name}: {span.phase}" if name else span.phase
    meaning = PHASES[span.phase].meaning if span.phase in PHASES else "ready for use"
    told = f"{about}|{seconds(span.seconds)}|from {seconds(span.began - run.began)} on|{meaning}"
    return (
        f'<div class="bar p-{span.phase}" style="{_place(span.began, span.seconds, run)}" '
        f'data-told="{escape(told, quote=True)}"></div>'
    )


def _spoken(lane: Lane) -> str:
    """A lane in words, for who does not see it."""
    phases = [(name, lane.total(name)) for name in PHASES]
    spent = ", ".join(f"{name} {seconds(total)}" for name, total in phases if total)
    return f"{lane.thing or 'the class'}: {spent}"


def _place(began: float, length: float, run: Run) -> str:
    left, width = _percent(began - run.began, run.seconds), _percent(length, run.seconds)
    return f"left:{left};width:{width}"


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole if whole else 0:.4f}%"


# -- the tables -----------------------------------------------------------------------------------


def _classes(run: Run) -> Iterator[str]:
    cases = [case for case in run.cases if case.name]
    if not cases:
        return
    by_cost = sorted(cases, key=lambda case: -sum(parts_of(case).values()))
    rows = []
    for case in by_cost:
        parts = parts_of(case)
        name = f'<span title="{escape(case.name, quote=True)}">{escape(case.title)}</span>'
        where = f" <small>{escape(case.process)}</small>" if case.process else ""
        rows.append((name + where, [sum(parts.values()), *parts.values()], str(case.tests)))
    yield from _table("Classes", "class", ["in all", *PARTS], rows, "tests run")


def _things(run: Run) -> Iterator[str]:
    rows = []
    for row in rows_of(run):
        about = " ".join(filter(None, [row.lane.kind, row.lane.image]))
        name = (
            f'<span title="{escape(about, quote=True)}">{escape(row.lane.thing)}</span> '
            f"<small>{escape(row.case.title)}</small>"
        )
        scope = row.lane.scope if row.lane.kind else ""
        rows.append((name, [row.total, *row.columns.values()], scope))
    if rows:
        yield from _table(
            "Containers and networks", "name", ["in all", *COLUMNS], rows, "lives for the"
        )


def _table(
    title: str, first: str, columns: list[str], rows: list[tuple[str, list[float], str]], last: str
) -> Iterator[str]:
    """A table of times; a cell is tinted by its share of the longest time in the table."""
    longest = max((max(numbers[1:]) for _, numbers, _ in rows), default=0.0) or 1.0
    yield f'<section><h2>{title}</h2><div class="wide" tabindex="0" role="group" '
    yield f'aria-label="{title}"><table><thead><tr><th scope="col">{first}</th>'
    yield "".join(f'<th scope="col">{each}</th>' for each in columns)
    yield f'<th scope="col">{last}</th></tr></thead><tbody>'
    for name, numbers, told in rows:
        cells = "".join(
            f'<td style="--share:{0 if column == "in all" else each / longest:.3f}">'
            f"{seconds(each) if each >= 0.0005 else '·'}</td>"
            for column, each in zip(columns, numbers, strict=True)
        )
        yield f'<tr><th scope="row">{name}</th>{cells}<td>{escape(told)}</td></tr>'
    yield "</tbody></table></div></section>"

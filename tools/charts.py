"""Charts as SVG in HTML: text and lines only, nothing from elsewhere, for bright and dark screens.

Whatever is put into a page with them needs STYLE once; `page` makes a page that stands alone.
"""

import dataclasses
import html
import math

STYLE = """<style>
.chart { --c0: #12507b; --c1: #b4431f; --c2: #3d7a37; --c3: #8a5a9e; --grid: #dcd8cf; --soft: #5b6670;
  --own: #b4431f; --other: #8aa0b1; width: 100%; height: auto; font: 12px system-ui, sans-serif; }
@media (prefers-color-scheme: dark) {
  .chart { --c0: #7db8f0; --c1: #f08a62; --c2: #8fce86; --c3: #cfa3e3; --grid: #2f373e; --soft: #9aa5ae;
    --own: #f08a62; --other: #5c7284; }
}
.chart.bars { max-width: 36rem; }
.chart text { fill: currentColor; } .chart .soft { fill: var(--soft); }
.chart .grid { stroke: var(--grid); stroke-width: 1; } .chart .mark { stroke: var(--soft); stroke-dasharray: 3 3; }
.chart polyline { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.chart .own { fill: var(--own); } .chart .other { fill: var(--other); }
.chart .s0 { stroke: var(--c0); } .chart .s1 { stroke: var(--c1); } .chart .s2 { stroke: var(--c2); }
.chart .s3 { stroke: var(--c3); }
.chart .f0 { fill: var(--c0); } .chart .f1 { fill: var(--c1); } .chart .f2 { fill: var(--c2); }
.chart .f3 { fill: var(--c3); }
</style>"""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
:root {{ --paper: #fbfaf7; --ink: #1d2329; --line: #dcd8cf; --well: #2b6e27; --ill: #b3261e; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --paper: #14181c; --ink: #e3e6e8; --line: #2f373e; --well: #8fce86; --ill: #ff8a80; }}
}}
body {{ margin: 0 auto; padding: 1rem; max-width: 56rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }}
h1 {{ font-size: 1.5rem; }} h2 {{ font-size: 1.1rem; margin: 1.8rem 0 .3rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ padding: .3rem .8rem .3rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }}
.well {{ color: var(--well); font-weight: 600; }} .ill {{ color: var(--ill); font-weight: 600; }}
</style>
{style}
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""

LEFT, RIGHT, TOP, BOTTOM = 52, 12, 34, 34


@dataclasses.dataclass
class Series:
    name: str
    points: list  # Of (x, y), by x.


@dataclasses.dataclass
class Axes:
    """What a chart of lines says of itself. `marks`: (x, what happened then)."""
    x_label: str
    y_label: str
    marks: tuple = ()
    from_zero: bool = True
    height: int = 240
    width: int = 760


def page(title, body):
    return PAGE.format(title=html.escape(title), body=body, style=STYLE)


def table(headings, rows):
    """A table; what is no text already in HTML is a cell's text."""
    head = "".join(f"<th>{html.escape(each)}</th>" for each in headings)
    lines = ["<tr>" + "".join(f"<td>{each}</td>" for each in row) + "</tr>" for row in rows]
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n" + "\n".join(lines) + "\n</tbody></table>"


def steps(low, high, count=5):
    """Round numbers for an axis, from at most `low` to at least `high`."""
    rough = max(high - low, 1e-9) / count
    scale = 10 ** math.floor(math.log10(rough))
    step = next(each * scale for each in (1, 2, 2.5, 5, 10) if each * scale >= rough * 0.999)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [i * step for i in range(first, max(last, first + 1) + 1)]


def number(value):
    if value and abs(value) < 1:
        return f"{value:.2g}"
    return f"{value:,.1f}".rstrip("0").rstrip(".")


def lines(series, axes):
    """A chart of lines over one axis, with a legend above it."""
    xs = [x for each in series for x, _ in each.points]
    ys = [y for each in series for _, y in each.points]
    if not xs:
        return "<p>Nothing was measured.</p>"
    x_steps = steps(min(xs), max(xs), 8)
    y_steps = steps(0 if axes.from_zero else min(ys), max(ys), 4)
    wide, high = axes.width - LEFT - RIGHT, axes.height - TOP - BOTTOM
    x_low, x_high = min(xs), max(max(xs), min(xs) + 1e-9)

    def at_x(x):
        return LEFT + (x - x_low) / (x_high - x_low) * wide

    def at_y(y):
        return TOP + high - (y - y_steps[0]) / (y_steps[-1] - y_steps[0]) * high
    out = [f'<svg class="chart" viewBox="0 0 {axes.width} {axes.height}" role="img" '
           f'aria-label="{html.escape(axes.y_label)}">']
    for y in y_steps:
        out.append(f'<line class="grid" x1="{LEFT}" x2="{axes.width - RIGHT}" y1="{at_y(y):.1f}" '
                   f'y2="{at_y(y):.1f}"/><text class="soft" x="{LEFT - 6}" y="{at_y(y) + 4:.1f}" '
                   f'text-anchor="end">{number(y)}</text>')
    for x in x_steps:
        if x_low <= x <= x_high:
            out.append(f'<text class="soft" x="{at_x(x):.1f}" y="{TOP + high + 16}" '
                       f'text-anchor="middle">{number(x)}</text>')
    out.append(f'<text class="soft" x="{axes.width - RIGHT}" y="{axes.height - 4}" '
               f'text-anchor="end">{html.escape(axes.x_label)}</text>')
    for i, (x, text) in enumerate(axes.marks):
        side = "end" if at_x(x) > axes.width * 0.75 else "start"
        beside = -4 if side == "end" else 4
        out.append(f'<line class="mark" x1="{at_x(x):.1f}" x2="{at_x(x):.1f}" y1="{TOP}" '
                   f'y2="{TOP + high}"/><text x="{at_x(x) + beside:.1f}" '
                   f'y="{TOP + 12 + 14 * (i % 4)}" text-anchor="{side}">{html.escape(text)}</text>')
    legend = LEFT
    for i, each in enumerate(series):
        points = " ".join(f"{at_x(x):.1f},{at_y(y):.1f}" for x, y in each.points)
        out.append(f'<polyline class="s{i % 4}" points="{points}"/>')
        out.append(f'<rect class="f{i % 4}" x="{legend}" y="8" width="10" height="10"/>'
                   f'<text x="{legend + 15}" y="17">{html.escape(each.name)}</text>')
        legend += 30 + 7 * len(each.name)
    out.append(f'<text class="soft" x="{axes.width - RIGHT}" y="17" text-anchor="end">'
               f'{html.escape(axes.y_label)}</text>')
    return "\n".join([*out, "</svg>"])


@dataclasses.dataclass
class Bar:
    name: str
    value: float
    text: str  # What stands behind it.
    is_own: bool = False  # Ours, in another colour.


def bars(groups, about, width=440):
    """Bars that lie, in groups of their own scale: (name, [Bar]). Narrow, so that a phone shows words."""
    row, names, texts = 20, 76, 110
    out, y = [], 8
    for name, members in groups:
        longest = max((bar.value for bar in members), default=0) or 1
        y += 16
        out.append(f'<text x="0" y="{y}" font-weight="600">{html.escape(name)}</text>')
        y += 6
        for bar in members:
            long = bar.value / longest * (width - names - texts)
            out.append(f'<text x="0" y="{y + 14}" class="soft">{html.escape(bar.name)}</text>'
                       f'<rect class="{"own" if bar.is_own else "other"}" x="{names}" y="{y + 3}" '
                       f'width="{max(long, 1):.1f}" height="{row - 6}" rx="2"/>'
                       f'<text x="{names + max(long, 1) + 6:.1f}" y="{y + 14}">'
                       f'{html.escape(bar.text)}</text>')
            y += row
        y += 8
    return "\n".join([f'<svg class="chart bars" viewBox="0 0 {width} {y}" role="img" '
                      f'aria-label="{html.escape(about)}">', *out, "</svg>"])

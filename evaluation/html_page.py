# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame of a report: one file with everything in it, in light and in dark, for every reader.

No script, no font, no address: the page looks the same in twenty years and without a network.
Right and wrong are told in words, so that colors are never needed to tell them apart.
"""

from __future__ import annotations

import base64
from html import escape

_STYLE = """
:root { color-scheme: light dark; --ground: #ffffff; --text: #1c1c1e; --faint: #5a5a60;
  --line: #c9c9cf; --panel: #f4f4f6; --s0: #2456a6; --s1: #b4530a; --wrong: #a3122d; }
@media (prefers-color-scheme: dark) { :root { --ground: #17181a; --text: #ececee; --faint: #a9a9b2;
  --line: #45464d; --panel: #212226; --s0: #82aef5; --s1: #f0a35e; --wrong: #ff8fa0; } }
body { margin: 0 auto; padding: 1.5rem; max-width: 72rem; background: var(--ground);
  color: var(--text); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; } h2 { font-size: 1.25rem; margin-top: 2.2rem; }
h3 { font-size: 1rem; margin: 0 0 .4rem; }
a { color: var(--s0); } p, li { max-width: 46rem; }
.skip { position: absolute; left: -100rem; } .skip:focus { position: static; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .35rem .8rem .35rem 0; vertical-align: top; }
tbody tr { border-top: 1px solid var(--line); } tbody th { font-weight: 400; }
tbody th[scope=rowgroup] { font-weight: 700; padding-top: 1.1rem; }
td.number { font-variant-numeric: tabular-nums; }
.faint { color: var(--faint); font-size: .875rem; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: 1rem; }
.charts { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(20.5rem, 1fr)); }
.card { background: var(--panel); border: 1px solid var(--line); border-radius: .4rem; margin: 0;
  padding: .6rem; } .card img { width: 128px; height: 128px; max-width: 100%; display: block; }
.card figcaption { font-size: .875rem; margin-top: .4rem; overflow-wrap: anywhere; }
.row { display: flex; gap: .4rem; flex-wrap: wrap; } .wrong { color: var(--wrong); }
svg { max-width: 100%; height: auto; font: 11px system-ui, sans-serif; }
svg text { fill: var(--faint); }
.bar.s0 { fill: var(--s0); } .bar.s1 { fill: var(--s1); } .track { fill: var(--line); opacity: .5; }
.axis, .whisker { stroke: var(--text); stroke-width: 1.2; fill: none; }
.halo { stroke: var(--ground); stroke-width: 3.5; fill: none; }
.key { display: inline-block; width: .8rem; height: .8rem; border-radius: .15rem; }
.key.s0 { background: var(--s0); } .key.s1 { background: var(--s1); }
@media print { .card, tr { break-inside: avoid; } }
"""


def page(title: str, body: str) -> str:
    """Return a whole page."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#content">Skip to the content</a>\n'
        f'<main id="content">\n<h1>{escape(title)}</h1>\n{body}\n</main>\n</body>\n</html>\n'
    )


def section(name: str, title: str, body: str) -> str:
    """Return a part of the page with a heading of its own."""
    return (
        f'<section aria-labelledby="{name}">\n<h2 id="{name}">{escape(title)}</h2>\n{body}\n'
        "</section>"
    )


def image(png: bytes, told: str) -> str:
    """Return a picture with what it shows in words."""
    data = base64.b64encode(png).decode()
    return f'<img alt="{escape(told)}" src="data:image/png;base64,{data}">'


def figure(pictures: list[str], caption: str) -> str:
    """Return pictures over a caption, which is HTML."""
    shown = pictures[0] if len(pictures) == 1 else f'<div class="row">{"".join(pictures)}</div>'
    return f'<figure class="card">{shown}<figcaption>{caption}</figcaption></figure>'

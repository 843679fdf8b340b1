# SPDX-License-Identifier: Apache-2.0
"""A small, safe part of Markdown as HTML: paragraphs, lists, emphasis, code, links.

Everything is escaped first; what is not understood stays text. Links lead to `http`,
`https` and `mailto` only.
"""

from __future__ import annotations

import re
from html import escape

_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[([^\]\n]+)\]\(((?:https?://|mailto:)[^\s()]+)\)")
_BARE_LINK = re.compile(r"(?<![\"=>\w])(https?://[^\s<>()]+[^\s<>().,;:])")
_STRONG = re.compile(r"\*\*(\S(?:[^*\n]*\S)?)\*\*")
_EMPHASIS = re.compile(
    r"(?<![\w*])\*(\S(?:[^*\n]*\S)?)\*(?![\w*])|(?<!\w)_(\S(?:[^_\n]*\S)?)_(?!\w)"
)
_ITEM = re.compile(r"\s*(?:[-*+]|\d+[.)])\s+(.*)")
_HEADING = re.compile(r"#{1,6}\s+(.*)")


def to_html(text: str) -> str:
    """A text as HTML blocks."""
    blocks = re.split(r"\n\s*\n", text.strip())
    return "\n".join(_block(block) for block in blocks if block.strip())


def inline_html(text: str) -> str:
    """One line as HTML."""
    kept: list[str] = []

    def keep(html: str) -> str:
        kept.append(html)
        return f"\x00{len(kept) - 1}\x00"

    made = escape(text.replace("\x00", ""))
    made = _CODE.sub(lambda m: keep(f"<code>{m[1]}</code>"), made)
    made = _LINK.sub(lambda m: keep(f'<a href="{m[2]}">') + m[1] + keep("</a>"), made)
    made = _BARE_LINK.sub(lambda m: keep(f'<a href="{m[1]}">{m[1]}</a>'), made)
    made = _STRONG.sub(r"<strong>\1</strong>", made)
    made = _EMPHASIS.sub(lambda m: f"<em>{m[1] or m[2]}</em>", made)
    return re.sub(r"\x00(\d+)\x00", lambda m: kept[int(m[1])], made)


def to_markdown(text: str) -> str:
    """A text as Markdown in which no HTML can hide."""
    return text.strip().replace("<", "&lt;")


def _block(block: str) -> str:
    lines = block.splitlines()
    items = [_ITEM.fullmatch(line) for line in lines]
    if items[0] is not None:
        return _list(lines)
    heading = _HEADING.fullmatch(lines[0])
    if heading is not None:
        rest = "\n".join(lines[1:])
        return f"<h4>{inline_html(heading[1])}</h4>" + (f"\n{_block(rest)}" if rest.strip() else "")
    # A list may follow a line of text directly.
    for place, item in enumerate(items):
        if item is not None:
            head = _block("\n".join(lines[:place]))
            return f"{head}\n{_list(lines[place:])}"
    return f"<p>{inline_html(' '.join(line.strip() for line in lines))}</p>"


def _list(lines: list[str]) -> str:
    found: list[str] = []
    for line in lines:
        item = _ITEM.fullmatch(line)
        if item is not None:
            found.append(item[1])
        else:
            found[-1] += " " + line.strip()
    return "<ul>" + "".join(f"<li>{inline_html(each)}</li>" for each in found) + "</ul>"

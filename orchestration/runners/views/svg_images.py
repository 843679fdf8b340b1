# SPDX-License-Identifier: Apache-2.0
"""Drawings as images, for notebooks: JupyterLab shows no SVG of a notebook that is not trusted.

It takes the elements away and leaves their texts, all in one line. Images it shows, and where a
page shows none, there is what they are in words.
"""

from __future__ import annotations

import re

_DRAWING = re.compile(r"<svg(?P<head>[^>]*)>(?P<inside>.*?)</svg>", re.DOTALL)
_ATTRIBUTE = re.compile(r'(?P<name>class|width|height|aria-label)="(?P<value>[^"]*)"')
_TOLD = re.compile(r"\A<title>(?P<told>.*?)</title>", re.DOTALL)
#: What a drawing that stands alone needs; the page behind it may be dark.
_ALONE = 'xmlns="http://www.w3.org/2000/svg" style="background:#fff"'
#: What XML does not allow, even escaped.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def with_images(html: str) -> str:
    """HTML with its drawings as images that hold themselves; a page's script undoes that.

    Args:
        html: Made by `html_page`: whatever looks like an element in it is one.
    """
    return _DRAWING.sub(_image, html)


def _image(match: re.Match[str]) -> str:
    given = {each["name"]: each["value"] for each in _ATTRIBUTE.finditer(match["head"])}
    names = f"drawn {given.get('class', '')}".strip()
    told = _TOLD.match(match["inside"])
    title = f' title="{told["told"]}"' if told else ""
    alt = "histogram" if told else given.get("aria-label", "")
    return (
        f'<img class="{names}" width="{given["width"]}" height="{given["height"]}" '
        f'alt="{alt}"{title} src="data:image/svg+xml,{_address(match[0])}">'
    )


def _address(svg: str) -> str:
    """The drawing as a part of an address, in an attribute in double quotes."""
    text = svg.replace("<svg", f"<svg {_ALONE}", 1)
    text = _FORBIDDEN.sub("\ufffd", text)
    # Quotes in texts are escaped already: those that are left are the markup's own.
    for found, written in (
        ("%", "%25"), ("#", "%23"), ("\r", "%0D"), ("\n", "%0A"), ("\t", "%09"),
        ('"', "'"), ("&", "&amp;"),
    ):  # fmt: skip
        text = text.replace(found, written)
    return text

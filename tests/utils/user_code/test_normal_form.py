# SPDX-License-Identifier: Apache-2.0
"""Digests of code that every supported Python agrees on."""

from __future__ import annotations

import ast
import textwrap

import pytest

from penstock.utils.user_code.normal_form import tree_digest

#: Whatever Pythons have come to write differently into their syntax trees.
RICH = '''
import a.b as c
from . import d

@c.decorate(1, *d, key="x")
async def f(a: int, /, b: "str" = 'é', *args, c=-1.5e300, **kw) -> None:
    """Docstring."""
    async with c() as x, d as (y, z):
        await x
    return f"{a!r:>{b}} {{x}} {c.d:%Y-%m-%d}" f'{a = }' "tail\\n", rb"bytes".decode()

class K(Base, metaclass=Meta):
    "Docstring."
    x: int
    y: list[int] = [*range(3), 0xFF, 1_000, 3j, ..., None, True, b"y"]

    def g(self):
        global G
        G, *rest = (lambda v, /, *w: v if w else not v)(1)
        del rest[1:2, ::3]
        return {**self, "k": {1, 2}, **{i: j for i, j in G if i for k in j}}

match f:
    case K(x=1, y=[_, *rest]) | {"a": None, **more} if rest:
        pass
    case -1 | "s" as s:
        pass
try:
    x = y = (z := 3)
    x @= 3 ** -y // 2 << 1 & ~0
except (A, B) as e:
    raise X from e
else:
    assert x, "message"
finally:
    while x < 1 <= 2 is not None not in y: break
for i, in (yield): continue
'''

#: Taken with Python 3.11; the same on 3.10, 3.12 and 3.13.
GOLDEN = "1a01d7fcb02e690fbe7600d859a244d475d25873b9062b0ba23c73700cbc0c98"


def digest(text: str) -> str:
    """Digest of a source text."""
    return tree_digest(*ast.parse(textwrap.dedent(text)).body)


def test_golden_digest() -> None:
    """Cache entries must survive a new Python, or a change must raise the version."""
    assert digest(RICH) == GOLDEN


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x   =  (1)  # note"),
        ("x = 'a'", 'x = "a"'),
        ("x = 'a' 'b'", "x = 'ab'"),
        ("x = 255", "x = 0xFF"),
        ("x = f'{a}' 'b' f'{c}'", "x = f'{a}b{c}'"),
        ("def f():\n  'doc'\n  return 1", "def f(): return 1"),
        ("def f(): ...", "def f(): 'doc'"),
        ("if a: b\nelif c: d", "if a:\n  b\nelse:\n  if c: d"),
        ("x = (1,\n 2)", "x = 1, 2"),
        ("x = u'a'", "x = 'a'"),
    ],
)
def test_looks_do_not_count(one: str, other: str) -> None:
    """Formatting a file must not run anything again."""
    assert digest(one) == digest(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = 1", "x = '1'"),
        ("x = 'a'", "x = b'a'"),
        ("x = None", "x = ()"),
        ("x = 0.0", "x = -0.0"),
        ("x = a, b", "x = a\nb"),
        ("x = [a]", "x = (a,)"),
        ("def f(a, b): x", "def f(a, *, b): x"),
        ("def f(a, b): x", "def f(a, /, b): x"),
        ("def f(): return", "async def f(): return"),
        ("f(a, b=c)", "f(a, c)"),
        ("f(*a)", "f(**a)"),
        ("x = f'{a}'", "x = f'{a!r}'"),
        ("x = f'{a}'", "x = '{a}'"),
        ("x = {None: a}", "x = {**a}"),
        ("a\nb", "b\na"),
        ("from . import a", "from .. import a"),
        ("import a as b", "import a as c"),
        ("x = a < b", "x = a <= b"),
    ],
)
def test_meaning_counts(one: str, other: str) -> None:
    """Code that does something else must not be taken for the same."""
    assert digest(one) != digest(other)

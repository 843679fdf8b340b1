# SPDX-License-Identifier: Apache-2.0
"""Which names a statement binds in its module, and which of its module's names it uses.

Python's scoping is followed where leaving a name out could be wrong: a parameter or local
variable that is called like a function of the module is not a use of that function; a
name used in a class body may be either, and counts as one.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

#: A name followed by the attributes taken from it: `a.b.c` is `("a", "b", "c")`.
Chain = tuple[str, ...]


@dataclass(frozen=True)
class ImportRef:
    """What an import binds a name to, as written.

    Attributes:
        level: Number of leading dots.
        module: The module, without dots in front.
        name: What is taken from it; `*` for everything; None for the module itself.
        top: Whether the bound name is the module's top-level package (`import a.b`).
    """

    level: int
    module: str
    name: str | None
    top: bool = False


@dataclass(frozen=True)
class Uses:
    """What a statement has to do with names.

    Attributes:
        chains: The module's names that it uses, with the attributes taken from them.
        binds: Names that it gives a value in the module.
        bound_imports: Those of them that are imports.
        executed: Everything that it imports, in whatever scope.
        local_imports: Imports inside functions, with the attributes taken from each.
        writes_globals: Whether a function in it assigns to a name of the module.
    """

    chains: frozenset[Chain]
    binds: frozenset[str]
    bound_imports: tuple[tuple[str, ImportRef], ...]
    executed: frozenset[ImportRef]
    local_imports: frozenset[tuple[ImportRef, Chain]]
    writes_globals: bool


@dataclass
class _Scope:
    kind: str
    parent: _Scope | None
    bound: set[str] = field(default_factory=set)
    imports: list[tuple[str, ImportRef]] = field(default_factory=list)
    globals: set[str] = field(default_factory=set)
    nonlocals: set[str] = field(default_factory=set)
    loads: set[Chain] = field(default_factory=set)


def uses_of(statement: ast.stmt) -> Uses:
    """The names that a top-level statement binds and uses."""
    reader = _Reader()
    reader.visit(statement, reader.module)
    module = reader.module
    return Uses(
        frozenset(module.loads),
        frozenset(module.bound),
        tuple(module.imports),
        frozenset(reader.executed),
        frozenset(reader.local_imports),
        reader.writes_globals,
    )


def global_names(statement: ast.stmt) -> set[str]:
    """Names that a statement takes from its module, or from Python's built-in ones."""
    return {chain[0] for chain in uses_of(statement).chains}


def chain_of(node: ast.expr) -> Chain | None:
    """`a.b.c` as a chain; None for anything that does not begin with a name."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return (node.id, *reversed(names)) if isinstance(node, ast.Name) else None


def import_refs(node: ast.Import | ast.ImportFrom) -> list[tuple[str, ImportRef]]:
    """(name bound, what it stands for) of each part of an import statement."""
    found = []
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            ref = ImportRef(node.level, node.module or "", alias.name)
            found.append((alias.asname or alias.name, ref))
        elif alias.asname:
            found.append((alias.asname, ImportRef(0, alias.name, None)))
        else:
            found.append((alias.name.split(".", 1)[0], ImportRef(0, alias.name, None, top=True)))
    return found


class _Reader:
    def __init__(self) -> None:
        self.module = _Scope("module", None)
        self.executed: set[ImportRef] = set()
        self.local_imports: set[tuple[ImportRef, Chain]] = set()
        self.writes_globals = False

    def visit(self, node: Any, scope: _Scope) -> None:
        handler = _HANDLERS.get(type(node))
        if handler is not None:
            handler(self, node, scope)
            return
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, ast.AST):
                self.visit(value, scope)
            elif isinstance(value, list):
                self.visit_all(value, scope)

    def visit_all(self, nodes: Iterable[Any], scope: _Scope) -> None:
        for node in nodes:
            if isinstance(node, ast.AST):
                self.visit(node, scope)

    def bind(self, name: str | None, scope: _Scope) -> None:
        if name is None or name in scope.nonlocals:
            return
        if name in scope.globals:
            self.writes_globals = True
        else:
            scope.bound.add(name)

    def close(self, scope: _Scope) -> None:
        """Hands on to the scope around what `scope` does not hold itself."""
        parent = scope.parent
        assert parent is not None
        imported: dict[str, list[ImportRef]] = {}
        for name, ref in scope.imports:
            imported.setdefault(name, []).append(ref)
        for chain in scope.loads:
            name = chain[0]
            for ref in imported.get(name, ()):
                self.local_imports.add((ref, chain[1:]))
            if name in scope.globals:
                self.module.loads.add(chain)
            elif name not in scope.bound or scope.kind == "class":
                parent.loads.add(chain)
        if scope.kind == "class":
            for _, ref in scope.imports:
                # Reachable from outside as an attribute of the class.
                self.local_imports.add((ref, ()))

    def name(self, node: ast.Name, scope: _Scope) -> None:
        if isinstance(node.ctx, ast.Load):
            scope.loads.add((node.id,))
        else:
            self.bind(node.id, scope)

    def attribute(self, node: ast.Attribute, scope: _Scope) -> None:
        chain = chain_of(node) if isinstance(node.ctx, ast.Load) else None
        if chain is not None:
            scope.loads.add(chain)
        else:
            self.visit(node.value, scope)

    def call(self, node: ast.Call, scope: _Scope) -> None:
        if isinstance(node.func, ast.Name) and node.func.id == "vars" and not node.args:
            scope.loads.add(("locals",))
        self.visit(node.func, scope)
        self.visit_all(node.args, scope)
        self.visit_all(node.keywords, scope)

    def augmented(self, node: ast.AugAssign, scope: _Scope) -> None:
        if isinstance(node.target, ast.Name):
            scope.loads.add((node.target.id,))
        self.visit(node.target, scope)
        self.visit(node.value, scope)

    def annotated(self, node: ast.AnnAssign, scope: _Scope) -> None:
        self.annotation(node.annotation, scope)
        self.visit(node.target, scope)
        if node.value is not None:
            self.visit(node.value, scope)

    def annotation(self, node: ast.expr | None, scope: _Scope) -> None:
        if node is None:
            return
        self.visit(node, scope)
        for part in ast.walk(node):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                try:
                    self.visit(ast.parse(part.value.strip(), mode="eval").body, scope)
                except (SyntaxError, ValueError):
                    # Text that is no annotation, as in Literal["a text"].
                    continue

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: _Scope) -> None:
        self.bind(node.name, scope)
        self.visit_all(node.decorator_list, scope)
        outer = self.type_parameters(node, scope)
        self.annotation(node.returns, outer)
        self.body(node.args, node.body, outer, scope)
        if outer is not scope:
            self.close(outer)

    def lambda_(self, node: ast.Lambda, scope: _Scope) -> None:
        self.body(node.args, [node.body], scope, scope)

    def body(
        self, arguments: ast.arguments, body: list[Any], annotations: _Scope, scope: _Scope
    ) -> None:
        self.visit_all([*arguments.defaults, *arguments.kw_defaults], scope)
        inner = _Scope("function", annotations)
        for argument in (
            *arguments.posonlyargs,
            *arguments.args,
            *arguments.kwonlyargs,
            arguments.vararg,
            arguments.kwarg,
        ):
            if argument is not None:
                inner.bound.add(argument.arg)
                self.annotation(argument.annotation, annotations)
        self.visit_all(body, inner)
        self.close(inner)

    def type_parameters(self, node: Any, scope: _Scope) -> _Scope:
        """A scope that holds type parameters (`def f[T]`), or `scope` where there are none."""
        parameters = getattr(node, "type_params", None)
        if not parameters:
            return scope
        inner = _Scope("function", scope)
        inner.bound.update(parameter.name for parameter in parameters)
        self.visit_all(parameters, inner)
        return inner

    def class_(self, node: ast.ClassDef, scope: _Scope) -> None:
        self.bind(node.name, scope)
        self.visit_all(node.decorator_list, scope)
        outer = self.type_parameters(node, scope)
        self.visit_all([*node.bases, *node.keywords], outer)
        inner = _Scope("class", outer)
        self.visit_all(node.body, inner)
        self.close(inner)
        if outer is not scope:
            self.close(outer)

    def type_alias(self, node: Any, scope: _Scope) -> None:
        self.visit(node.name, scope)
        outer = self.type_parameters(node, scope)
        self.visit(node.value, outer)
        if outer is not scope:
            self.close(outer)

    def comprehension(self, node: Any, scope: _Scope) -> None:
        # The first iterable is evaluated outside: in `[x for x in x]` the last is another x.
        self.visit(node.generators[0].iter, scope)
        inner = _Scope("comprehension", scope)
        for index, generator in enumerate(node.generators):
            self.visit(generator.target, inner)
            self.visit_all(generator.ifs, inner)
            if index:
                self.visit(generator.iter, inner)
        for name in ("elt", "key", "value"):
            value = getattr(node, name, None)
            if value is not None:
                self.visit(value, inner)
        self.close(inner)

    def walrus(self, node: ast.NamedExpr, scope: _Scope) -> None:
        self.visit(node.value, scope)
        while scope.kind == "comprehension" and scope.parent is not None:
            scope = scope.parent
        self.visit(node.target, scope)

    def import_(self, node: ast.Import | ast.ImportFrom, scope: _Scope) -> None:
        for name, ref in import_refs(node):
            self.executed.add(ref)
            if ref.name != "*":
                self.bind(name, scope)
                scope.imports.append((name, ref))

    def global_(self, node: ast.Global, scope: _Scope) -> None:
        scope.globals.update(node.names)

    def nonlocal_(self, node: ast.Nonlocal, scope: _Scope) -> None:
        scope.nonlocals.update(node.names)

    def named(self, node: Any, scope: _Scope) -> None:
        """`except … as name`, and names bound by patterns."""
        self.bind(getattr(node, "name", None), scope)
        self.bind(getattr(node, "rest", None), scope)
        for name in node._fields:
            value = getattr(node, name, None)
            self.visit_all(value if isinstance(value, list) else [value], scope)


_HANDLERS: dict[type, Callable[[_Reader, Any, _Scope], None]] = {
    ast.Name: _Reader.name,
    ast.Attribute: _Reader.attribute,
    ast.Call: _Reader.call,
    ast.AugAssign: _Reader.augmented,
    ast.AnnAssign: _Reader.annotated,
    ast.FunctionDef: _Reader.function,
    ast.AsyncFunctionDef: _Reader.function,
    ast.Lambda: _Reader.lambda_,
    ast.ClassDef: _Reader.class_,
    ast.ListComp: _Reader.comprehension,
    ast.SetComp: _Reader.comprehension,
    ast.DictComp: _Reader.comprehension,
    ast.GeneratorExp: _Reader.comprehension,
    ast.NamedExpr: _Reader.walrus,
    ast.Import: _Reader.import_,
    ast.ImportFrom: _Reader.import_,
    ast.Global: _Reader.global_,
    ast.Nonlocal: _Reader.nonlocal_,
    ast.ExceptHandler: _Reader.named,
    ast.MatchAs: _Reader.named,
    ast.MatchStar: _Reader.named,
    ast.MatchMapping: _Reader.named,
}
_TYPE_ALIAS: type | None = getattr(ast, "TypeAlias", None)
if _TYPE_ALIAS is not None:  # Python 3.12
    _HANDLERS[_TYPE_ALIAS] = _Reader.type_alias

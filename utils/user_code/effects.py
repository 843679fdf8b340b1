# SPDX-License-Identifier: Apache-2.0
"""Which top-level statements do more than bind names, and so belong to every slice.

A statement that may change what other code does (a call for its effect, a loop, a
registration by decorator, an assignment whose value is computed by a call) cannot be
attributed to the names it mentions. It takes part in every slice of its module. Exempt is
what is known to do nothing but make a value: a few functions of Python's own, and the
building of a pipeline out of components, or else each component of a file would depend on
all others.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeGuard

from .program import Module, Program
from .scopes import Chain, chain_of
from .search import FRAMEWORK
from .statements import Statement

_PURE_BUILTINS = frozenset(
    {
        "abs",
        "bool",
        "bytes",
        "classmethod",
        "complex",
        "dict",
        "divmod",
        "enumerate",
        "float",
        "frozenset",
        "hash",
        "int",
        "isinstance",
        "issubclass",
        "len",
        "list",
        "max",
        "min",
        "object",
        "ord",
        "pow",
        "property",
        "range",
        "repr",
        "reversed",
        "round",
        "set",
        "slice",
        "sorted",
        "staticmethod",
        "str",
        "sum",
        "tuple",
        "type",
        "zip",
    }
)
#: Callables that only make a value, by full name or by everything below a module.
_PURE_CALLS = (
    "attr.",
    "attrs.",
    "collections.OrderedDict",
    "collections.namedtuple",
    "dataclasses.field",
    "datetime.",
    "decimal.Decimal",
    "enum.auto",
    "fractions.Fraction",
    "functools.partial",
    "logging.getLogger",
    "operator.attrgetter",
    "operator.itemgetter",
    "os.environ.get",
    "os.getcwd",
    "os.getenv",
    "os.path.",
    "pathlib.",
    "pydantic.",
    "re.compile",
    "types.MappingProxyType",
    "typing.",
    "typing_extensions.",
)
#: Decorators that change nothing but what they decorate.
_PURE_DECORATORS = (
    "abc.",
    "attr.",
    "attrs.",
    "contextlib.",
    "dataclasses.",
    "enum.",
    "functools.",
    "pydantic.",
    "tensorflow.autograph.",
    "tensorflow.function",
    "typing.",
    "typing_extensions.",
)
_BUILTIN_DECORATORS = frozenset({"classmethod", "property", "staticmethod"})
_COMPONENT_DECORATORS = frozenset({"component", "container_component"})
_PROPERTY_PARTS = frozenset({"setter", "getter", "deleter"})
#: Kinds of statements that may put a pipeline together.
_ASSEMBLING = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.If, ast.For, ast.With)
_PLAIN_METACLASSES = frozenset({"abc.ABCMeta", "enum.EnumMeta", "builtins.type"})


@dataclass(frozen=True)
class Effects:
    """What the statements of a module do.

    Attributes:
        always: Numbers of those that take part in every slice.
        touching: Numbers of those that may change a pipeline's part, by its name: they count
            for a function that uses the part, and for no other.
    """

    always: frozenset[int]
    touching: Mapping[str, tuple[int, ...]]


def effects_of(program: Program, module: Module) -> Effects:
    """What the module's statements do; found out once."""
    known = program.derived.get(module.name)
    if isinstance(known, Effects):
        return known
    judge = _Judge(program, module)
    always = frozenset(
        number
        for number, statement in enumerate(module.statements)
        if statement.uses.writes_globals or judge.has_effect(statement.node)
    )
    touching: dict[str, list[int]] = {}
    for number, statement in enumerate(module.statements):
        if number not in always and isinstance(statement.node, _ASSEMBLING):
            for chain in statement.uses.chains:
                if chain[0] in judge.parts:
                    touching.setdefault(chain[0], []).append(number)
    found = Effects(always, {name: tuple(numbers) for name, numbers in touching.items()})
    program.derived[module.name] = found
    return found


def _starts(path: str | None, prefixes: tuple[str, ...]) -> bool:
    return path is not None and any(
        path.startswith(prefix) if prefix.endswith(".") else path == prefix for prefix in prefixes
    )


def _is_framework(path: str | None) -> bool:
    return path is not None and (path == FRAMEWORK or path.startswith(FRAMEWORK + "."))


class _Judge:
    """Judges the statements of one module, or of one function that builds a pipeline, in order."""

    def __init__(self, program: Program, module: Module, *, in_function: bool = False) -> None:
        self._program = program
        self._module = module
        self._in_function = in_function
        #: Names of pipelines' parts: whatever is done to them concerns only the pipeline.
        self.parts: set[str] = set()
        #: Functions of the module that do nothing but build a pipeline, as far as judged.
        self._builders: dict[str, bool] = {}

    def has_effect(self, node: ast.stmt) -> bool:
        """Whether a statement may do more than bind the names it binds."""
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            defaults = [*node.args.defaults, *node.args.kw_defaults]
            return not (
                all(map(self._pure_decorator, node.decorator_list))
                and all(self._pure(default) for default in defaults if default is not None)
            )
        if isinstance(node, ast.ClassDef):
            return self._class_effect(node)
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
            return future or node.names[0].name == "*"
        if isinstance(node, ast.Assign):
            return self._assignment_effect(node.targets, node.value)
        if isinstance(node, ast.AnnAssign):
            return node.value is not None and self._assignment_effect([node.target], node.value)
        if isinstance(node, ast.Expr):
            constant = isinstance(node.value, ast.Constant)
            return not constant and not (self._is_part(node.value) and self._pure(node.value))
        if isinstance(node, (ast.If, ast.For, ast.With)):
            return not self._is_assembly(node)
        if isinstance(node, ast.AugAssign):
            # `components += [trainer]`
            return not (self._is_part(node.target) and self._pure(node.value))
        return not isinstance(node, (ast.Pass, getattr(ast, "TypeAlias", ast.Pass)))

    def _assignment_effect(self, targets: list[ast.expr], value: ast.expr) -> bool:
        if not self._pure(value):
            return True
        part = self._is_part(value)
        for target in targets:
            for single in target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]:
                if isinstance(single, ast.Starred):
                    single = single.value
                if isinstance(single, ast.Name):
                    if part:
                        self.parts.add(single.id)
                elif not self._is_part(single):
                    return True
        return False

    def _class_effect(self, node: ast.ClassDef) -> bool:
        if not all(map(self._pure_decorator, node.decorator_list)):
            return True
        if not all(self._pure(base) for base in node.bases):
            return True
        if any(not self._pure(keyword.value) for keyword in node.keywords):
            return True
        if any(self._registers(base, self._module, 0) for base in node.bases):
            return True
        if self._has_metaclass(node, self._module):
            return True
        judge = _Judge(self._program, self._module)
        judge.parts = set(self.parts)
        return any(judge.has_effect(inner) for inner in node.body)

    def _has_metaclass(self, node: ast.ClassDef, module: Module) -> bool:
        for keyword in node.keywords:
            if keyword.arg == "metaclass":
                chain = chain_of(keyword.value)
                path = _path(chain, module) if chain else None
                return path not in _PLAIN_METACLASSES
        return False

    def _registers(self, base: ast.expr, module: Module, depth: int) -> bool:
        """Whether being derived from `base`, a class of the user's own, may have an effect."""
        chain = chain_of(base.value if isinstance(base, ast.Subscript) else base)
        if chain is None or depth > 32:
            return depth > 32
        for number in module.binders.get(chain[0], ()):
            node = module.statements[number].node
            if isinstance(node, ast.ClassDef):
                if self._has_metaclass(node, module) or any(
                    getattr(inner, "name", None) == "__init_subclass__" for inner in node.body
                ):
                    return True
                if any(self._registers(above, module, depth + 1) for above in node.bases):
                    return True
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                found = self._own_target(module, chain)
                if found and self._registers(ast.Name(found[1], ast.Load()), found[0], depth + 1):
                    return True
            else:
                return True
        return False

    def _own_target(self, module: Module, chain: Chain) -> tuple[Module, str] | None:
        """(module of the user's, name in it) that an imported chain stands for."""
        path = module.origin(chain)
        if path is None:
            return None
        name, _, attribute = path.rpartition(".")
        found = self._program.modules.get(name)
        return (found, attribute) if found is not None else None

    def _is_assembly(self, node: ast.If | ast.For | ast.With) -> bool:
        """Whether a compound statement does nothing but put a pipeline together."""
        if isinstance(node, ast.With):
            heads = [item.context_expr for item in node.items]
            targets = [item.optional_vars for item in node.items if item.optional_vars]
        else:
            heads = [node.iter] if isinstance(node, ast.For) else [node.test]
            targets = [node.target] if isinstance(node, ast.For) else []
        if not all(map(self._pure, heads)) or not all(isinstance(t, ast.Name) for t in targets):
            return False
        if isinstance(node, ast.With):
            if not all(map(self._is_part, heads)):
                return False
            self.parts.update(t.id for t in targets if isinstance(t, ast.Name))
        body = [*node.body, *getattr(node, "orelse", [])]
        if any(self.has_effect(inner) for inner in body):
            return False
        return any(
            self._is_part(inner.value)
            for inner in body
            if isinstance(inner, (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr))
            and inner.value
        )

    def _pure(self, value: ast.expr) -> bool:
        """Whether evaluating an expression can do nothing but make a value."""
        stack: list[ast.AST] = [value]
        while stack:
            node = stack.pop()
            if isinstance(node, ast.Lambda):
                # Its body runs when it is called.
                stack.extend(node.args.defaults)
                continue
            if isinstance(node, ast.Call) and not self._pure_call(node):
                return False
            if isinstance(node, (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)):
                return False
            stack.extend(ast.iter_child_nodes(node))
        return True

    def _pure_call(self, call: ast.Call) -> bool:
        if self._is_part(call):
            return True
        chain = chain_of(call.func)
        if chain is None:
            # A method of a piece of text, as in ", ".join(names).
            method = call.func
            return isinstance(method, ast.Attribute) and isinstance(
                method.value, (ast.Constant, ast.JoinedStr)
            )
        path = _path(chain, self._module)
        if path is not None and path.startswith("builtins."):
            calls_back = any(keyword.arg == "key" for keyword in call.keywords)
            return path[len("builtins.") :] in _PURE_BUILTINS and not calls_back
        return _starts(path, _PURE_CALLS)

    def _is_part(self, value: ast.expr) -> bool:
        """Whether an expression is a part of a pipeline: a node, an output, a list of them."""
        if isinstance(value, (ast.Attribute, ast.Subscript)):
            return self._is_part(value.value)
        if isinstance(value, ast.Call):
            chain = chain_of(value.func)
            if chain is not None and self._makes_parts(chain):
                return True
            return isinstance(value.func, ast.Attribute) and self._is_part(value.func.value)
        if isinstance(value, (ast.List, ast.Tuple)):
            # An empty list made inside a function is that function's own to fill.
            return bool(value.elts or self._in_function) and all(map(self._is_part, value.elts))
        return isinstance(value, ast.Name) and value.id in self.parts

    def _makes_parts(self, chain: Chain) -> bool:
        """Whether calling `chain` makes a part of a pipeline."""
        if _is_framework(_path(chain, self._module)):
            return True
        found = (self._module, chain[0])
        if chain[0] in self._module.imports:
            target = self._own_target(self._module, chain)
            if target is None:
                return False
            found = target
        elif len(chain) > 1:
            return False
        return _declares_component(*found) or self._builds(*found)

    def _builds(self, module: Module, name: str) -> bool:
        """Whether a function of the user's does nothing but build and return a pipeline."""
        numbers = module.binders.get(name, [])
        node = module.statements[numbers[0]].node if len(numbers) == 1 else None
        if module is not self._module or not isinstance(node, ast.FunctionDef):
            return False
        if name not in self._builders:
            self._builders[name] = False  # While it is being judged: one that calls itself.
            self._builders[name] = self._judge_builder(node, module.statements[numbers[0]])
        return self._builders[name]

    def _judge_builder(self, node: ast.FunctionDef, statement: Statement) -> bool:
        local = {part.arg for part in ast.walk(node.args) if isinstance(part, ast.arg)}
        local |= {
            part.id
            for part in ast.walk(node)
            if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load)
        }
        if node.decorator_list or statement.uses.writes_globals:
            return False
        if any(name in self._module.binders or hasattr(builtins, name) for name in local):
            # A local name would be taken for the module's.
            return False
        judge = _Judge(self._program, self._module, in_function=True)
        judge._builders = self._builders
        returned = False
        for inner in node.body:
            if isinstance(inner, ast.Return):
                value = inner.value
                if value is None or not (judge._is_part(value) and judge._pure(value)):
                    return False
                returned = True
            elif judge.has_effect(inner):
                return False
        return returned

    def _pure_decorator(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Call):
            arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
            if not all(map(self._pure, arguments)):
                return False
            node = node.func
        chain = chain_of(node)
        if chain is None:
            return False
        path = _path(chain, self._module)
        if chain[-1] in _PROPERTY_PARTS and path is None:
            return True
        if chain[0] in _COMPONENT_DECORATORS and chain[0] not in self._module.binders:
            return True
        if path is not None and path.startswith("builtins."):
            return path[len("builtins.") :] in _BUILTIN_DECORATORS
        return _is_framework(path) or _starts(path, _PURE_DECORATORS)


def _path(chain: Chain, module: Module) -> str | None:
    """Full dotted path of what a chain stands for: imported, or built in."""
    if chain[0] not in module.binders:
        return "builtins." + ".".join(chain) if hasattr(builtins, chain[0]) else None
    return module.origin(chain)


def _declares_component(module: Module, name: str) -> bool:
    """Whether a name is a component: a decorated function, or a class derived from one."""
    numbers = module.binders.get(name, [])
    node = module.statements[numbers[0]].node if len(numbers) == 1 else None
    if _is_function(node):
        decorators = [d.func if isinstance(d, ast.Call) else d for d in node.decorator_list]
        chains = [chain for chain in map(chain_of, decorators) if chain]
        return any(
            _is_framework(_path(chain, module))
            or (chain[0] in _COMPONENT_DECORATORS and chain[0] not in module.binders)
            for chain in chains
        )
    if isinstance(node, ast.ClassDef):
        chains = [chain for chain in map(chain_of, node.bases) if chain]
        return any(_is_framework(_path(chain, module)) for chain in chains)
    return False


def _is_function(node: ast.stmt | None) -> TypeGuard[ast.FunctionDef | ast.AsyncFunctionDef]:
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))

"""Mutants of a source file: each has one small change that a test should notice."""

import ast
from collections.abc import Iterator
from typing import Any, NamedTuple


def _both_ways(pairs: dict[Any, Any]) -> dict[Any, Any]:
    return pairs | {after: before for before, after in pairs.items()}


_COMPARISONS = _both_ways({ast.Lt: ast.LtE, ast.Gt: ast.GtE, ast.Eq: ast.NotEq, ast.Is: ast.IsNot, ast.In: ast.NotIn})
_OPERATORS = _both_ways({ast.Add: ast.Sub, ast.Mult: ast.Div, ast.LShift: ast.RShift, ast.BitAnd: ast.BitOr})
_OPERATORS |= dict.fromkeys((ast.FloorDiv, ast.Mod, ast.Pow, ast.MatMult), ast.Mult)
_NAMES = _both_ways({"min": "max", "any": "all", "minimum": "maximum"})

# What writes machine code, says so by the methods of a builder: its arithmetic and its comparisons are changed alike.
_INSTRUCTIONS = {**_both_ways({"add": "sub", "fadd": "fsub"}), "mul": "add", "fmul": "fadd", "and_": "or_"}
_PREDICATES = _both_ways({"<": "<=", ">": ">=", "==": "!="})
_BUILDERS = ("builder", "code", "self")

# What no test should look at: the words of errors. (Assertions cannot fail, and imports are looked at by other tools.)
_NO_CODE = (ast.Raise, ast.JoinedStr, ast.Import, ast.ImportFrom, ast.Assert)


class Mutant(NamedTuple):
    """A change of one place in a file."""

    path: str
    line: int
    text: str
    function: str
    before: str
    after: str
    source: bytes  # of the whole file, with the change

    def __str__(self) -> str:
        """Tell the change by its place, in words that stay when lines before it come and go."""
        return f"{self.path} {self.function} | {self.text} | {self.before} -> {self.after}"


def mutants(path: str, source: bytes) -> Iterator[Mutant]:
    """Yield the mutants of a file, in the order of their places."""
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))

    def span(node: ast.AST) -> slice:
        return slice(starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset)

    for node, after, function in _changes(ast.parse(source), "module"):
        where = span(node)
        before = b" ".join(source[where].split()).decode()
        changed = source[: where.start] + after.encode() + source[where.stop :]
        yield Mutant(path, node.lineno, lines[node.lineno - 1].decode().strip(), function, before, after, changed)


def _changes(node: ast.AST, function: str) -> Iterator[tuple[ast.AST, str, str]]:
    """Yield the nodes that can be changed, each with the text that takes its place, and the function it is in."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        function = node.name if function == "module" else f"{function}.{node.name}"
    for changed, after in _replacements(node):
        yield changed, after, function
    if not isinstance(node, _NO_CODE) and not _is_for_types(node):
        for name, value in ast.iter_fields(node):
            if name not in ("annotation", "decorator_list", "returns"):
                for child in value if isinstance(value, list) else [value]:
                    if isinstance(child, ast.AST):
                        yield from _changes(child, function)


def _is_for_types(node: ast.AST) -> bool:
    match node:
        case ast.If(test=ast.Name("TYPE_CHECKING")) | ast.Subscript(value=ast.Name("Callable" | "list" | "tuple")):
            return True
        case ast.Call(func=ast.Name("TypeVar" | "cast")):
            return True
    return False


def _replacements(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name)) as method, args=args) if name in _BUILDERS:
            yield from _other_instructions(method, args)
        case ast.Compare(ops=[operator, *others]) if type(operator) in _COMPARISONS:
            yield node, ast.unparse(ast.Compare(node.left, [_COMPARISONS[type(operator)](), *others], node.comparators))
        case ast.BinOp(op=operator) if type(operator) in _OPERATORS and not _is_text(node.left):
            yield node, f"({ast.unparse(ast.BinOp(node.left, _OPERATORS[type(operator)](), node.right))})"
        case ast.AugAssign(op=operator) if type(operator) in _OPERATORS:
            yield node, ast.unparse(ast.AugAssign(node.target, _OPERATORS[type(operator)](), node.value))
            yield node, "pass"
        case ast.BoolOp(op=operator):
            other = ast.Or() if isinstance(operator, ast.And) else ast.And()
            yield node, f"({ast.unparse(ast.BoolOp(other, node.values))})"
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield node, f"({ast.unparse(operand)})"
        case ast.Constant(value=bool() as value):
            yield node, str(not value)
        case ast.Constant(value=int() | float() as value):
            yield node, repr(value + 1)
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield node, "return None"
        case ast.Raise() | ast.Delete() | ast.Expr(value=ast.Call()):
            yield node, "pass"
        case ast.Break():
            yield node, "continue"
        case ast.Continue():
            yield node, "break"
        case ast.Name(id=name) if name in _NAMES:
            yield node, _NAMES[name]
        case ast.Attribute(value=value, attr=name) if name in _NAMES:
            yield node, f"({ast.unparse(value)}).{_NAMES[name]}"
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            if isinstance(test, ast.Name | ast.Attribute | ast.Call):
                yield test, f"(not {ast.unparse(test)})"


def _other_instructions(method: ast.Attribute, args: list[ast.expr]) -> Iterator[tuple[ast.AST, str]]:
    builder = ast.unparse(method.value)
    match method.attr, args:
        case ("icmp_signed", [ast.Constant(value=predicate) as node, _, _]):
            yield node, repr(_PREDICATES[predicate])
        case ("select", [_, chosen, other]):
            yield chosen, ast.unparse(other)
            yield other, ast.unparse(chosen)
        case ("multiply_add", [_, _, ast.expr() as summand]):
            yield summand, f"{builder}.fsub({ast.unparse(summand)}, {ast.unparse(summand)})"
        case ("vector", [_, _, mask, *_]) | ("put", [_, _, _, mask]) if not isinstance(mask, ast.Constant):
            yield mask, "None"
        case (name, _) if name in _INSTRUCTIONS and not (builder == "self" and name == "add"):
            yield method, f"{builder}.{_INSTRUCTIONS[name]}"


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))

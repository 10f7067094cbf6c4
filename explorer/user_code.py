"""The user's own functions: which modules are theirs, the hash of their source, and shipping."""

from __future__ import annotations

import ast
import contextlib
import copyreg
import dis
import hashlib
import importlib.util
import inspect
import logging
import sys
import sysconfig
import textwrap
import warnings
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, cast

import cloudpickle
import numpy as np

from explorer.errors import InputError

_INSTALLED = tuple(
    Path(sysconfig.get_path(kind)).resolve()
    for kind in ("stdlib", "platstdlib", "purelib", "platlib")
)
_OURS = frozenset({"explorer", "analysis", "searchspaces"})
_CONSTANTS = (type(None), bool, int, float, complex, str, bytes, range)
_LOSSLESS = ("utf-8", "surrogatepass")


def is_user_module(module: ModuleType | None) -> bool:
    """Whether a module is a file of the user's: not Python's, not installed, not this project's."""
    file = getattr(module, "__file__", None)
    return module is not None and file is not None and _is_user_file(module.__name__, file)


def _is_user_file(module_name: str, file: str) -> bool:
    path = Path(file).resolve()
    if module_name.partition(".")[0] in _OURS:
        return False
    if "site-packages" in path.parts or "dist-packages" in path.parts:
        return False
    return not any(path.is_relative_to(folder) for folder in _INSTALLED)


def ship_by_value(module: ModuleType) -> None:
    """Let cloudpickle send this module's functions whole: no worker can import the module."""
    cloudpickle.register_pickle_by_value(module)


def source_sha256(function: Callable[..., Any], what: str) -> str:
    """SHA-256 of a function's source and of all of the user's own that it refers to.

    A factory mostly builds a class that stands beside it in the file: the class's source counts,
    and so do the user's functions, modules (imported at the top or in a body, and what they import
    in turn) and the values of globals and enclosing variables, reached by name from any of them.
    Of libraries only the names count. The digest is the same in every process.

    Args:
        function: a function or class defined in a file.
        what: what it serves as, for the message.

    Raises:
        InputError: its source cannot be read, or a value it uses cannot be told apart from others.
    """
    collector = _Collector(f"{what} {function.__qualname__}")
    collector.add_source(function)
    return hashlib.sha256("\n".join(collector.pieces).encode(*_LOSSLESS)).hexdigest()


class _Collector:
    """Gathers, depth first and each once, the text of all that decides what a function does."""

    def __init__(self, what: str) -> None:
        self.pieces: list[str] = []
        self._what = what
        self._seen: dict[int, Any] = {}  # by identity; the values keep the identities taken
        self._modules: set[str] = set()

    def add_source(self, thing: Any) -> None:
        """Add a function's or class's source, then what it imports and names."""
        if id(thing) in self._seen:
            return
        self._seen[id(thing)] = thing
        wrapped = getattr(thing, "__wrapped__", None)
        if wrapped is not None:
            self._described("__wrapped__", wrapped)
            if not _is_users(thing):
                return
        try:  # a wrapper's code object gives the wrapper's own text, not the wrapped function's
            raw = inspect.getsource(thing.__code__ if isinstance(thing, FunctionType) else thing)
        except (OSError, TypeError):
            raise InputError(
                f"{self._what}: the source of {thing.__qualname__} cannot be read; "
                "define it in a file."
            ) from None
        self.pieces.append(textwrap.dedent(raw))
        if not _is_users(thing):
            return
        tree = _parsed(raw)
        codes = list(_compiled(tree))
        if isinstance(thing, FunctionType):
            codes.append(thing.__code__)
            names = thing.__globals__
        else:
            names = vars(sys.modules[thing.__module__])
        if tree is not None:
            self._add_imports(tree, names.get("__package__") or "")
        loaded = set().union(*map(_loaded_names, codes))
        attributes = set().union(*map(_all_names, codes))
        for name in sorted(loaded & names.keys()):
            # __name__ and __file__ are the file's place, not what the code does.
            if names[name] is not thing and not name.startswith("__"):
                self._add_value(name, names[name], attributes)
        for function in _functions_of(thing):
            self._add_bound_values(function, attributes)
        if isinstance(thing, type):
            self._add_class_values(thing)

    def _add_class_values(self, given: type) -> None:
        """Bases, and attributes that may have been computed or set outside the class's body."""
        for base in given.__bases__:
            if _is_users(base):
                self.add_source(base)
        for name, value in vars(given).items():
            if isinstance(value, FunctionType) and _is_users(value):
                if value.__code__.co_filename.startswith("<"):  # a dataclass's, from its fields
                    continue
                if not value.__code__.co_qualname.startswith(f"{given.__qualname__}."):
                    self.add_source(value)
            elif not name.startswith("__") and _is_constant(value):
                self.pieces.append(f"{name} = {value!r}")

    def _add_bound_values(self, function: FunctionType, attributes: set[str]) -> None:
        """Enclosing variables and defaults: they may differ where the source is the same."""
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        for name, cell in cells:
            try:
                value = cell.cell_contents
            except ValueError:  # not assigned yet
                continue
            if name != "__class__":
                self._add_value(name, value, attributes)
        if function.__defaults__:
            self._add_value("__defaults__", function.__defaults__, attributes)
        if function.__kwdefaults__:
            self._add_value("__kwdefaults__", function.__kwdefaults__, attributes)

    def _add_value(self, name: str, value: Any, attributes: set[str]) -> None:
        try:
            self.pieces.append(f"{name} = {self._described(name, value)}")
        except RecursionError:
            raise self._refusal(name, value) from None
        if isinstance(value, ModuleType):
            self._add_submodules(value, attributes)

    def _add_submodules(self, module: ModuleType, attributes: set[str]) -> None:
        """What is reached as an attribute: `nets.layers`, and `nets.WIDTH` where it was set."""
        users = is_user_module(module)
        for name in sorted(attributes & vars(module).keys()):
            inner = vars(module)[name]
            if users and not name.startswith("__") and _is_constant(inner):
                self.pieces.append(f"{name} = {inner!r}")
            if isinstance(inner, ModuleType) and inner.__name__.startswith(f"{module.__name__}."):
                self._add_module(inner.__name__)
                self._add_submodules(inner, attributes)

    def _add_imports(self, tree: ast.AST, package: str) -> None:
        for name in _imported_names(tree, package):
            self._add_module(name)

    def _add_module(self, name: str) -> None:
        """Add the text of a module of the user's, and of those that it imports; none is run."""
        parts = name.split(".")
        for depth in range(1, len(parts) + 1):
            inner = ".".join(parts[:depth])
            if inner in self._modules:
                continue
            self._modules.add(inner)
            spec = _module_spec(inner)
            if spec is None or not spec.has_location or spec.origin is None:
                continue
            if not _is_user_file(inner, spec.origin):
                return
            try:
                data = Path(spec.origin).read_bytes()
            except OSError as error:
                raise InputError(
                    f"{self._what}: the module {inner} cannot be read: {error.strerror}."
                ) from None
            if Path(spec.origin).suffix != ".py":
                self.pieces.append(hashlib.sha256(data).hexdigest())
                continue
            text = importlib.util.decode_source(data)
            self.pieces.append(text)
            tree = _parsed(text)
            if tree is not None:
                within = inner if spec.submodule_search_locations else inner.rpartition(".")[0]
                self._add_imports(tree, within)

    def _described(self, name: str, value: Any, inside: tuple[int, ...] = ()) -> str:
        """A value as text that is equal between processes; the user's code in it is added."""
        if _is_constant(value):
            return repr(value)
        if id(value) in inside:
            return f"<enclosing {inside.index(id(value))}>"
        inside = (*inside, id(value))

        def all_of(values: Iterable[Any]) -> list[str]:
            return [self._described(name, item, inside) for item in values]

        if isinstance(value, ModuleType):
            self._add_module(value.__name__)
            return "<module>" if is_user_module(value) else f"<module {value.__name__}>"
        if isinstance(value, FunctionType | type):
            if _is_users(value) or _is_users(inspect.unwrap(value)):
                self.add_source(value)
                return f"<{value.__qualname__}>"
            return f"<{value.__module__}.{value.__qualname__}>"
        kind = type(value)
        if kind in (list, tuple):
            return f"{kind.__name__}({', '.join(all_of(value))})"
        if kind is dict:
            pairs = zip(all_of(value.keys()), all_of(value.values()), strict=True)
            return f"dict({', '.join(f'{key}: {item}' for key, item in pairs)})"
        if isinstance(value, set | frozenset):
            return f"{self._described(name, kind, inside)}({', '.join(sorted(all_of(value)))})"
        if isinstance(value, logging.Logger):  # moves no parameter
            return "<logger>"
        if isinstance(value, np.ndarray) and value.dtype != object:
            digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
            return f"array({value.dtype.descr}, {value.shape}, {digest})"
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(value, torch.Tensor):
            try:
                flat = value.detach().cpu().contiguous().reshape(-1)
                raw = flat.view(torch.uint8).numpy().tobytes()
            except (RuntimeError, NotImplementedError, TypeError):  # sparse, meta, ...
                raise self._refusal(name, value) from None
            digest = hashlib.sha256(raw).hexdigest()
            return f"tensor({value.dtype}, {tuple(value.shape)}, {value.requires_grad}, {digest})"
        if isinstance(value, Enum):
            return f"{self._described(name, kind, inside)}.{value.name}"
        if isinstance(getattr(value, "__wrapped__", None), FunctionType):  # lru_cache
            return f"{kind.__qualname__}({self._described(name, value.__wrapped__, inside)})"
        return f"reduced({', '.join(all_of(self._reduced(name, value)))})"

    def _reduced(self, name: str, value: Any) -> tuple[Any, ...]:
        """An object in the parts that pickle would take it to: its class, arguments and state."""
        try:
            registered = copyreg.dispatch_table.get(type(value))
            parts = registered(value) if registered else value.__reduce_ex__(4)
        except Exception:
            raise self._refusal(name, value) from None
        if isinstance(parts, str):  # a global's name: a built-in function, a constant of a library
            return (str(getattr(value, "__module__", "")), parts)
        # Iterators over a list's or dict's items are read out.
        return tuple(list(part) if isinstance(part, Iterator) else part for part in parts)

    def _refusal(self, name: str, value: Any) -> InputError:
        return InputError(
            f"{self._what}: it uses {name}, a {type(value).__module__}.{type(value).__qualname__} "
            "that cannot be compared between runs; make it inside the function, or use plain "
            "values, arrays or dataclasses."
        )


def _is_users(thing: Any) -> bool:
    """Whether a function or class is the user's; a wrapper belongs to who wrote the wrapper."""
    name = thing.__globals__.get("__name__") if isinstance(thing, FunctionType) else None
    name = name or thing.__module__
    return name == "__main__" or is_user_module(sys.modules.get(name))


def _functions_of(thing: Any, file: str | None = None) -> Iterator[FunctionType]:
    """The function itself, or those written in a class's body, in its inner classes too."""
    if isinstance(thing, FunctionType):
        yield thing
    if not isinstance(thing, type):
        return
    if file is None:
        with contextlib.suppress(OSError, TypeError):  # typed in, not in a file
            file = inspect.getsourcefile(thing)
    for member in vars(thing).values():
        if isinstance(member, type):
            if member.__qualname__.startswith(f"{thing.__qualname__}."):
                yield from _functions_of(member, file)
            continue
        accessors = isinstance(member, property)
        for part in (member.fget, member.fset, member.fdel) if accessors else (member,):
            function = inspect.unwrap(getattr(part, "__func__", part))
            if isinstance(function, FunctionType) and function.__code__.co_filename == file:
                yield function


def _parsed(source: str) -> ast.Module | None:
    """The syntax tree of a piece of a file; None for a lambda amid an expression."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # told already when the file was loaded
        # Text in column 0 inside a string keeps an indented definition from being dedented.
        for text in (textwrap.dedent(source), f"if True:\n{source}"):
            try:
                return ast.parse(text)
            except (SyntaxError, ValueError):
                continue
    return None


def _compiled(tree: ast.Module | None) -> Iterator[CodeType]:
    """The source alone as code: decorators, defaults and class bodies name globals too."""
    with warnings.catch_warnings(), contextlib.suppress(SyntaxError):  # nonlocal of what encloses
        warnings.simplefilter("ignore")
        if tree is not None:
            yield compile(tree, "<source>", "exec", dont_inherit=True)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _loaded_names(code: CodeType) -> set[str]:
    """Names that are looked up among the globals; attributes are not."""
    return {
        instruction.argval
        for part in _codes(code)
        for instruction in dis.get_instructions(part)
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
    }


def _all_names(code: CodeType) -> set[str]:
    return {name for part in _codes(code) for name in part.co_names}


def _imported_names(tree: ast.AST, package: str) -> list[str]:
    """Absolute names of the modules, or perhaps their attributes, that import statements name."""
    names: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= dict.fromkeys(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            if base:
                names |= {base: None} | {f"{base}.{alias.name}": None for alias in node.names}
        elif isinstance(node, ast.Call) and node.args:
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            first = node.args[0]
            text = first.value if isinstance(first, ast.Constant) else None
            if called in ("import_module", "__import__") and isinstance(text, str):
                names[text] = None
    return list(names)


def _module_spec(name: str) -> ModuleSpec | None:
    """Where a module would be found; neither it nor its packages are run."""
    top, *inner = name.split(".")
    if not top:
        return None
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return None
    for part in inner:
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(f"{spec.name}.{part}", list(spec.submodule_search_locations))
    return spec


def _is_constant(value: object) -> bool:
    """Whether its repr tells all, and tells it the same in every process."""
    if type(value) in (tuple, list):
        return all(map(_is_constant, cast("list[object]", value)))
    if type(value) is dict:
        return all(_is_constant(key) and _is_constant(item) for key, item in value.items())
    return type(value) in _CONSTANTS

"""The user's own functions: which modules are theirs, the hash of their source, and shipping."""

from __future__ import annotations

import hashlib
import inspect
import sys
import sysconfig
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import cloudpickle

from explorer.errors import InputError

_INSTALLED = tuple(
    Path(sysconfig.get_path(kind)).resolve()
    for kind in ("stdlib", "platstdlib", "purelib", "platlib")
)
_OURS = frozenset({"explorer", "analysis", "searchspaces"})
_CONSTANTS = (type(None), bool, int, float, complex, str, bytes)


def is_user_module(module: ModuleType | None) -> bool:
    """Whether a module is a file of the user's: not Python's, not installed, not this project's."""
    file = getattr(module, "__file__", None)
    if module is None or file is None or module.__name__.partition(".")[0] in _OURS:
        return False
    path = Path(file).resolve()
    if "site-packages" in path.parts or "dist-packages" in path.parts:
        return False
    return not any(path.is_relative_to(folder) for folder in _INSTALLED)


def ship_by_value(module: ModuleType) -> None:
    """Let cloudpickle send this module's functions whole: no worker can import the module."""
    cloudpickle.register_pickle_by_value(module)


def source_sha256(function: Callable[..., Any], what: str) -> str:
    """SHA-256 of a function's source and of all of the user's own that it refers to.

    A factory mostly builds a class that stands beside it in the file: the class's source counts,
    and so do functions, plain constants and modules of the user's, reached by name from any of
    them. Libraries do not count.

    Args:
        function: a function or class defined in a file.
        what: what it serves as, for the message.

    Raises:
        InputError: its source cannot be read.
    """
    pieces: dict[str, str] = {}
    _collect(function, what, pieces)
    return hashlib.sha256("\n".join(pieces.values()).encode()).hexdigest()


def _collect(thing: Any, what: str, pieces: dict[str, str]) -> None:
    """Add the source of `thing`, then of what it names, depth first, each once."""
    key = f"{thing.__module__}.{thing.__qualname__}"
    if key in pieces:
        return
    try:
        pieces[key] = textwrap.dedent(inspect.getsource(thing))
    except (OSError, TypeError):
        raise InputError(
            f"{what} {thing.__qualname__}: its source cannot be read; define it in a file."
        ) from None
    for name, value in _referenced(thing):
        if isinstance(value, ModuleType):
            if is_user_module(value) and value.__name__ not in pieces:
                pieces[value.__name__] = inspect.getsource(value)
        elif isinstance(value, FunctionType | type):
            if is_user_module(sys.modules.get(value.__module__)):
                _collect(value, what, pieces)
        elif _is_constant(value):
            pieces[f"{key}:{name}"] = f"{name} = {value!r}"


def _referenced(thing: Any) -> Iterator[tuple[str, Any]]:
    """Global and enclosing names, with their values, that a function or a class's methods use."""
    if isinstance(thing, type):
        for base in thing.__bases__:
            yield base.__name__, base
        for member in vars(thing).values():
            function: Any = member.fget if isinstance(member, property) else member
            function = inspect.unwrap(getattr(function, "__func__", function))
            if isinstance(function, FunctionType):
                yield from _referenced(function)
        return
    function = inspect.unwrap(thing)
    if not isinstance(function, FunctionType):
        return
    for name in sorted(_names(function.__code__)):
        if name in function.__globals__:
            yield name, function.__globals__[name]
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not assigned yet
            continue


def _names(code: CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names(constant)
    return names


def _is_constant(value: object) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_constant, value))
    if isinstance(value, dict):
        return all(_is_constant(key) and _is_constant(item) for key, item in value.items())
    return isinstance(value, _CONSTANTS)

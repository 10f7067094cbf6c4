"""Loading a search-space file as a module, with every trouble in it told in one sentence."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

import explorer
from explorer.errors import InputError
from explorer.search_space import SearchSpace
from explorer.user_code import is_user_module, ship_by_value


@dataclass(frozen=True)
class LoadedSpace:
    """A search space and the file it came from.

    Attributes:
        space: what the file defines as `space`.
        path: the file, absolute.
        source_text: the file's text.
        sha256: of the file's bytes.
        name: the file's name without `.py`; the study's name where none is given.
    """

    space: SearchSpace
    path: Path
    source_text: str
    sha256: str
    name: str


def shipped_folder() -> Path:
    """Where the search spaces that come with the program lie, in a checkout or installed.

    They are found beside this package rather than by import, so that a folder `searchspaces` of
    the user's own does not hide them.
    """
    return Path(explorer.__file__).resolve().parent.parent / "searchspaces"


def shipped_names() -> tuple[str, ...]:
    """The names of the shipped search spaces, for `load_space`; the template is not among them."""
    files = sorted(shipped_folder().glob("*.py"))
    return tuple(file.stem for file in files if file.stem not in ("__init__", "template"))


def template() -> str:
    """The text of a commented search-space file to start from; it loads and runs as it is."""
    return (shipped_folder() / "template.py").read_text(encoding="utf-8")


def load_space(spec: str | Path) -> LoadedSpace:
    """Load a search space.

    Args:
        spec: a path (`.py` may be left out), or the name of a shipped file (`quick_grid`,
            `quick_grid.py`, `searchspaces/quick_grid.py`). A file that exists wins.

    Raises:
        InputError: one sentence with the file and, where there is one, the line.
    """
    path = _find(spec)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{spec}: the file cannot be read: {error.strerror}.") from error
    sha256 = hashlib.sha256(data).hexdigest()
    stem = re.sub(r"\W", "_", path.stem)
    module = _load_module(f"_search_space_{stem}_{sha256[:12]}", path, str(spec))
    space = getattr(module, "space", None)
    if space is None:
        raise InputError(f"{spec}: the file defines no `space = SearchSpace(...)`.")
    if not isinstance(space, SearchSpace):
        raise InputError(f"{spec}: `space` must be a SearchSpace, not {type(space).__name__}.")
    text = importlib.util.decode_source(data)
    return LoadedSpace(space, path, text, sha256, path.stem)


def _find(spec: str | Path) -> Path:
    path = Path(spec).expanduser()
    shipped = path.stem if path.suffix in ("", ".py") else ""
    candidates = [path, path.with_name(f"{path.name}.py")] if path.name else [path]
    if path.parent in (Path(), Path("searchspaces")) and shipped in (*shipped_names(), "template"):
        candidates.append(shipped_folder() / f"{shipped}.py")
    for candidate in candidates:
        if candidate.is_file():
            return candidate.resolve()
    if path.is_dir():
        raise InputError(f"{spec}: this is a folder, not a search-space file.")
    close = difflib.get_close_matches(shipped, shipped_names(), n=1)
    hint = f"did you mean {close[0]!r}? Shipped" if close else "shipped"
    raise InputError(f"{spec}: there is no such file; {hint} are {', '.join(shipped_names())}.")


#: Modules beside a search-space file that loading it brought in; the next load reads them anew.
_neighbours: set[str] = set()


class _SourceLoader(SourceFileLoader):
    """Compiles the text that is there now: no byte code is read or left beside the user's file."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def _load_module(name: str, path: Path, spec: str) -> ModuleType:
    """Import the file under a private name; its functions then travel to workers by value.

    Raises:
        InputError: the file does not compile, or raises an exception.
    """
    module_spec = importlib.util.spec_from_loader(name, _SourceLoader(name, str(path)))
    assert module_spec is not None
    assert module_spec.loader is not None
    module = importlib.util.module_from_spec(module_spec)
    for old in _neighbours & sys.modules.keys():  # edited perhaps: their ids follow from the files
        del sys.modules[old]
    _neighbours.clear()
    importlib.invalidate_caches()
    before = set(sys.modules)
    sys.modules[name] = module  # inspect and cloudpickle look modules up here
    try:
        with _neighbours_importable(path.parent):
            module_spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise _explained(error, path, spec) from error
    finally:
        for other in set(sys.modules) - before - {name}:
            neighbour = sys.modules[other]
            file = getattr(neighbour, "__file__", None)
            if file and is_user_module(neighbour) and Path(file).is_relative_to(path.parent):
                ship_by_value(neighbour)
                _neighbours.add(other)
    ship_by_value(module)
    return module


class _NeighbourFinder(MetaPathFinder):
    """Finds modules beside the search-space file."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is not None:
            return None
        spec = PathFinder.find_spec(fullname, [self._folder])
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _SourceLoader(fullname, spec.loader.path)
        return spec


@contextmanager
def _neighbours_importable(folder: Path) -> Iterator[None]:
    """Let the file import its neighbours; asked last of all, so that they hide nothing installed.

    The end of `sys.path` would not do: what is installed in editable mode is looked for after it.
    """
    finder = _NeighbourFinder(folder)
    sys.meta_path.append(finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def _explained(error: BaseException, path: Path, spec: str) -> InputError:
    """One sentence: the file, the line where it is known, and what is wrong."""
    if isinstance(error, SyntaxError):
        where = spec if error.filename in (None, str(path)) else f"{spec}: {error.filename}"
        line = f", line {error.lineno}" if error.lineno else ""
        return InputError(f"{where}{line}: {error.msg or 'invalid syntax'}.")
    line, traceback = "", error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == str(path):
            line = f", line {traceback.tb_lineno}"
        traceback = traceback.tb_next
    message = " ".join(str(error).split())
    if isinstance(error, InputError):
        return InputError(f"{spec}{line}: {message}")
    message = message.rstrip(".")
    return InputError(f"{spec}{line}: {type(error).__name__}{': ' if message else ''}{message}.")

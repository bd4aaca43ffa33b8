"""Every public name of every room is documented, and the page of its room shows it."""

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

import sde_momentum

logger = logging.getLogger(__name__)


def rooms() -> list[str]:
    """Names of the rooms, in the order of the house."""
    return list(sde_momentum._PUBLIC)


def public_objects(room: str) -> Iterator[tuple[str, object]]:
    """The names in a room's `__all__` with what they stand for; a submodule has a page of its own."""
    module = importlib.import_module(f"sde_momentum.{room}")
    for name in getattr(module, "__all__", ()):
        value = getattr(module, name)
        if not isinstance(value, ModuleType):
            yield f"sde_momentum.{room}.{name}", value


def _is_written(cls: type) -> bool:
    """Whether a class has a docstring of its own, not the signature that `dataclass` puts in its place."""
    text = cls.__dict__.get("__doc__") or ""
    return bool(text.strip()) and not text.startswith(f"{cls.__name__}(")


def _members(cls: type) -> Iterator[str]:
    """Public methods and properties that the class itself defines."""
    for name, value in vars(cls).items():
        routine = inspect.isroutine(inspect.unwrap(value)) if callable(value) else isinstance(value, property)
        if routine and not name.startswith("_"):
            yield name


def _member_is_documented(cls: type, name: str) -> bool:
    """A method may leave its documentation to the abstract method that it implements."""
    return any(inspect.getdoc(vars(base)[name]) for base in cls.__mro__ if name in vars(base))


def _is_described(path: str, room: str) -> bool:
    """Whether the page of a room describes a constant: Python keeps no docstring for one."""
    page = (Path(__file__).parents[1] / "rooms" / f"{room}.md").read_text(encoding="utf-8")
    return (
        re.search(rf"^\.\. py:data:: {re.escape(path.rpartition('.')[2])}\n(?:   :.*\n)*\n   \S", page, re.MULTILINE)
        is not None
    )


def undocumented(room: str) -> list[str]:
    """Public names of a room, and public members of its classes, without a docstring."""
    missing = []
    for path, value in public_objects(room):
        if inspect.isclass(value):
            missing += [] if _is_written(value) else [path]
            missing += [f"{path}.{name}" for name in _members(value) if not _member_is_documented(value, name)]
        elif inspect.isroutine(value) and inspect.getdoc(value):
            continue
        elif inspect.isroutine(value) or not _is_described(path, room):
            missing.append(path)
    return missing


def _check(app: Sphinx, environment: BuildEnvironment) -> None:
    shown = environment.domains["py"].objects
    for room in rooms():
        for path in undocumented(room):
            logger.warning("%s is public and has no docstring", path)
        for path, _ in public_objects(room):
            if path not in shown:
                logger.warning("%s is public and on no page: add it to docs/rooms/%s.md", path, room)


def setup(app: Sphinx) -> dict[str, bool]:
    """Check once all pages are read."""
    app.connect("env-check-consistency", _check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

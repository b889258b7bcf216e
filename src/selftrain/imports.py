"""A user's own task, judge or recipe, named by import path."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from selftrain.digest import digest, files_digest
from selftrain.errors import ConfigError


def is_import_path(spec: str) -> bool:
    """Whether `spec` has the form of an import path: something, a colon, a Python name."""
    source, _, name = spec.rpartition(":")
    return bool(source) and name.isidentifier()


def load_object(spec: str) -> Any:
    """The object named by `package.module:name` or `path/file.py:name`.

    A file is run afresh each time. Raises ConfigError when the module, the file or the name does not exist,
    or when running it fails.
    """
    if not is_import_path(spec):
        raise ConfigError(f"{spec!r} is no import path: write package.module:name or path/file.py:name")
    source, _, name = spec.rpartition(":")
    module = _file_module(Path(source)) if source.endswith(".py") else _named_module(source)
    try:
        return getattr(module, name)
    except AttributeError:
        raise ConfigError(f"{source} has no {name}: define it there or correct the name in {spec!r}") from None


def source_digest(spec: str) -> str:
    """Digest of the source file that `spec` names something in; empty for what is no import path."""
    if not is_import_path(spec):
        return ""
    source = spec.rpartition(":")[0]
    if not source.endswith(".py"):
        source = getattr(_named_module(source), "__file__", None) or ""
    return files_digest([Path(source)]) if Path(source).is_file() else ""


def _named_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise ConfigError(
                f"there is no module {error.name}: install it, or name a file as path/file.py:name"
            ) from None
        raise ConfigError(f"{name} cannot be imported: {_reason(error)}") from error
    except Exception as error:
        raise ConfigError(f"{name} cannot be imported: {_reason(error)}") from error


def _file_module(path: Path) -> ModuleType:
    if not path.is_file():
        raise ConfigError(f"there is no file {path}: give its path from the current folder or in full")
    name = f"selftrain_user_{path.stem}_{digest(str(path.resolve()), 8)}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} cannot be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickling look a class's module up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ConfigError(f"{path} cannot be loaded: {_reason(error)}") from error
    return module


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__

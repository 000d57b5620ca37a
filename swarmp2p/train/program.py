"""Runs a node with the training program that its node.toml names."""

import importlib
import importlib.util
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from swarmp2p.config import SwarmConfig
from swarmp2p.errors import ConfigError
from swarmp2p.train.swarm import Swarm


class Terminated(KeyboardInterrupt):
    """SIGTERM: end as for Ctrl-C, but it is no failure."""


def load_program(name: str) -> Callable[[Swarm], Any]:
    """Import "package.module:function" or "/path/to/file.py:function".

    Raises ConfigError that says which part is missing.
    """
    module_name, _, function_name = name.rpartition(":")
    try:
        if module_name.endswith(".py"):
            module = _load_file(Path(module_name))
        else:
            module = importlib.import_module(module_name)
    except (ImportError, FileNotFoundError) as error:
        raise ConfigError(f"[train] program {name!r}: cannot import: {error}") from None
    function = getattr(module, function_name, None)
    if not callable(function):
        raise ConfigError(f"[train] program {name!r}: {module_name} has no {function_name!r}")
    program: Callable[[Swarm], Any] = function
    return program


def _load_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_program(config: SwarmConfig) -> None:
    """Join the run and train; with no program, serve until told to end.

    SIGTERM ends the node cleanly at any time. Raises SwarmError.
    """
    program = load_program(config.program) if config.program else Swarm.serve

    def terminate(_number: int, _frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        with Swarm.join(config) as swarm:
            program(swarm)
    except Terminated:
        return
    finally:
        signal.signal(signal.SIGTERM, before)

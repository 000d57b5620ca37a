"""Answers vectors: a line of JSON in, a line of JSON out (spec/vectors/README.md).

A refusal is an error of ours, turned into its word in one place. Anything else that an operation
raises is a defect: its traceback goes to standard error, and the case is answered with CRASH.
"""

import json
import sys
import traceback
from collections.abc import Mapping
from importlib import import_module
from typing import BinaryIO

from swarmp2p.errors import ConfigError, LocalProtocolError, MergeError, RemoteProtocolError
from swarmp2p.target.notation import Input, Operation, Output, code_name

_MODULES = (
    "values",
    "identity",
    "envelopes",
    "messages",
    "streams",
    "blobs",
    "updates",
    "models",
    "manifests",
    "rounds",
    "merging",
    "receipts",
)


def operations() -> Mapping[str, Operation]:
    """Every operation by its name."""
    found: dict[str, Operation] = {}
    for name in _MODULES:
        found.update(import_module(f"swarmp2p.target.{name}").OPERATIONS)
    return found


def answer(table: Mapping[str, Operation], op: str, given: Input) -> Output:
    """The answer to one case, without its id."""
    operation = table.get(op)
    if operation is None:
        return {"unsupported": True}
    try:
        return {"output": operation(given)}
    except RemoteProtocolError as error:
        return {"error": code_name(error.code)}
    except (LocalProtocolError, ConfigError, MergeError):
        return {"error": "REFUSED"}
    except Exception:  # noqa: BLE001 - a defect of one operation; the others are still answered
        traceback.print_exc()
        return {"error": "CRASH"}


def serve(lines: BinaryIO, out: BinaryIO) -> None:
    """Answer every line until the input ends."""
    table = operations()
    for line in lines:
        case = json.loads(line)
        reply = {"id": case["id"], **answer(table, case["op"], case["input"])}
        out.write(json.dumps(reply, separators=(",", ":")).encode() + b"\n")
        out.flush()


def main() -> None:
    """Serve standard input and output."""
    serve(sys.stdin.buffer, sys.stdout.buffer)

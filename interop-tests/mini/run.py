"""The runner of vectors/README.md ("Running them").

Lines of JSON come on standard input; each is answered with one line.
"""

import importlib
import json
import os
import sys
import traceback

from refusal import Refusal

HERE = os.path.dirname(os.path.abspath(__file__))


def operations():
    """Every operation of every module in this directory."""
    found = {}
    for name in sorted(os.listdir(HERE)):
        if not name.endswith(".py") or name in ("run.py", "generate.py"):
            continue
        if name.startswith(("cases_", "test_")):
            continue
        module = importlib.import_module(name[:-3])
        for operation, function in getattr(module, "OPERATIONS", {}).items():
            if operation in found:
                raise SystemExit(f"{operation} is defined twice")
            found[operation] = function
    return found


def answer(found, line):
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return {"id": None, "error": "REFUSED"}
    if not isinstance(request, dict):
        return {"id": None, "error": "REFUSED"}
    name = request.get("id")
    operation = request.get("op")
    if not isinstance(operation, str) or operation not in found:
        return {"id": name, "unsupported": True}
    if not isinstance(request.get("input"), dict):
        return {"id": name, "error": "REFUSED"}
    try:
        return {"id": name, "output": found[operation](request["input"])}
    except Refusal as refusal:
        return {"id": name, "error": refusal.code}
    except Exception:
        traceback.print_exc()
        return {"id": name, "error": "INTERNAL"}


def main():
    found = operations()
    sys.stdin.reconfigure(encoding="utf-8", errors="replace")
    for line in sys.stdin:
        if line.strip():
            print(json.dumps(answer(found, line)), flush=True)


if __name__ == "__main__":
    main()

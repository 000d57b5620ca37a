"""Compile the contracts and write, or with --check compare, swarmp2p/ledger/artifacts.

    python contracts/build.py            compile and write the artifacts
    python contracts/build.py --check    compile and compare; exit 1 on a difference

The compiler is the npm package `solc` at the version in package.json: run `npm ci` in this folder
first. Nobody who only runs swarmp2p needs it: the artifacts are committed.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ARTIFACTS = HERE.parent / "swarmp2p" / "ledger" / "artifacts"
CONTRACTS = ("SwarmRegistry", "SwarmRun")
SIZE_LIMIT = 24_576  # EIP-170: a chain refuses larger code
SETTINGS: dict[str, Any] = {
    "optimizer": {"enabled": True, "runs": 200},
    "viaIR": True,  # a round has more fields than the old code generator's stack
    "evmVersion": "paris",  # consortium chains are slow to adopt newer opcodes
    "metadata": {"bytecodeHash": "none"},
    "outputSelection": {
        "*": {
            "*": [
                "abi",
                "evm.bytecode.object",
                "evm.deployedBytecode.object",
                "evm.deployedBytecode.immutableReferences",
            ]
        },
    },
}
IMMUTABLE_BYTES = 32
IMPORT = re.compile(r'^import\s[^"]*"([^"]+)";', re.MULTILINE)


class BuildError(Exception):
    """The contracts do not compile, or the compiler is not installed."""


def read_sources() -> dict[str, str]:
    """Every source the contracts need, by the name under which others import it."""
    sources: dict[str, str] = {}
    waiting = [f"{name}.sol" for name in CONTRACTS]
    while waiting:
        name = waiting.pop()
        if name in sources:
            continue
        path = HERE / "node_modules" / name if name.startswith("@") else HERE / name
        if not path.is_file():
            raise BuildError(f"{path} is missing: run `npm ci` in {HERE}")
        sources[name] = path.read_text(encoding="utf-8")
        folder = Path(name).parent
        waiting += [_resolve(folder, target) for target in IMPORT.findall(sources[name])]
    return sources


def _resolve(folder: Path, target: str) -> str:
    """Name of an imported source: relative to the importing one, or as it stands."""
    if not target.startswith("."):
        return target
    parts: list[str] = list(folder.parts)
    for step in target.split("/"):
        if step == "..":
            parts.pop()
        elif step != ".":
            parts.append(step)
    return "/".join(parts)


def compile_contracts() -> dict[str, str]:
    """Artifact text by contract name. Raises BuildError on any error or warning."""
    compiler = HERE / "node_modules" / "solc" / "solc.js"
    if not compiler.is_file():
        raise BuildError(f"the compiler is missing: run `npm ci` in {HERE}")
    request = {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in sorted(read_sources().items())},
        "settings": SETTINGS,
    }
    # solcjs exits before a pipe has taken all of its answer, so the answer goes to a file
    with tempfile.TemporaryFile("w+", encoding="utf-8") as answer:
        subprocess.run(
            ["node", str(compiler), "--standard-json"],
            input=json.dumps(request),
            stdout=answer,
            text=True,
            check=True,
        )
        answer.seek(0)
        text = answer.read()
    # and may print a line of its own before the JSON
    output = json.loads(text[text.index("{") :])
    complaints = [e["formattedMessage"] for e in output.get("errors", ())]
    if complaints:
        raise BuildError("\n".join(complaints))
    return {name: _artifact(name, output["contracts"][f"{name}.sol"][name]) for name in CONTRACTS}


def _artifact(name: str, compiled: dict[str, Any]) -> str:
    pinned = json.loads((HERE / "package.json").read_text(encoding="utf-8"))
    deployed = compiled["evm"]["deployedBytecode"]["object"]
    size = len(deployed) // 2
    if size > SIZE_LIMIT:
        raise BuildError(f"{name} has {size} bytes of code, a chain takes at most {SIZE_LIMIT}")
    artifact = {
        "contractName": name,
        "abi": compiled["abi"],
        "bytecode": "0x" + compiled["evm"]["bytecode"]["object"],
        "deployedBytecode": "0x" + deployed,
        "immutableReferences": _immutables(compiled),
        "solc": pinned["dependencies"]["solc"],
    }
    return json.dumps(artifact, indent=1, sort_keys=True) + "\n"


def _immutables(compiled: dict[str, Any]) -> list[list[int]]:
    """For each immutable where its 32 bytes stand in the deployed code, by the first place."""
    references = compiled["evm"]["deployedBytecode"]["immutableReferences"].values()
    if any(place["length"] != IMMUTABLE_BYTES for places in references for place in places):
        raise BuildError("the compiler lists an immutable of another size than a word")
    return sorted(sorted(place["start"] for place in places) for places in references)


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args().check
    try:
        artifacts = compile_contracts()
    except BuildError as error:
        print(f"contracts: {error}", file=sys.stderr)
        return 1
    stale = []
    for name, text in artifacts.items():
        path = ARTIFACTS / f"{name}.json"
        if check:
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                stale.append(path.name)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        print(f"{name}: {len(json.loads(text)['deployedBytecode']) // 2 - 1} bytes of code")
    if stale:
        print(
            f"contracts: {', '.join(stale)} differ from the sources: "
            "run `python contracts/build.py` and commit the result",
            file=sys.stderr,
        )
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())

"""Writes the vectors of vectors/README.md from the cases_*.py in this directory, or compares them.

    python generate.py [--spec FOLDER] [DIR]           writes
    python generate.py [--spec FOLDER] --check [DIR]   compares; exit status 1 if anything differs

Each case module yields (op, slug, covers, input, expect). `expect` is None for a case that must
have an output, the code that must come instead, or a function that says of an output whether it is
as it must be. The result is computed by the operation. One that is not as expected stops
everything: then code or expectation is wrong. So does a case that covers no rule of the documents.
"""

import argparse
import importlib
import json
import os
import re
import sys

import places
import run
from refusal import Refusal

DOCUMENTS = {
    "receipt": "00-lifecycle.md",
    "value": "02-encoding.md",
    "frames": "02-encoding.md",
    "peer_id": "03-identity.md",
    "run_id": "03-identity.md",
    "domain": "03-identity.md",
    "enrolment": "03-identity.md",
    "identity_file": "03-identity.md",
    "signature": "04-envelope.md",
    "envelope": "04-envelope.md",
    "hello": "05-hello.md",
    "equivocation": "06-gossip.md",
    "gossip": "06-gossip.md",
    "schema": "07-chunks.md",
    "layout": "07-chunks.md",
    "blob": "07-chunks.md",
    "chunk": "07-chunks.md",
    "chunk_request": "07-chunks.md",
    "chunk_reply": "07-chunks.md",
    "provider": "07-chunks.md",
    "getter": "07-chunks.md",
    "update": "07-chunks.md",
    "model": "07-chunks.md",
    "update_manifest": "08-rounds.md",
    "run_manifest": "08-rounds.md",
    "commitment": "08-rounds.md",
    "rounds": "08-rounds.md",
    "run": "08-rounds.md",
    "merge": "09-merge.md",
    "secure": "09-merge.md",
    "code": "11-errors.md",
}


def all_cases():
    for name in sorted(os.listdir(run.HERE)):
        if name.startswith("cases_") and name.endswith(".py"):
            yield from importlib.import_module(name[:-3]).cases()


def check_case(name, slug, covers, seen, rules):
    if not re.fullmatch(r"[a-z0-9.-]+", slug) or name in seen:
        raise SystemExit(f"{name}: bad slug, or twice")
    if not covers or not set(covers) <= rules:
        raise SystemExit(f"{name}: covers {covers}, of which some are no rules of the documents")


def result_of(found, op, slug, given, expect):
    """{"output": ...} or {"error": ...}; loud if that is not what the author expects."""
    given = json.loads(json.dumps(given))
    try:
        result = {"output": found[op](given)}
    except Refusal as refusal:
        result = {"error": refusal.code}
    if callable(expect):
        right = "output" in result and expect(result["output"])
    else:
        right = result.get("error") == expect
    if not right:
        wanted = expect or "an output"
        raise SystemExit(f"{op}/{slug}: expected {wanted}, got {json.dumps(result)[:300]}")
    return result


def build(rules):
    """File name to text."""
    found, files, seen = run.operations(), {}, set()
    for op, slug, covers, given, expect in all_cases():
        name = f"{op}/{slug}"
        check_case(name, slug, covers, seen, rules)
        seen.add(name)
        group, operation = op.split(".")
        empty = {"op": op, "document": DOCUMENTS[group], "cases": []}
        content = files.setdefault(f"{group}/{operation}.json", empty)
        case = {"id": name, "covers": list(covers), "input": given}
        case.update(result_of(found, op, slug, given, expect))
        content["cases"].append(case)
    return {path: text_of(content) for path, content in sorted(files.items())}


def text_of(content):
    """A file as vectors/README.md shows it: one case on a line."""
    cases = ",\n".join("  " + json.dumps(case) for case in content["cases"])
    head = json.dumps(content["op"]), json.dumps(content["document"])
    return '{\n "op": %s,\n "document": %s,\n "cases": [\n%s\n ]\n}\n' % (*head, cases)


def present(folder):
    """The vector files that are there."""
    for group in sorted(os.listdir(folder)):
        if os.path.isdir(os.path.join(folder, group)):
            for name in sorted(os.listdir(os.path.join(folder, group))):
                if name.endswith(".json"):
                    yield f"{group}/{name}"


def differing(files, folder):
    """Names of files that are not as they should be, those that should not be there among them."""
    there = set(present(folder))
    wrong = there - set(files)
    for path, content in files.items():
        if path not in there or read(os.path.join(folder, path)) != content:
            wrong.add(path)
    return sorted(wrong)


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def write(files, folder):
    for path, content in files.items():
        full = os.path.join(folder, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8", newline="") as file:
            file.write(content)


def main():
    parser = argparse.ArgumentParser(description="Writes or compares the vectors.")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    parser.add_argument("--spec", metavar="FOLDER", help="the documents")
    parser.add_argument("folder", metavar="DIR", nargs="?", help="the folder of the vectors")
    given = parser.parse_args()
    folder = places.vectors(given.folder)
    files = build(places.rules(places.spec(given.spec)))
    if not given.check:
        write(files, folder)
        return 0
    wrong = differing(files, folder)
    for path in wrong:
        print(f"{path} differs")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

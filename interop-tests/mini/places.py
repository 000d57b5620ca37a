"""Where the documents and their vectors lie, and which rules there are (README.md of the spec)."""

import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
SPEC = os.path.normpath(os.path.join(HERE, "..", "..", "spec"))
RULE = re.compile(r"^- \*\*([A-Z]+-[0-9]{3})\*\*", re.MULTILINE)


def spec(given):
    """The folder of the documents: the one given, or the one of the repository that this is in."""
    folder = given or SPEC
    if not os.path.exists(os.path.join(folder, "02-encoding.md")):
        raise SystemExit(f"the documents are not in {folder}; say where they are")
    return folder


def vectors(given):
    """The folder of the vectors, likewise; one that is given need not be there yet."""
    folder = given or os.path.join(SPEC, "vectors")
    if given is None and not os.path.isdir(folder):
        raise SystemExit(f"there is no {folder}; say where the vectors are")
    return folder


def rules(folder):
    """The ids of all rules of the documents."""
    found = set()
    for name in sorted(os.listdir(folder)):
        if name.endswith(".md"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                found.update(RULE.findall(file.read()))
    return found

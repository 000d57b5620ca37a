"""Rules from other packages: named in the run manifest, found among what is installed here.

Such a rule is called PACKAGE:RULE, the name of a distribution in its normal form and the name of
one of its entry points in the group `swarmp2p.merge_rules`. No rule of our own has a colon in its
name, so none can be mistaken for one, and two packages cannot claim one name. The manifest's name
is compared with those of entry points that are installed, and with nothing else: no module is
looked for by it.
"""

import re
from collections.abc import Mapping
from importlib import metadata

from swarmp2p.errors import MergeError
from swarmp2p.merge.own import OwnRule, fenced, refusal
from swarmp2p.wire.registry import MAX_RULE_NAME_BYTES

GROUP = "swarmp2p.merge_rules"
SEPARATOR = ":"

_NAME = re.compile(r"([a-z0-9]+(?:-[a-z0-9]+)*):([A-Za-z0-9_.-]+)")


def own_rule(name: str, params: Mapping[str, float] | None = None) -> OwnRule:
    """The rule PACKAGE:RULE, made with `params` as keywords of its class.

    Raises MergeError if the name has another form, if it is not installed here (ROUND-064), if its
    package cannot be imported or its class refuses the parameters, and if it is no MergeRule.
    """
    found = _entry_point(name)
    try:
        rule = found.load()(**(params or {}))
    except (Exception, SystemExit) as error:
        raise refusal(name, error) from error
    return fenced(name, rule)


def check_own_name(name: str) -> tuple[str, str]:
    """(PACKAGE, RULE) of a name. Raises MergeError for another form."""
    parts = _NAME.fullmatch(name)
    if parts is None or len(name) > MAX_RULE_NAME_BYTES:
        raise MergeError(
            f"merge rule {name!r:.80}: a name with {SEPARATOR!r} is PACKAGE{SEPARATOR}RULE, the "
            "package in lower case with single hyphens, the rule in A-Z a-z 0-9 _ . -, "
            f"{MAX_RULE_NAME_BYTES} characters at most"
        )
    return parts[1], parts[2]


def _entry_point(name: str) -> metadata.EntryPoint:
    package, rule = check_own_name(name)
    offered = [one for one in metadata.entry_points(group=GROUP) if _package(one) == package]
    found = [one for one in offered if one.name == rule]
    if len(found) == 1:
        return found[0]
    if found:
        raise MergeError(f"rule {name!r}: its package names it {len(found)} times in {GROUP!r}")
    if offered:
        raise MergeError(
            f"rule {name!r}: the package {package!r} that is installed here has no such rule; it "
            f"has {', '.join(sorted(one.name for one in offered))}. Install the version that the "
            "run's owner names, before you enrol"
        )
    raise MergeError(
        f"rule {name!r}: no package {package!r} with merge rules is installed here; get it from "
        "the run's owner and install it beside swarmp2p before you enrol"
    )


def _package(found: metadata.EntryPoint) -> str:
    """The distribution's name in its normal form."""
    name = found.dist.name if found.dist else ""
    return re.sub(r"[-_.]+", "-", name or "").lower()

"""A builder of traces for run.trace (08-rounds.md).

What a step must lead to is stated by hand beside it, and compared. Blocks: enrolments in 1, genesis
in 2, unless a trace says otherwise. With the settings below the windows are 7 blocks for commits
and 7 for the exchange (14 in later attempts); last_post is 3 blocks after the deadline.
"""

import hashlib

from traces import trace_operation

ZERO = "00" * 32
SETTINGS = {
    "init_root": ZERO,
    "last_round": 0,
    "min_peers": 0,
    "commit_blocks": 2,
    "exchange_blocks": 2,
    "lo": 2,
    "hi": 100,
    "depth": 1,
    "topology": 0,
}


def root(name):
    return hashlib.sha256(str(name).encode()).hexdigest()


GENESIS = root("genesis")


class Trace:
    def __init__(self, slug, covers, peers=0, **settings):
        self.slug, self.covers = slug, covers
        self.settings = {**SETTINGS, **settings}
        self.steps, self.refused, self.seen = [], [], []
        self.round, self.attempt, self.base = 1, 0, GENESIS
        for _ in range(peers):
            self.step(1, "enrol")
        if peers:
            self.step(2, "genesis", by="owner", root=GENESIS)

    def step(self, block, do, bad=False, **fields):
        self.steps.append({"block": block, "do": do, **fields})
        self.refused.append(bad)
        return self

    def see(self, **fields):
        """What the views must say after the last step."""
        self.seen.append((len(self.steps) - 1, fields))
        return self

    def enrol(self, block, bad=False):
        return self.step(block, "enrol", bad)

    def look(self, block):
        return self.step(block, "look")

    def by(self, block, do, *indices, bad=False):
        for index in indices:
            self.step(block, do, bad, by=index)
        return self

    def commit(self, block, *indices, bad=False, **changed):
        for index in indices:
            fields = {
                "by": index,
                "round": self.round,
                "attempt": 0,
                "commitment": root(f"commitment {index}"),
                "weight": 100 + index,
                "base": self.base,
            }
            self.step(block, "commit", bad, **{**fields, **changed})
        return self

    def have(self, block, index, held, bad=False, **changed):
        fields = {"by": index, "round": self.round, "attempt": self.attempt, "held": held}
        return self.step(block, "have", bad, **{**fields, **changed})

    def attest(self, block, *indices, bad=False, name=None, **changed):
        for index in indices:
            merged = root(f"merged {self.round}" if name is None else name)
            fields = {
                "by": index,
                "round": self.round,
                "attempt": self.attempt,
                "root": merged,
                "aux": ZERO,
            }
            self.step(block, "attest", bad, **{**fields, **changed})
        return self

    def next(self, block, index, bad=False, **changed):
        fields = {"by": index, "round": self.round, "attempt": self.attempt}
        return self.step(block, "nextAttempt", bad, **{**fields, **changed})

    def object(self, block, *indices, bad=False, **changed):
        for index in indices:
            fields = {"by": index, "round": self.round, "attempt": self.attempt}
            self.step(block, "object", bad, **{**fields, **changed})
        return self

    def fault(self, block, accused, *voters, kind=1, bad=False, **changed):
        for index in voters:
            fields = {"by": index, "index": accused, "kind": kind, "round": self.round}
            fields["evidence"] = root(f"proof {accused}")
            self.step(block, "voteFault", bad, **{**fields, **changed})
        return self

    def fill(self, block, *indices, quorum):
        """A round in which nothing else happens: these commit, and the first of them seal it."""
        return self.commit(block, *indices).attest(block, *indices[:quorum]).sealed()

    def sealed(self, name=None):
        """The round of the last steps is sealed: the next ones are of the next round."""
        self.base = root(f"merged {self.round}" if name is None else name)
        return self.voided()

    def voided(self):
        self.round, self.attempt = self.round + 1, 0
        return self

    def again(self):
        self.attempt += 1
        return self

    def case(self):
        given = {"settings": self.settings, "steps": self.steps}
        log = trace_operation(given)["log"]
        for i, (entry, refused) in enumerate(zip(log, self.refused, strict=True)):
            if entry["refused"] != refused:
                raise AssertionError(
                    f"{self.slug}: step {i} {self.steps[i]}: refused is {entry['refused']}"
                )
        for i, fields in self.seen:
            state = {**log[i]["run"], **log[i]["current"]}
            for name, value in fields.items():
                if state[name] != value:
                    raise AssertionError(
                        f"{self.slug}: step {i}: {name} is {state[name]}, not {value}"
                    )
        return "run.trace", self.slug, self.covers, given, None

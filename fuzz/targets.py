"""The table of targets. A check takes one input and raises nothing unless an invariant is broken.

Invariants: a peer's bytes become a value or RemoteProtocolError (below the protocols: the error of
the layer), never another exception; an accepted value has these bytes as its only encoding; how
bytes are cut changes nothing; a machine is deterministic.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

Check = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Target:
    """A check, where it is, and the longest input worth trying."""

    name: str
    module: str
    max_len: int

    def load(self) -> Check:
        """The check; its module is imported here, so that it can be instrumented."""
        check: Check = getattr(import_module(f"fuzz.{self.module}"), self.name.replace("-", "_"))
        return check


TARGETS = {
    target.name: target
    for target in (
        Target("value", "decoders", 1_024),  # MAX_ITEMS is for the tests: long inputs are slow
        Target("frames", "decoders", 70_000),  # more than MAX_CONTROL_FRAME
        Target("envelope", "decoders", 1_024),
        Target("signature", "decoders", 512),
        Target("hello", "decoders", 1_024),
        Target("chunk-request", "decoders", 512),
        Target("chunk-reply", "decoders", 1_024),
        Target("update-manifest", "decoders", 2_048),
        Target("run-manifest", "decoders", 2_048),
        Target("schema", "decoders", 4_096),
        Target("proof", "decoders", 1_024),
        Target("hello-machine", "machines", 512),
        Target("provider", "machines", 1_024),
        Target("getter", "machines", 2_048),
        Target("gossip", "machines", 2_048),
        Target("repeats", "machines", 512),
        Target("update", "updates", 512),
        Target("model", "updates", 512),
        Target("codec", "updates", 9_000),  # more than two blocks of int8
        Target("yamux", "sessions", 2_048),
        Target("yamux-conn", "sessions", 2_048),
        Target("noise", "sessions", 2_048),
    )
}

"""swarmp2p: train at home, exchange signed parameters, merge them to the bit.

The public names load what they need when they are first used, so that `import swarmp2p` is cheap.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swarmp2p.config import SwarmConfig
    from swarmp2p.errors import RunFinished, RunStopped, SwarmError
    from swarmp2p.manifest import RunManifest
    from swarmp2p.node.receipts import Receipt
    from swarmp2p.train.swarm import AsyncSwarm, Swarm

__all__ = [
    "AsyncSwarm",
    "Receipt",
    "RunFinished",
    "RunManifest",
    "RunStopped",
    "Swarm",
    "SwarmConfig",
    "SwarmError",
]
__version__ = "0.1.0"

_HOMES = {
    "AsyncSwarm": "swarmp2p.train.swarm",
    "Receipt": "swarmp2p.node.receipts",
    "RunFinished": "swarmp2p.errors",
    "RunManifest": "swarmp2p.manifest",
    "RunStopped": "swarmp2p.errors",
    "Swarm": "swarmp2p.train.swarm",
    "SwarmConfig": "swarmp2p.config",
    "SwarmError": "swarmp2p.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'swarmp2p' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)

from enum import Enum

import pytest

from swarmp2p.errors import LocalProtocolError
from swarmp2p.protocol.machine import Machine, diagram


class Door(Enum):
    OPEN = "open"
    SHUT = "shut"


class Push(Enum):
    CLOSE = "pushed to"
    OPEN = "pulled"


TABLE = {(Door.OPEN, Push.CLOSE): Door.SHUT, (Door.SHUT, Push.OPEN): Door.OPEN}


class DoorMachine(Machine[Door, Push]):
    table = TABLE


def test_machine__follows_its_table():
    door = DoorMachine(Door.OPEN)
    assert door.fire(Push.CLOSE) is Door.SHUT
    assert door.state is Door.SHUT


def test_machine__illegal_event_changes_nothing():
    door = DoorMachine(Door.OPEN)
    with pytest.raises(LocalProtocolError, match="OPEN is illegal in state OPEN"):
        door.fire(Push.OPEN)
    assert door.state is Door.OPEN


def test_diagram__names_every_transition_once():
    assert diagram(TABLE, Door.OPEN) == (
        "stateDiagram-v2\n    [*] --> OPEN\n"
        "    OPEN --> SHUT: pushed to\n    SHUT --> OPEN: pulled\n"
    )

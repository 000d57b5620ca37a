"""The one engine of all state machines: a transition table, `fire`, and a picture of the table."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar, Generic, TypeVar

from swarmp2p.errors import LocalProtocolError

State = TypeVar("State", bound=Enum)
Event = TypeVar("Event", bound=Enum)


class Machine(Generic[State, Event]):
    """A state that changes only as `table` says: {(state, event): next state}."""

    table: ClassVar[Mapping[tuple[Any, Any], Any]] = {}

    def __init__(self, start: State) -> None:
        """Begin in `start`."""
        self._state = start

    @property
    def state(self) -> State:
        """The present state."""
        return self._state

    def fire(self, event: Event) -> State:
        """Take the transition. Where there is none: LocalProtocolError, and nothing changes."""
        after: State | None = self.table.get((self._state, event))
        if after is None:
            raise LocalProtocolError(f"{event.name} is illegal in state {self._state.name}")
        self._state = after
        return after


def diagram(table: Mapping[tuple[Any, Any], Any], start: Enum) -> str:
    """The table as a Mermaid state diagram, in the table's own order."""
    lines = ["stateDiagram-v2", f"    [*] --> {start.name}"]
    lines += [
        f"    {before.name} --> {after.name}: {event.value}"
        for (before, event), after in table.items()
    ]
    return "\n".join(lines) + "\n"

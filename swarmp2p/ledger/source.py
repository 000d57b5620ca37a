"""What a reader of the chain needs: one endpoint, or several that are compared."""

from typing import Any, Protocol


class Source(Protocol):
    """Answers JSON-RPC calls. `RpcClient` is one endpoint, `Endpoints` several."""

    @property
    def shown(self) -> str:
        """How messages name it; nothing that may be secret."""
        ...

    @property
    def timeout(self) -> float:
        """Seconds that one call may take."""
        ...

    def call(self, method: str, *params: object) -> Any:
        """The result of a method.

        Raises RpcRefusedError for an error object, else LedgerUnavailableError.
        """
        ...

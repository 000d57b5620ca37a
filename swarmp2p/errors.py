"""Every exception that swarmp2p raises, in one tree.

SwarmError
├── ProtocolError
│   ├── LocalProtocolError        our caller erred; nothing changed
│   └── RemoteProtocolError       the peer erred; `code` is what to answer
├── ConfigError                   one of our own files, options or values is wrong
├── KeyMisusedError               another program signs with this node's key; the node halts
├── StateError                    the state directory or its disk
│   ├── StateLockedError          another process uses it
│   └── GuardConflictError        a slot is already signed with other bytes
├── LedgerError
│   ├── LedgerUnavailableError    no answer, or an answer that makes no sense
│   │   ├── LedgerDisagreementError   two endpoints answer differently; nothing is signed
│   │   └── SignerError           the external signer refused, or signed something else
│   ├── TransactionRevertedError  the contract refused; `reason` is its error's name
│   ├── AccountInUseError         another process sends for this account; nothing more is signed
│   ├── NotEnrolledError          this node's keys are not enrolled, or are revoked
│   └── DeepReorganisationError   a block that was final has gone; the node halts
├── TransportError
│   ├── ListenError               the address cannot be listened on
│   ├── PeerUnreachableError      no connection to the peer
│   └── StreamResetError          the stream ended before its end
├── MergeError                    a rule outside its range, or input it refuses
└── RunError
    ├── RunFinished               the run's last round is sealed
    └── RunStopped                the peers voted to stop the run
"""


class SwarmError(Exception):
    """The root of the tree."""


class ProtocolError(SwarmError):
    """A rule of the wire protocol was broken."""


class LocalProtocolError(ProtocolError):
    """Our own caller asked a machine for something illegal; the machine is unchanged."""


class RemoteProtocolError(ProtocolError):
    """The peer broke a rule.

    `code` is the registry's one-byte error code that answers it.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = int(code)


class ConfigError(SwarmError):
    """A file, option or value given to us is wrong. The command line exits with 2."""


class KeyMisusedError(SwarmError):
    """Two bodies for one slot are signed with this node's key: it is copied, or was stolen."""


class StateError(SwarmError):
    """The state directory cannot be used."""


class StateLockedError(StateError):
    """Another process holds the state directory."""


class GuardConflictError(StateError):
    """The slot was signed before with other bytes; signing again would be an equivocation."""


class LedgerError(SwarmError):
    """The chain, or what it says."""


class LedgerUnavailableError(LedgerError):
    """The endpoint does not answer, or what answers is not the chain we expect."""


class LedgerDisagreementError(LedgerUnavailableError):
    """Endpoints that should show one chain show two. Nothing is signed until they agree again."""


class SignerError(LedgerUnavailableError):
    """The external signer does not sign, or signed something else than was asked."""


class AccountInUseError(LedgerError):
    """A transaction of this account is not ours: another process holds the key and sends."""


class TransactionRevertedError(LedgerError):
    """The contract refused a transaction; `reason` is the name of its custom error."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class NotEnrolledError(LedgerError):
    """This node's peer key or account is not enrolled in the run."""


class DeepReorganisationError(LedgerError):
    """The chain dropped a block that this node had taken as final."""


class TransportError(SwarmError):
    """The network under the protocols."""


class ListenError(TransportError):
    """The address cannot be listened on, most often because the port is taken."""


class PeerUnreachableError(TransportError):
    """There is no connection to the peer and none could be made."""


class StreamResetError(TransportError):
    """The stream was cut before its proper end."""


class MergeError(SwarmError):
    """A merge rule was used outside its range, or an input breaks its terms."""


class RunError(SwarmError):
    """The run is over."""


class RunFinished(RunError):  # noqa: N818 - an end, not an error; the name is the public API's
    """The run's last round is sealed."""


class RunStopped(RunError):  # noqa: N818 - as above
    """The peers voted to stop the run."""

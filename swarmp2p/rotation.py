"""Replaces a site's identity key: a new file beside the old one, the chain's word, then the swap.

Behind `swarmp2p keys rotate`. Each step can be cut off and made again: the new key is on disk
before anybody hears of it, and the old file goes only when a final block says that the new key
stands.

    prepare   identity.key.next is made, or found; the proof is by it
    send      `rotate` goes to the registry, from the site's account
    finish    a final block has the new key: the old file is kept as identity.key.epoch-N-XXXXXXXX,
              identity.key becomes the new one, and identity.key.next goes
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from swarmp2p.config import SwarmConfig
from swarmp2p.crypto.identity import enrol_preimage, open_identity, seal_identity
from swarmp2p.crypto.keys import IdentityKey, Secret
from swarmp2p.errors import (
    ConfigError,
    LedgerUnavailableError,
    NotEnrolledError,
    StateError,
    StateLockedError,
)
from swarmp2p.ledger.abi import contract_abi
from swarmp2p.ledger.accounts import checksum
from swarmp2p.ledger.deploy import MINE_TIMEOUT, POLL, Pause, open_desk
from swarmp2p.ledger.interface import ChainView, Member, RunTerms
from swarmp2p.ledger.signer import Signer
from swarmp2p.private import read_private, sync_directory, write_private
from swarmp2p.seams import Rng
from swarmp2p.store.state import locked_database

MAX_IDENTITY = 1024  # bytes of an identity file; it has about 140
_REGISTRY = "SwarmRegistry"
Look = Callable[[], ChainView]


@dataclass(frozen=True)
class KeyPlaces:
    """Where the files of a rotation stand, all in one directory. `current` is node.toml's."""

    current: Path

    @property
    def next(self) -> Path:
        """The new identity until it is the current one."""
        return self.current.with_name(f"{self.current.name}.next")

    @property
    def part(self) -> Path:
        """What is being written: whole before it takes one of the other names."""
        return self.current.with_name(f"{self.current.name}.part")

    def old(self, epoch: int, peer: bytes) -> Path:
        """Where an identity goes that a rotation has ended."""
        return self.current.with_name(f"{self.current.name}.epoch-{epoch}-{peer.hex()[:8]}")


@dataclass(frozen=True)
class Rotation:
    """A rotation that is prepared: what the registry is to be told, and by whom.

    `call` is the data of the transaction that `account` sends to `registry`, with no value.
    """

    chain_id: int
    registry: bytes
    account: bytes
    index: int
    old_peer: bytes
    peer: bytes
    epoch: int
    proof: bytes
    stands: bool  # the registry has it already

    @property
    def call(self) -> bytes:
        """The transaction's data."""
        arguments = (self.peer, self.epoch, self.proof)
        return contract_abi(_REGISTRY).call_data("rotate", *arguments)


@contextmanager
def stopped_node(config: SwarmConfig) -> Iterator[None]:
    """Hold the state directory, so that no node of this site runs meanwhile.

    Raises StateLockedError where one does.
    """
    if not os.path.lexists(config.state):
        yield  # no node has ever run here
        return
    with locked_database(config.state):
        yield


def prepare(
    config: SwarmConfig, passphrase: Secret, rng: Rng, terms: RunTerms, view: ChainView
) -> Rotation:
    """Make the new identity, or find the one that an earlier call made; sign its proof.

    `view` is the run at any block not older than the site's enrolment. Raises ConfigError,
    NotEnrolledError, StateLockedError.
    """
    places = KeyPlaces(config.identity)
    with _alone(places):
        current = _open(places.current, passphrase)
        made = _open(places.next, passphrase) if os.path.lexists(places.next) else None
        member = _member(view, current, made)
        _refuse_taken(view, member, made, places)
        if made is None:
            made = IdentityKey(Secret(rng.token(32)))
            _put(places, seal_identity(made.seed, passphrase, rng), places.next)
    stands = member.peer == made.public
    epoch = member.key_epoch if stands else member.key_epoch + 1
    preimage = enrol_preimage(terms.chain_id, terms.registry, member.account, made.public, epoch)
    old = member.keys[-2].peer if stands and len(member.keys) > 1 else member.peer
    return Rotation(
        chain_id=terms.chain_id,
        registry=terms.registry,
        account=member.account,
        index=member.index,
        old_peer=old,
        peer=made.public,
        epoch=epoch,
        proof=made.sign(preimage),
        stands=stands,
    )


def send(url: str, key: bytes | Signer, rotation: Rotation, *, pause: Pause = time.sleep) -> None:
    """Tell the registry, from the site's account, and wait until that is mined.

    Raises ConfigError for another account's key, TransactionRevertedError, LedgerUnavailableError.
    """
    with open_desk(url, key, pause=pause) as desk:
        if desk.sender.account != rotation.account:
            raise ConfigError(
                f"the site is enrolled with the account {checksum(rotation.account)}, and the key"
                f" given is that of {checksum(desk.sender.account)}"
            )
        arguments = (rotation.peer, rotation.epoch, rotation.proof)
        desk.call(_REGISTRY, rotation.registry, "rotate", *arguments)


def standing_view(
    look: Look, rotation: Rotation, *, pause: Pause = time.sleep, timeout: float = MINE_TIMEOUT
) -> ChainView:
    """The first final view in which the new key stands. `look` reads the last final view.

    Raises LedgerUnavailableError where that takes longer than `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        view = look()
        if any(m.index == rotation.index and m.had(rotation.peer) for m in view.members):
            return view
        if time.monotonic() > deadline:
            raise LedgerUnavailableError(
                f"the new key is in no final block yet (the last is {view.block.number}); nothing"
                " is lost: run the same command again later"
            )
        pause(POLL)


def finish(config: SwarmConfig, passphrase: Secret, view: ChainView) -> Path:
    """Swap the files, if a final block has the new key as the site's; where the old one is now.

    Raises ConfigError where the chain does not have it.
    """
    places = KeyPlaces(config.identity)
    with _alone(places):
        return _swap(places, passphrase, view)


def _swap(places: KeyPlaces, passphrase: Secret, view: ChainView) -> Path:
    current, made = _open(places.current, passphrase), _open(places.next, passphrase)
    member = _member(view, current, made)
    if not member.had(made.public):
        raise ConfigError(f"the chain does not have the key in {places.next} yet")
    ended = next((key for key in member.keys if key.peer == current.public), None)
    if current.public == made.public or ended is None:
        ended = member.keys[[key.peer for key in member.keys].index(made.public) - 1]
    old = places.old(ended.epoch, ended.peer)
    if current.public != made.public:
        if not os.path.lexists(old):
            _put(places, read_private(places.current, MAX_IDENTITY), old)
        _put(places, read_private(places.next, MAX_IDENTITY), places.current)
    try:
        places.next.unlink()
        sync_directory(places.current.parent)
    except OSError as error:
        raise StateError(f"cannot remove {places.next}: {error.strerror}") from None
    return old


@contextmanager
def _alone(places: KeyPlaces) -> Iterator[None]:
    """Hold the keys' directory against a second command.

    Of two new keys the chain might be told of one, and the other be the one on the disk. Raises
    StateLockedError.
    """
    folder = places.current.parent
    try:
        directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be read: {error.strerror}") from None
    try:
        _lock(directory, folder)
        yield
    finally:
        os.close(directory)


def _lock(directory: int, folder: Path) -> None:
    try:
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StateLockedError(
            f"another command is at the keys in {folder}: wait for its end, then run this one again"
        ) from None
    except OSError as error:
        raise StateError(f"{folder} cannot be locked: {error.strerror}") from None


def _put(places: KeyPlaces, data: bytes, path: Path) -> None:
    """Write a private file that is there whole or not at all, and wait for the disk."""
    try:
        places.part.unlink(missing_ok=True)
        write_private(places.part, data)
        places.part.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise StateError(f"cannot write {path}: {error.strerror}; run the command again") from None


def _open(path: Path, passphrase: Secret) -> IdentityKey:
    try:
        return IdentityKey(open_identity(read_private(path, MAX_IDENTITY), passphrase))
    except ConfigError as error:
        text = str(error)
        raise ConfigError(text if str(path) in text else f"{path}: {text}") from None


def _refuse_taken(
    view: ChainView, member: Member, made: IdentityKey | None, places: KeyPlaces
) -> None:
    """A key seen on its way to the registry can be entered by another member first."""
    holder = view.holder(made.public) if made else None
    if holder is not None and holder.index != member.index:
        raise ConfigError(
            f"the new key in {places.next} stands in the enrolment of member {holder.index}, who"
            " sent it first: move that file away and run the command again, for another key"
        )


def _member(view: ChainView, current: IdentityKey, made: IdentityKey | None) -> Member:
    """The site's own live enrolment."""
    member = view.holder(current.public)
    if member is None and made is not None:
        member = view.holder(made.public)
    if member is None:
        raise NotEnrolledError(
            f"the key {current.public.hex()} is in no enrolment of this run's registry: a key that"
            " is not enrolled needs no rotation; have it invited, then `swarmp2p ledger enrol`"
        )
    if not member.live:
        raise NotEnrolledError(
            f"member {member.index} is revoked or excluded: it needs a new account, a new key and"
            " a new invitation"
        )
    ours = {current.public, made.public if made else current.public}
    if member.peer not in ours:
        raise NotEnrolledError(
            f"member {member.index} has the key {member.peer.hex()} by now, and the file holds"
            f" {current.public.hex()}: take the identity file that was made with that rotation"
        )
    return member

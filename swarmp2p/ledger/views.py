"""Reads a run from the chain: contract views to the plain values of `interface.py`. Blocking."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from swarmp2p.crypto.identity import enrol_preimage
from swarmp2p.crypto.keys import verify_signature
from swarmp2p.errors import (
    LedgerUnavailableError,
    NotEnrolledError,
    RemoteProtocolError,
    TransactionRevertedError,
)
from swarmp2p.ledger.abi import ContractAbi, contract_abi
from swarmp2p.ledger.accounts import checksum
from swarmp2p.ledger.finality import Finality, final_number
from swarmp2p.ledger.interface import (
    Attestation,
    Block,
    ChainView,
    Commit,
    Member,
    MemberKey,
    Phase,
    RoundView,
    RunTerms,
)
from swarmp2p.ledger.rpc import RpcRefusedError, height, hexed, octets, quantity
from swarmp2p.ledger.source import Source
from swarmp2p.ledger.verify import verify_code
from swarmp2p.wire.registry import MAX_ADDRESSES_BYTES, MAX_MEMBER_KEYS, MAX_PEERS, MAX_UINT

REREAD_MEMBERS = 8  # final blocks after which changed addresses are noticed


def indices(bits: int) -> frozenset[int]:
    """The places of the ones in a bitmap."""
    return frozenset(_ascending(bits))


def _ascending(bits: int) -> list[int]:
    return [place for place in range(bits.bit_length()) if bits >> place & 1]


@dataclass(frozen=True, slots=True)
class Roll:
    """The members at a block, and which of them carry a proof that does not verify."""

    members: tuple[Member, ...]
    bad_proofs: frozenset[int]


class RegistryReader:
    """Reads one registry."""

    def __init__(self, rpc: Source, chain_id: int, registry: bytes) -> None:
        self._rpc = rpc
        self._chain_id = chain_id
        self.registry = registry
        self._abi = contract_abi("SwarmRegistry")
        self._verified: dict[tuple[object, ...], bool] = {}

    def roll(self, number: int) -> Roll:
        """The members at a block.

        The chain cannot check Ed25519 proofs, so a member with a key whose proof is wrong shows as
        revoked in the block of that key: nobody admits it. Raises LedgerUnavailableError for more
        members or keys than the contract takes.
        """
        (rows,) = view_call(self._rpc, self.registry, self._abi, "members", (), number)
        if len(rows) > MAX_PEERS:
            raise LedgerUnavailableError(
                f"the registry has {len(rows)} members; at most {MAX_PEERS} were expected"
            )
        members, bad = [], set()
        for index, row in enumerate(rows):
            member = _member(index, row)
            # ID-020: an enrolment with a proof that fails is revoked in the block of that key.
            unproven = [key for key in member.keys if not self._proven(member.account, key)]
            if unproven:
                bad.add(index)
                since = unproven[0].since or 1
                revoked = min(since, member.revoked_block or since)
                member = replace(member, revoked_block=revoked)
            members.append(member)
        return Roll(tuple(members), frozenset(bad))

    def _proven(self, account: bytes, key: MemberKey) -> bool:
        seen = (account, key.peer, key.epoch, key.proof)
        known = self._verified.get(seen)
        if known is None:
            message = enrol_preimage(self._chain_id, self.registry, account, key.peer, key.epoch)
            try:
                verify_signature(key.peer, message, key.proof)
                known = True
            except RemoteProtocolError:
                known = False
            if len(self._verified) >= MAX_PEERS * MAX_MEMBER_KEYS:
                self._verified.clear()  # an endpoint that invents keys does not fill our memory
            self._verified[seen] = known
        return known


def _member(index: int, row: dict[str, Any]) -> Member:
    """An enrolment as the registry gives it. Raises LedgerUnavailableError."""
    count = len(row["keys"])
    if not 1 <= count <= MAX_MEMBER_KEYS:
        raise LedgerUnavailableError(
            f"member {index} has {count} keys; 1 to {MAX_MEMBER_KEYS} were expected"
        )
    # A byte that is not UTF-8 reads as one character, so that no list within the limit is refused.
    if len(row["addresses"]) > MAX_ADDRESSES_BYTES:
        raise LedgerUnavailableError(
            f"member {index} has addresses of {len(row['addresses'])} characters; at most "
            f"{MAX_ADDRESSES_BYTES} were expected"
        )
    return Member(
        index=index,
        account=row["account"],
        enrolled_block=row["enrolledBlock"],
        revoked_block=row["revokedBlock"],
        addresses=tuple(a for a in row["addresses"].split(",") if a),
        keys=tuple(
            MemberKey(key["peerPk"], key["keyEpoch"], key["sinceBlock"], key["proof"])
            for key in row["keys"]
        ),
    )


def live_enrolment(roll: Roll, account: bytes, peer: bytes | None) -> Member:
    """The account's own live enrolment. Raises NotEnrolledError."""
    member = next((m for m in roll.members if m.account == account), None)
    who = f"account {checksum(account)}"
    if member is None:
        raise NotEnrolledError(
            f"{who} is not enrolled: ask the run's owner to `swarmp2p ledger invite` it, then run "
            "`swarmp2p ledger enrol`"
        )
    if member.index in roll.bad_proofs:
        raise NotEnrolledError(
            f"{who} enrolled with a proof that does not verify, so that no peer admits it: it "
            "needs a new account and peer key, and a new invitation"
        )
    if not member.live:
        raise NotEnrolledError(f"{who} was revoked in block {member.revoked_block}")
    if peer is not None and member.peer != peer and member.had(peer):
        raise NotEnrolledError(
            f"{who} has rotated to the peer key {member.peer.hex()} in block "
            f"{member.keys[-1].since}: an ended key is not used again; start with the new "
            "identity file"
        )
    if peer is not None and member.peer != peer:
        raise NotEnrolledError(
            f"{who} is enrolled with the peer key {member.peer.hex()}, and this node's is "
            f"{peer.hex()}: the identity file and the account file belong to different nodes"
        )
    return member


class RunReader:
    """Reads one run. Threads may share it.

    `finality` says which block is the last final one: the run's depth below the newest, or the
    chain's own `finalized`.
    """

    def __init__(self, rpc: Source, run: bytes, finality: Finality = Finality.DEPTH) -> None:
        self._rpc = rpc
        self._finality = finality
        self._run = run
        self._abi = contract_abi("SwarmRun")
        self._registry: RegistryReader | None = None
        self._bad_proofs: frozenset[int] = frozenset()
        self.terms = self._read_terms()

    def head(self) -> int:
        """Number of the newest block."""
        return height(self._rpc.call("eth_blockNumber"))

    def block(self, number: int) -> Block:
        """A block's number and hash. Raises LedgerUnavailableError if the endpoint lacks it."""
        return read_block(self._rpc, number)

    def final_number(self) -> int:
        """The last final block, by the run's depth or the chain's own `finalized`."""
        return final_number(self._rpc, self._finality, self.terms.depth)

    @property
    def shown_finality(self) -> str:
        """The rule of `final_number`, for messages."""
        if self._finality is Finality.FINALIZED:
            return "the chain's own"
        return f"depth {self.terms.depth}"

    @property
    def bad_proofs(self) -> frozenset[int]:
        """Members of the last view whose enrolment proof does not verify."""
        return self._bad_proofs

    def registry(self) -> RegistryReader:
        """The reader of the run's registry."""
        if self._registry is None:
            self._registry = RegistryReader(self._rpc, self.terms.chain_id, self.terms.registry)
        return self._registry

    def chain_view(self, block: Block) -> ChainView:
        """Everything at a block, in two calls."""
        state, current = self._call("snapshot", (), block.number)
        excluded = indices(state["excludedBits"])
        # LEDGER-021: the run is not told of rotations and addresses, so that nothing but the
        # registry at this very block says who bears which key.
        roll = self.registry().roll(block.number)
        self._bad_proofs = roll.bad_proofs
        round_view = _round_view(current)
        if any(index >= len(roll.members) for index in round_view.commits):
            raise LedgerUnavailableError(
                f"the chain has commits of members that its registry of {len(roll.members)} lacks"
            )
        return ChainView(
            block=block,
            genesis_root=state["genesisRoot"],
            round=round_view,
            finished=state["finished"],
            stopped=state["stopped"],
            last_sealed_round=state["lastSealedRound"],
            last_root=state["lastRoot"],
            consecutive_voids=state["consecutiveVoids"],
            commit_average=state["commitAverage"],
            exchange_average=state["exchangeAverage"],
            active=indices(state["activeBits"]),
            # LEDGER-018: an excluded member counts as revoked in this run.
            members=tuple(replace(m, excluded=m.index in excluded) for m in roll.members),
            excluded=excluded,
            barred=indices(state["barredBits"]),
            mesh_until=state["meshUntil"],
        )

    def round_view(self, number: int, block: int) -> RoundView:
        """A round as of a block. Raises TransactionRevertedError for one that is not open yet."""
        return _round_view(self._call("roundView", (number,), block)[0])

    def run_state(self, block: int) -> dict[str, Any]:
        """The contract's RunState as of a block."""
        state: dict[str, Any] = self._call("snapshot", (), block)[0]
        return state

    def _call(self, function: str, arguments: Iterable[object], block: int) -> tuple[Any, ...]:
        return view_call(self._rpc, self._run, self._abi, function, arguments, block)

    def _read_terms(self) -> RunTerms:
        chain_id = quantity(self._rpc.call("eth_chainId"))
        verify_code(self._rpc, self._run, "SwarmRun")
        (settings,) = self._call("settings", (), self.head())
        verify_code(self._rpc, settings["registry"], "SwarmRegistry")
        return RunTerms(
            chain_id=chain_id,
            contract=self._run,
            registry=settings["registry"],
            manifest_hash=settings["manifestHash"],
            init_root=settings["initRoot"],
            last_round=settings["lastRound"],
            min_peers=settings["minPeers"],
            commit_blocks=settings["commitBlocks"],
            exchange_blocks=settings["exchangeBlocks"],
            lo=settings["lo"],
            hi=settings["hi"],
            depth=settings["depth"],
            topology=settings["topology"],
        )


def read_block(rpc: Source, number: int) -> Block:
    """A block's number and hash."""
    if number > MAX_UINT:
        raise LedgerUnavailableError(f"chain at {rpc.shown} names a block that is no u64")
    found = rpc.call("eth_getBlockByNumber", hex(number), False)  # noqa: FBT003 - the API's shape
    if not isinstance(found, dict):
        raise LedgerUnavailableError(
            f"chain at {rpc.shown} has no block {number}: the endpoint is behind, or the chain "
            "was reorganised"
        )
    digest = octets(found.get("hash"))
    if len(digest) != 32 or quantity(found.get("number")) != number:
        # Taken as final, it would look like a reorganisation as soon as the endpoint is well again.
        raise LedgerUnavailableError(f"chain at {rpc.shown} answered no block {number}")
    return Block(number, digest)


def read_balance(rpc: Source, account: bytes) -> int:
    """Wei of an account."""
    return quantity(rpc.call("eth_getBalance", hexed(account), "latest"))


def view_call(  # noqa: PLR0917 - whom, what, when
    rpc: Source,
    contract: bytes,
    abi: ContractAbi,
    function: str,
    arguments: Iterable[object],
    block: int,
) -> tuple[Any, ...]:
    """The results of a view function at a block. Raises TransactionRevertedError."""
    call = {"to": hexed(contract), "data": hexed(abi.call_data(function, *arguments))}
    try:
        data = rpc.call("eth_call", call, hex(block))
    except RpcRefusedError as error:
        name, shown = revert_reason(error.data)
        if not name:
            raise
        raise TransactionRevertedError(name, f"{function} was refused: {shown}") from error
    return abi.result(function, octets(data))


def revert_reason(data: bytes) -> tuple[str, str]:
    """The custom error in revert data, whichever of the two contracts raised it, or ("", "")."""
    for name in ("SwarmRun", "SwarmRegistry"):
        reason = contract_abi(name).reason(data)
        if reason[0]:
            return reason
    return "", ""


def _round_view(row: dict[str, Any]) -> RoundView:
    committers = _ascending(row["commitBits"])
    attesters = _ascending(row["attestBits"])
    posters = _ascending(row["haveBits"])
    named = row["roster"] | row["attestBits"] | row["haveBits"]
    if named & ~row["commitBits"] or row["commitBits"] >> MAX_PEERS:
        raise LedgerUnavailableError("the chain's view of the round names who did not commit")
    try:
        return RoundView(
            round=row["round"],
            phase=Phase(row["phase"]),
            attempt=row["attempt"],
            opened_block=row["openedBlock"],
            frozen_block=row["frozenBlock"],
            commit_deadline=row["commitDeadline"],
            closed_block=row["closedBlock"],
            started_block=row["startedBlock"],
            exchange_deadline=row["exchangeDeadline"],
            last_post=row["lastPost"],
            ended_block=row["endedBlock"],
            enrolled=row["enrolled"],
            min_peers=row["minPeers"],
            base=row["base"],
            sealed_root=row["sealedRoot"],
            sealed_aux=row["sealedAux"],
            roster=indices(row["roster"]),
            commits={
                index: Commit(commitment, weight)
                for index, commitment, weight in zip(
                    committers, row["commitments"], row["weights"], strict=True
                )
            },
            attests={
                index: Attestation(root, aux)
                for index, root, aux in zip(
                    attesters, row["attestRoots"], row["attestAux"], strict=True
                )
            },
            haves=dict(zip(posters, row["haves"], strict=True)),
            optimistic=row["optimistic"],
            objected=indices(row["objectBits"]),
        )
    except ValueError:
        raise LedgerUnavailableError("the chain's view of the round contradicts itself") from None

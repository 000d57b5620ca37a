from contract_chain import Chain, Deployed, Receipt, account
from contract_swarm import COMMIT, OWNER, Prepared, Swarm, bits, digest, refused, settings

KEY = digest("a new key")


def enrol(swarm: Swarm, peer: int, key: bytes, proof: bytes = bytes(64), at: str = "") -> None:
    swarm.chain.transact(account(peer), swarm.registry, "enrol", key, 3, proof, at)


def invite(swarm: Swarm, peer: int, key: bytes, sender: bytes = OWNER) -> None:
    swarm.chain.transact(sender, swarm.registry, "invite", account(peer), key)


def test_enrol__records_the_member_as_it_was_sent(swarm_of: Prepared) -> None:
    swarm = swarm_of(2)
    invite(swarm, 2, KEY)
    swarm.chain.mine(5)
    enrol(swarm, 2, KEY, b"\x07" * 64, "/ip4/1.2.3.4/tcp/5")
    members = swarm.chain.call(swarm.registry, "members")
    assert len(members) == swarm.chain.call(swarm.registry, "memberCount") == 3
    assert bytes.fromhex(members[2]["account"][2:]) == account(2)
    assert members[2]["enrolledBlock"] == swarm.chain.block
    assert members[2]["revokedBlock"] == 0
    assert members[2]["addresses"] == "/ip4/1.2.3.4/tcp/5"
    (key,) = members[2]["keys"]
    here = swarm.chain.block
    assert key == {"peerPk": KEY, "keyEpoch": 3, "sinceBlock": here, "proof": b"\x07" * 64}
    assert tuple(key) == ("peerPk", "keyEpoch", "sinceBlock", "proof")
    order = ("account", "enrolledBlock", "revokedBlock", "addresses", "keys")
    assert tuple(members[2]) == order
    assert swarm.chain.call(swarm.registry, "indexOf", account(2)) == 2
    assert swarm.chain.call(swarm.registry, "liveBits") == bits(0, 1, 2)


def test_invite__is_refused_to_strangers_and_for_what_stands_already(swarm_of: Prepared) -> None:
    swarm = swarm_of(2)
    refused("OwnableUnauthorizedAccount", invite, swarm, 5, KEY, account(0))
    refused("EmptyInvitation", invite, swarm, 5, bytes(32))
    refused("AlreadyEnrolled", invite, swarm, 0, KEY)
    refused("AlreadyEnrolled", invite, swarm, 5, digest("peer 1"))


def test_enrol__is_refused_without_a_fitting_invitation_or_form(swarm_of: Prepared) -> None:
    swarm = swarm_of(2)
    refused("NotInvited", enrol, swarm, 5, KEY)
    refused("NotInvited", enrol, swarm, 5, bytes(32))
    invite(swarm, 5, KEY)
    invite(swarm, 6, KEY)
    refused("NotInvited", enrol, swarm, 5, digest("another key"))
    refused("BadProofLength", enrol, swarm, 5, KEY, bytes(63))
    refused("AddressesTooLong", enrol, swarm, 5, KEY, bytes(64), "a" * 513)
    enrol(swarm, 5, KEY, bytes(64), "a" * 512)
    refused("AlreadyEnrolled", enrol, swarm, 6, KEY)
    refused("AlreadyEnrolled", enrol, swarm, 5, KEY)


def test_enrol__stops_at_sixty_four_members_and_a_whole_bitmap_works(swarm_of: Prepared) -> None:
    swarm = swarm_of(64)
    invite(swarm, 64, KEY)
    refused("TooManyMembers", enrol, swarm, 64, KEY)
    swarm.commit(*range(63))
    assert swarm.round()["phase"] == COMMIT
    swarm.commit(63)
    assert swarm.round()["roster"] == 2**64 - 1
    swarm.have(63, *range(64))
    swarm.attest(*range(42))
    swarm.attest(63)
    assert swarm.state()["lastSealedRound"] == 1


def test_revoke__is_for_the_owner_and_the_member_itself_and_for_good(swarm_of: Prepared) -> None:
    swarm = swarm_of(4)

    def revoke(sender: bytes, index: int) -> None:
        swarm.chain.transact(sender, swarm.registry, "revoke", index)

    refused("NotAllowed", revoke, account(1), 2)
    refused("UnknownIndex", revoke, OWNER, 4)
    revoke(account(1), 1)
    revoke(OWNER, 2)
    refused("AlreadyRevoked", revoke, OWNER, 2)
    assert swarm.chain.call(swarm.registry, "liveBits") == bits(0, 3)
    assert swarm.chain.call(swarm.registry, "members")[1]["revokedBlock"] == swarm.chain.block
    refused("AlreadyEnrolled", invite, swarm, 1, KEY)
    refused("MemberRevoked", swarm.send, 1, "join")


def test_set_addresses__changes_the_senders_own_and_no_revoked_members(swarm_of: Prepared) -> None:
    swarm = swarm_of(2)

    def change(peer: int, to: str) -> Receipt:
        return swarm.chain.transact(account(peer), swarm.registry, "setAddresses", to)

    assert change(1, "/ip4/9.9.9.9/tcp/9").event_names == ["AddressesChanged"]
    members = swarm.chain.call(swarm.registry, "members")
    assert [m["addresses"] for m in members] == ["/ip4/10.0.0.0/tcp/1", "/ip4/9.9.9.9/tcp/9"]
    refused("AddressesTooLong", change, 1, "a" * 513)
    refused("NotEnrolled", change, 7, "a")
    swarm.revoke(1)
    refused("AlreadyRevoked", change, 1, "a")


def test_attach_run__takes_only_own_runs_once_each_and_eight_at_most() -> None:
    chain = Chain()
    registry, other = (chain.deploy("SwarmRegistry", OWNER) for _ in range(2))

    def run(of: Deployed) -> Deployed:
        return chain.deploy("SwarmRun", OWNER, settings(of.address))

    def attach(it: bytes, by: bytes = OWNER) -> None:
        chain.transact(by, registry, "attachRun", it)

    def detach(it: bytes) -> None:
        chain.transact(OWNER, registry, "detachRun", it)

    runs: list[Deployed] = [run(registry) for _ in range(9)]
    refused("OwnableUnauthorizedAccount", attach, runs[0].address, account(0))
    refused("NotARun", attach, account(3))
    refused("NotARun", attach, run(other).address)
    for attached in runs[:8]:
        attach(attached.address)
        if attached is runs[0]:
            refused("AlreadyAttached", attach, attached.address)
    refused("TooManyRuns", attach, runs[8].address)
    refused("NotAttached", detach, runs[8].address)
    detach(runs[0].address)
    attach(runs[8].address)
    assert len(chain.call(registry, "attachedRuns")) == 8

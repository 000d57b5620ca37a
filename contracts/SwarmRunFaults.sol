// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {SwarmRunRounds} from "./SwarmRunRounds.sol";
import {Thresholds} from "./Thresholds.sol";

/// @title What members do when others are at fault
/// @notice An objection turns an optimistic attempt 0 into a mesh; fault votes exclude a member from the run
/// or bar it from reducing. The contract counts statements and checks no proof.
abstract contract SwarmRunFaults is SwarmRunRounds {
    using Thresholds for uint256;
    using Thresholds for uint64;

    uint8 private constant EQUIVOCATION = 1;
    uint8 private constant FALSE_SHARD = 2;
    /// @dev A right to object is used once in so many rounds.
    uint64 private constant OBJECTION_ROUNDS = 10;

    event Objected(uint64 indexed round, uint256 indexed index, bool counts);
    event MeshUntil(uint64 round);
    event FaultVoted(
        uint256 indexed accused, uint256 indexed index, uint8 kind, uint64 round, bytes32 evidence
    );
    event Excluded(uint256 indexed index);
    event Barred(uint256 indexed index);

    /// @notice Only attempt 0 of an optimistic round takes objections.
    error NotOptimistic();
    /// @notice The sender has objected in this round.
    error AlreadyObjected();
    /// @notice No member has this index.
    error UnknownIndex(uint256 index);
    /// @notice Nobody votes on its own fault.
    error OwnFault();
    /// @notice A fault is 1 (equivocation) or 2 (a false shard).
    error UnknownFault(uint8 kind);
    /// @notice Evidence is the SHA-256 of a proof, never zero.
    error ZeroEvidence();

    /// @notice Says that a check of the topology failed. If it counts, attempt 1 opens, as a mesh.
    /// @dev It counts by a right, which a member uses once in ten rounds, or by f(E) + 1 members in the round.
    function object(uint64 round, uint8 attempt) external {
        (uint256 index,) = _begin();
        Round storage r = _current(round, attempt, ATTEMPT);
        if (!r.optimistic || attempt != 0) revert NotOptimistic();
        uint64 own = Thresholds.bit(index);
        if (r.roster & own == 0) revert NotInRoster();
        if (r.objectBits & own != 0) revert AlreadyObjected();
        r.objectBits |= own;
        (uint64 objected, uint64 rightUsed) = _recentObjections(round);
        bool hasRight = rightUsed & own == 0;
        if (hasRight) r.rightBits |= own;
        uint256 enough = uint256(r.enrolled).faultyBound() + 1;
        bool counts = hasRight || r.objectBits.count() >= enough;
        emit Objected(round, index, counts);
        if (counts) _openAttempt(r, 1, r.roster);
        // once renewed, the round's own objections may be counted again: the result is the same
        if ((objected | r.objectBits).count() >= enough) {
            _renewedRound = round;
            _setMeshUntil(round + OBJECTION_ROUNDS + 1);
        }
    }

    /// @notice Votes that a member is at fault: q(E) votes for the same exclude it from the run (kind 1), or bar
    /// it from reducing and make the coming rounds meshes (kind 2). May be repeated, to count again.
    /// @param round in which the fault was, 1 to the current one.
    /// @param evidence SHA-256 of the proof, which the sender has verified; only the event keeps it.
    function voteFault(uint256 index, uint8 kind, uint64 round, bytes32 evidence) external {
        (uint256 sender, uint64 live) = _begin();
        if (index >= _registry.memberCount()) revert UnknownIndex(index);
        if (index == sender) revert OwnFault();
        if (kind != EQUIVOCATION && kind != FALSE_SHARD) revert UnknownFault(kind);
        if (round == 0 || round > _round) revert UnknownRound(round, _round);
        if (evidence == 0) revert ZeroEvidence();
        FaultVotes storage cast = _faultVotes[index][kind][round];
        cast.voters |= Thresholds.bit(sender);
        emit FaultVoted(index, sender, kind, round, evidence);
        if (cast.passed || (cast.voters & live).count() < live.count().quorum()) return;
        cast.passed = true;
        if (kind == EQUIVOCATION) _exclude(index, live);
        else _bar(index, round);
    }

    /// @dev From here on the run takes the member for revoked.
    function _exclude(uint256 index, uint64 live) private {
        uint64 accused = Thresholds.bit(index);
        if (_excluded & accused != 0) return;
        _excluded |= accused;
        emit Excluded(index);
        _recount(live & ~accused);
    }

    /// @dev A proven false shard also says that whoever objected in its round was right to.
    function _bar(uint256 index, uint64 round) private {
        _rounds[round].rightBits = 0;
        uint64 accused = Thresholds.bit(index);
        if (_barred & accused == 0) {
            _barred |= accused;
            emit Barred(index);
        }
        uint64 until = _round + OBJECTION_ROUNDS + 1;
        if (until > _meshUntil) _setMeshUntil(until);
    }

    function _setMeshUntil(uint64 round) private {
        _meshUntil = round;
        emit MeshUntil(round);
    }

    /// @dev Who objected, and who used a right that was not given back, in the nine rounds before this one,
    /// those up to the last renewal left out.
    function _recentObjections(uint64 round)
        private
        view
        returns (uint64 objected, uint64 rightUsed)
    {
        uint64 first = round < OBJECTION_ROUNDS ? 1 : round - OBJECTION_ROUNDS + 1;
        if (first <= _renewedRound) first = _renewedRound + 1;
        for (uint64 i = first; i < round; ++i) {
            objected |= _rounds[i].objectBits;
            rightUsed |= _rounds[i].rightBits;
        }
    }
}

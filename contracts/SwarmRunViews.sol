// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {SwarmRunState} from "./SwarmRunState.sol";
import {Thresholds} from "./Thresholds.sol";

/// @title Views of a run
/// @notice Views show the state as if every phase change that is due had happened: COMMIT ends in
/// block `commitDeadline + 1` though no transaction touched the contract.
abstract contract SwarmRunViews is SwarmRunState {
    using Thresholds for uint256;
    using Thresholds for uint64;

    /// @dev Windows double per void round in a row, at most to sixteen times.
    uint256 private constant MAX_DOUBLINGS = 4;
    /// @dev A window is three times what is expected, within lo and hi.
    uint256 private constant EXPECTED_TIMES = 3;
    uint256 private constant WEIGHT_BITS = 32;
    uint256 private constant WEIGHTS_IN_WORD = 8;

    /// @notice No such round was opened yet.
    error UnknownRound(uint64 round, uint64 current);

    /// @notice The registry whose members take part.
    function registry() external view returns (address) {
        return address(_registry);
    }

    /// @notice The run and its current round, in one call.
    function snapshot() external view returns (RunState memory run, RoundView memory current) {
        uint64 live = _live();
        run = RunState(
            _genesisRoot,
            _round,
            _finished,
            _stopped,
            _lastSealedRound,
            _lastRoot,
            _consecutiveVoids,
            _active(_rounds[_round], live),
            _joined,
            _stopVotes,
            live,
            _excluded,
            _barred,
            _registry.memberCount(),
            _commitAverage,
            _exchangeAverage,
            _meshUntil
        );
        current = roundView(_round);
    }

    /// @notice Who voted that the member is at fault, and whether that passed.
    /// @param kind 1: equivocation; 2: a false shard.
    function faultVotes(uint256 index, uint8 kind, uint64 round)
        external
        view
        returns (uint256 bitmap, bool passed)
    {
        FaultVotes storage cast = _faultVotes[index][kind][round];
        return (cast.voters, cast.passed);
    }

    /// @notice The current round or one before it.
    function roundView(uint64 round) public view returns (RoundView memory v) {
        if (round == 0 || round > _round) revert UnknownRound(round, _round);
        Round storage r = _rounds[round];
        v.round = round;
        v.phase = r.phase;
        v.attempt = r.attempt;
        v.optimistic = r.optimistic;
        v.openedBlock = r.openedBlock;
        v.frozenBlock = r.frozenBlock;
        v.commitDeadline = r.commitDeadline;
        v.closedBlock = r.closedBlock;
        v.startedBlock = r.startedBlock;
        v.exchangeDeadline = r.exchangeDeadline;
        v.lastPost = r.lastPost;
        v.endedBlock = r.endedBlock;
        v.commitBits = r.commitBits;
        v.roster = r.roster;
        v.attestBits = r.attestBits;
        v.haveBits = r.haveBits;
        v.objectBits = r.objectBits;
        v.base = r.base;
        v.sealedRoot = r.sealedRoot;
        v.sealedAux = r.sealedAux;
        if (r.frozenBlock == 0) {
            uint256 enrolled = _live().count();
            v.enrolled = uint32(enrolled);
            v.minPeers = uint32(enrolled.minPeers(_minPeers));
        } else {
            v.enrolled = r.enrolled;
            v.minPeers = r.minPeers;
        }
        if (_commitIsOver(r)) {
            v.phase = ATTEMPT;
            v.optimistic = _opensOptimistic();
            v.roster = r.commitBits;
            v.closedBlock = v.startedBlock = r.commitDeadline + 1;
            (v.exchangeDeadline, v.lastPost) = _exchangeWindow(v.startedBlock, 0);
        }
        _copyCommits(r, v);
        _copyPosts(r, v);
    }

    /// @dev Neither revoked nor excluded.
    function _live() internal view returns (uint64) {
        return uint64(_registry.liveBits()) & ~_excluded;
    }

    /// @dev Whether attempt 0 of the current round follows the topology, if COMMIT closes now.
    function _opensOptimistic() internal view returns (bool) {
        return _topology != MESH && _round >= _meshUntil;
    }

    /// @dev Active: everybody before the first seal; then who committed in one of the last two rounds or
    /// joined since. Whoever may not commit in this round is not waited for.
    function _active(Round storage r, uint64 live) internal view returns (uint64) {
        uint64 mayCommit = r.frozenBlock == 0 ? live : live & r.electorate;
        if (_lastSealedRound == 0) return mayCommit;
        return (_recentCommitters | _earlierCommitters | _joined) & mayCommit;
    }

    /// @dev The deadline has passed and no transaction has closed COMMIT yet.
    function _commitIsOver(Round storage r) internal view returns (bool) {
        return r.phase == COMMIT && r.commitDeadline != 0 && block.number > r.commitDeadline;
    }

    function _commitDeadline() internal view returns (uint64) {
        return uint64(block.number + (_window(_commitAverage) << _doublings()));
    }

    function _exchangeWindow(uint64 start, uint8 attempt)
        internal
        view
        returns (uint64 exchangeDeadline, uint64 lastPost)
    {
        uint256 doublings = _doublings() + (attempt == 0 ? 0 : 1);
        exchangeDeadline = start + uint64(_window(_exchangeAverage) << doublings);
        lastPost = exchangeDeadline + _depth + _lo;
    }

    /// @dev Blocks until what starts it is final, and three times what the average expects.
    function _window(uint64 average) private view returns (uint256) {
        uint256 length = Thresholds.max(_lo, (EXPECTED_TIMES * average) / UNITS);
        return uint256(_depth) + (length < _hi ? length : _hi);
    }

    function _setWeight(Round storage r, uint256 index, uint32 weight) internal {
        uint256 shift = WEIGHT_BITS * (index % WEIGHTS_IN_WORD);
        r.weights[index / WEIGHTS_IN_WORD] |= uint256(weight) << shift;
    }

    function _doublings() private view returns (uint256) {
        return _consecutiveVoids < MAX_DOUBLINGS ? _consecutiveVoids : MAX_DOUBLINGS;
    }

    function _copyCommits(Round storage r, RoundView memory v) private view {
        uint64 commits = r.commitBits;
        v.commitments = new bytes32[](commits.count());
        v.weights = new uint32[](commits.count());
        uint256 place = 0;
        for (uint256 i = 0; commits >> i != 0; ++i) {
            if ((commits >> i) & 1 == 0) continue;
            v.commitments[place] = r.commitments[i];
            v.weights[place] =
                uint32(r.weights[i / WEIGHTS_IN_WORD] >> (WEIGHT_BITS * (i % WEIGHTS_IN_WORD)));
            ++place;
        }
    }

    function _copyPosts(Round storage r, RoundView memory v) private view {
        uint64 attests = r.attestBits;
        v.attestRoots = new bytes32[](attests.count());
        v.attestAux = new bytes32[](attests.count());
        Candidate[] memory candidates = r.candidates[r.attempt];
        for (uint256 c = 0; c < candidates.length; ++c) {
            uint64 supporters = candidates[c].supporters;
            for (uint256 i = 0; supporters >> i != 0; ++i) {
                if ((supporters >> i) & 1 == 0) continue;
                uint256 place = (attests & (Thresholds.bit(i) - 1)).count();
                v.attestRoots[place] = candidates[c].root;
                v.attestAux[place] = candidates[c].aux;
            }
        }
        uint64 haves = r.haveBits;
        v.haves = new uint256[](haves.count());
        for (uint256 i = 0; haves >> i != 0; ++i) {
            if ((haves >> i) & 1 == 0) continue;
            v.haves[(haves & (Thresholds.bit(i) - 1)).count()] = r.haves[r.attempt][i];
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {SwarmRunViews} from "./SwarmRunViews.sol";
import {Thresholds} from "./Thresholds.sol";

/// @title How a round goes from phase to phase
/// @notice TRAIN -> COMMIT -> EXCHANGE -> MERGE -> ATTEST -> SEALED. A round has attempts 0, 1 and 2; then
/// it is void, its base stays and the next round opens at once.
abstract contract SwarmRunRounds is SwarmRunViews {
    using Thresholds for uint256;
    using Thresholds for uint64;

    event RoundOpened(uint64 indexed round, bytes32 base);
    event CommitClosed(uint64 indexed round, uint64 closedBlock, uint256 roster);
    event AttemptOpened(uint64 indexed round, uint8 attempt, uint256 roster);
    event Stopped(uint64 indexed round);
    event Finished(uint64 indexed round);

    /// @notice The run is over and takes no transactions.
    error RunIsFinished();
    /// @notice The sender was revoked.
    error MemberRevoked(uint256 index);
    /// @notice The sender was excluded from the run by fault votes.
    error MemberExcluded(uint256 index);
    /// @notice The current round is another.
    error WrongRound(uint64 current);
    /// @notice The current attempt is another.
    error WrongAttempt(uint8 current);
    /// @notice The round stands in another phase: 0 COMMIT, 1 ATTEMPT.
    error WrongPhase(uint8 current);
    /// @notice The sender is not in the roster of this attempt.
    error NotInRoster();

    /// @dev What every transaction of a member starts with.
    function _begin() internal returns (uint256 index, uint64 live) {
        if (_finished) revert RunIsFinished();
        (index, live) = _requireLive();
        _closeIfDue();
    }

    function _closeIfDue() internal {
        Round storage r = _rounds[_round];
        if (_commitIsOver(r)) _closeCommit(r, r.commitDeadline + 1);
    }

    /// @dev Members came or went: stop votes, then commits, then whom COMMIT waits for are counted again.
    function _recount(uint64 live) internal {
        Round storage r = _rounds[_round];
        if (r.phase != COMMIT) return;
        if (r.commitDeadline == 0) {
            _countStopVotes(live);
            if (_finished) return;
            _countCommits(r, live);
        }
        _closeCommitEarly(r, live);
    }

    function _openRound(uint64 number) internal {
        _round = uint48(number);
        Round storage r = _rounds[number];
        r.openedBlock = uint64(block.number);
        r.base = _lastRoot;
        emit RoundOpened(number, _lastRoot);
    }

    /// @dev Enough commits fix E, minPeers and who may commit for the whole round, and start the clock.
    function _countCommits(Round storage r, uint64 live) internal {
        if (r.commitDeadline != 0) return;
        uint256 enrolled = live.count();
        uint256 minimum = enrolled.minPeers(_minPeers);
        if (r.commitBits.count() < minimum) return;
        r.frozenBlock = uint64(block.number);
        r.commitDeadline = _commitDeadline();
        r.electorate = live;
        r.enrolled = uint8(enrolled);
        r.minPeers = uint8(minimum);
    }

    /// @dev Nobody is left to wait for. Not after a void round: its reason may be that someone was late.
    function _closeCommitEarly(Round storage r, uint64 live) internal {
        if (r.frozenBlock == 0 || _consecutiveVoids != 0) return;
        uint64 active = _active(r, live);
        if (active != 0 && active & ~r.commitBits == 0) _closeCommit(r, uint64(block.number));
    }

    /// @dev The clock runs only from minPeers commits on, and commits stay: the roster is never too small.
    function _closeCommit(Round storage r, uint64 closedBlock) internal {
        r.phase = ATTEMPT;
        r.optimistic = _opensOptimistic();
        r.closedBlock = closedBlock;
        _startAttempt(r, 0, r.commitBits, closedBlock);
        emit CommitClosed(_round, closedBlock, r.commitBits);
    }

    /// @dev A further attempt: what was posted in the one before counts no more.
    function _openAttempt(Round storage r, uint8 attempt, uint64 roster) internal {
        r.attestBits = 0;
        r.haveBits = 0;
        _startAttempt(r, attempt, roster, uint64(block.number));
        emit AttemptOpened(_round, attempt, roster);
    }

    function _startAttempt(Round storage r, uint8 attempt, uint64 roster, uint64 startedBlock)
        internal
    {
        r.attempt = attempt;
        r.roster = roster;
        r.startedBlock = startedBlock;
        (r.exchangeDeadline, r.lastPost) = _exchangeWindow(startedBlock, attempt);
    }

    /// @dev What a sealed round took moves both averages by an eighth. Failed attempts and void rounds teach
    /// nothing, and attempt 0 of a round after a sealed one lowers at most: else a peer that withholds its
    /// update, or serves it just before the deadline, would drive every round to the ceiling. So does
    /// attempt 1 of a round with objections, which came before anything was transferred.
    function _learn(Round storage r) internal {
        uint256 average = _exchangeAverage;
        uint256 used = UNITS * (block.number - r.startedBlock);
        bool lowers = r.attempt == 0 || (r.attempt == 1 && r.objectBits != 0);
        if (lowers && _consecutiveVoids == 0 && used > average) used = average;
        _exchangeAverage = _mixed(average, used);
        _commitAverage = uint48(_mixed(_commitAverage, UNITS * (r.frozenBlock - r.openedBlock)));
    }

    function _mixed(uint256 average, uint256 used) private pure returns (uint64) {
        return uint64((7 * average + used) / 8);
    }

    function _endRound(Round storage r, uint8 phase, uint64 live) internal {
        r.phase = phase;
        r.endedBlock = uint64(block.number);
        _earlierCommitters = _recentCommitters;
        _recentCommitters = r.commitBits;
        _joined &= ~r.commitBits;
        if (phase == SEALED) {
            _lastRoot = r.sealedRoot;
            _lastSealedRound = _round;
            _learn(r);
            _consecutiveVoids = 0;
            if (_lastRound != 0 && _round >= _lastRound) {
                _finish();
                return;
            }
        } else {
            ++_consecutiveVoids;
        }
        _countStopVotes(live);
        if (!_finished) _openRound(_round + 1);
    }

    function _countStopVotes(uint64 live) internal {
        uint256 votes = (_stopVotes & live).count();
        if (votes == 0 || votes < live.count().quorum()) return;
        _stopped = true;
        emit Stopped(_round);
        _finish();
    }

    function _finish() internal {
        _finished = true;
        emit Finished(_round);
    }

    /// @dev Reverts unless the sender is enrolled, and neither revoked nor excluded.
    function _requireLive() internal view returns (uint256 index, uint64 live) {
        uint256 bits;
        (index, bits) = _registry.standing(msg.sender);
        uint64 own = Thresholds.bit(index);
        if (uint64(bits) & own == 0) revert MemberRevoked(index);
        uint64 excluded = _excluded;
        if (excluded & own != 0) revert MemberExcluded(index);
        live = uint64(bits) & ~excluded;
    }

    /// @dev The current round, if the call names it and it stands in `phase`.
    function _current(uint64 round, uint8 attempt, uint8 phase)
        internal
        view
        returns (Round storage r)
    {
        if (round != _round) revert WrongRound(_round);
        r = _rounds[round];
        if (r.phase != phase) revert WrongPhase(r.phase);
        if (attempt != r.attempt) revert WrongAttempt(r.attempt);
    }
}

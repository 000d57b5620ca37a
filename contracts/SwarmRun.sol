// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {SwarmRunFaults} from "./SwarmRunFaults.sol";
import {SwarmRunState} from "./SwarmRunState.sol";
import {Thresholds} from "./Thresholds.sol";

/// @title One training effort: commitments, rosters and seals, round by round
/// @notice Members commit to updates, say what they hold and attest what they merged; the contract counts.
/// Only hashes, weights and votes stand here.
/// @dev Each transaction first makes the phase change that is due; views show it without being written.
/// Every loop is bounded by the registry's 64 members.
contract SwarmRun is SwarmRunFaults, Ownable {
    using Thresholds for uint256;
    using Thresholds for uint64;

    uint8 private constant LAST_ATTEMPT = 2;

    event Genesis(bytes32 indexed root, address indexed by);
    event Committed(
        uint64 indexed round, uint256 indexed index, bytes32 commitment, uint32 weight
    );
    event Had(uint64 indexed round, uint8 attempt, uint256 indexed index, uint256 bitmap);
    event Attested(
        uint64 indexed round, uint8 attempt, uint256 indexed index, bytes32 root, bytes32 aux
    );
    event Sealed(uint64 indexed round, uint8 attempt, bytes32 indexed root, bytes32 aux);
    event Voided(uint64 indexed round, uint8 attempt);
    event Joined(uint256 indexed index);
    event StopVoted(uint256 indexed index);

    /// @notice Only the registry may report changes of the roster.
    error OnlyRegistry();
    /// @notice The genesis root is not posted yet.
    error NoGenesis();
    /// @notice The genesis root stands already.
    error GenesisStands(bytes32 root);
    /// @notice A root is never zero.
    error ZeroRoot();
    /// @notice The manifest fixes another genesis root.
    error WrongInitRoot(bytes32 expected);
    /// @notice Not the owner, and the manifest fixes no genesis root.
    error NotAllowed();
    /// @notice The last sealed root is another.
    error WrongBase(bytes32 expected);
    /// @notice A commitment is never zero.
    error ZeroCommitment();
    /// @notice A weight is at least 1.
    error ZeroWeight();
    /// @notice The sender has committed to this round.
    error AlreadyCommitted();
    /// @notice The sender enrolled after the commits of this round reached minPeers.
    error EnrolledTooLate();
    /// @notice The sender has attested in this attempt.
    error AlreadyAttested();
    /// @notice The sender has said what it holds in this attempt.
    error AlreadyPosted();
    /// @notice The next attempt may open after this block.
    error TooEarly(uint64 lastPost);

    constructor(Settings memory s) SwarmRunState(s) Ownable(msg.sender) {}

    /// @notice Posts the root of the initial model and opens round 1, once.
    /// @dev Any live member may, if the manifest fixes the root.
    function genesis(bytes32 root) external {
        if (_finished) revert RunIsFinished();
        if (_genesisRoot != 0) revert GenesisStands(_genesisRoot);
        if (root == 0) revert ZeroRoot();
        if (msg.sender != owner()) {
            if (_initRoot == 0) revert NotAllowed();
            _requireLive();
        }
        if (_initRoot != 0 && root != _initRoot) revert WrongInitRoot(_initRoot);
        _genesisRoot = root;
        _lastRoot = root;
        emit Genesis(root, msg.sender);
        _openRound(1);
    }

    /// @notice Asks that COMMIT wait for the sender until it has committed to a round. May be repeated.
    function join() external {
        (uint256 index,) = _begin();
        if (_joined & Thresholds.bit(index) != 0) return;
        _joined |= Thresholds.bit(index);
        emit Joined(index);
    }

    /// @notice Votes to stop the run, for good: q(E) votes stop it when they are next counted. May be repeated.
    /// @dev Votes are counted when a round ends, and at once while no deadline runs.
    function voteStop() external {
        (uint256 index, uint64 live) = _begin();
        if (_stopVotes & Thresholds.bit(index) == 0) {
            _stopVotes |= Thresholds.bit(index);
            emit StopVoted(index);
        }
        Round storage r = _rounds[_round];
        if (r.phase == COMMIT && r.commitDeadline == 0) _countStopVotes(live);
    }

    /// @notice Commits to an update of the current round.
    /// @param attempt always 0: attempts shrink the roster and never change bytes.
    /// @param weight what the update weighs, declared before anybody's update is known.
    /// @param base the last sealed root, on which the update was trained.
    function commit(uint64 round, uint8 attempt, bytes32 commitment, uint32 weight, bytes32 base)
        external
    {
        (uint256 index, uint64 live) = _begin();
        if (_genesisRoot == 0) revert NoGenesis();
        Round storage r = _current(round, attempt, COMMIT);
        if (base != r.base) revert WrongBase(r.base);
        if (commitment == 0) revert ZeroCommitment();
        if (weight == 0) revert ZeroWeight();
        uint64 own = Thresholds.bit(index);
        if (r.commitBits & own != 0) revert AlreadyCommitted();
        if (r.frozenBlock != 0 && r.electorate & own == 0) revert EnrolledTooLate();
        r.commitBits |= own;
        r.commitments[index] = commitment;
        _setWeight(r, index, weight);
        emit Committed(round, index, commitment, weight);
        _countCommits(r, live);
        _closeCommitEarly(r, live);
    }

    /// @notice Says which updates of the roster the sender holds; others' bits are ignored.
    function have(uint64 round, uint8 attempt, uint256 bitmap) external {
        (uint256 index,) = _begin();
        Round storage r = _current(round, attempt, ATTEMPT);
        uint64 own = Thresholds.bit(index);
        if (r.roster & own == 0) revert NotInRoster();
        if (r.attestBits & own != 0) revert AlreadyAttested();
        if (r.haveBits & own != 0) revert AlreadyPosted();
        uint64 held = uint64(bitmap) & r.roster;
        r.haveBits |= own;
        r.haves[attempt][index] = held;
        emit Had(round, attempt, index, held);
    }

    /// @notice Says: I hold every update of the roster and computed this root. q(n) equal ones seal the round.
    /// @param aux zero in a mesh.
    function attest(uint64 round, uint8 attempt, bytes32 root, bytes32 aux) external {
        (uint256 index, uint64 live) = _begin();
        Round storage r = _current(round, attempt, ATTEMPT);
        if (root == 0) revert ZeroRoot();
        uint64 own = Thresholds.bit(index);
        if (r.roster & own == 0) revert NotInRoster();
        if (r.attestBits & own != 0) revert AlreadyAttested();
        r.attestBits |= own;
        emit Attested(round, attempt, index, root, aux);
        if (_support(r, root, aux, own) >= r.roster.count().quorum()) {
            r.sealedRoot = root;
            r.sealedAux = aux;
            emit Sealed(round, attempt, root, aux);
            _endRound(r, SEALED, live);
        }
    }

    /// @notice Replaces an attempt that did not seal. Any live member may.
    function nextAttempt(uint64 round, uint8 attempt) external {
        (, uint64 live) = _begin();
        Round storage r = _current(round, attempt, ATTEMPT);
        if (block.number <= r.lastPost) revert TooEarly(r.lastPost);
        uint64 roster = _nextRoster(r, live);
        uint256 least = uint256(r.minPeers).smallestRoster(r.commitBits.count());
        if (attempt == LAST_ATTEMPT || roster.count() < least) {
            emit Voided(round, attempt);
            _endRound(r, VOID, live);
            return;
        }
        _openAttempt(r, attempt + 1, roster);
    }

    /// @notice The registry reports an enrolment or a revocation: an open round recounts in this block.
    /// @dev Never reverts for the registry, so that no run can block a revocation.
    function rosterChanged() external {
        if (msg.sender != address(_registry)) revert OnlyRegistry();
        if (_finished) return;
        _closeIfDue();
        _recount(_live());
    }

    /// @dev Adds a supporter to its (root, aux); returns how many that has now.
    function _support(Round storage r, bytes32 root, bytes32 aux, uint64 own)
        private
        returns (uint256)
    {
        Candidate[] storage candidates = r.candidates[r.attempt];
        for (uint256 i = 0; i < candidates.length; ++i) {
            Candidate storage candidate = candidates[i];
            if (candidate.root == root && candidate.aux == aux) {
                candidate.supporters |= own;
                return candidate.supporters.count();
            }
        }
        candidates.push(Candidate(root, aux, own));
        return 1;
    }

    /// @dev Those of the roster who posted, are live, and whose update enough posters hold, so that an honest
    /// one among them can relay it. An attestation says: I hold all of it. But nobody need hold it all in
    /// attempt 0 of an optimistic round, so there all who posted stay.
    function _nextRoster(Round storage r, uint64 live) private view returns (uint64 roster) {
        uint64 staying = (r.attestBits | r.haveBits) & live;
        if (r.optimistic && r.attempt == 0) return staying;
        uint256[] memory held = new uint256[](64); // by poster of a have that did not attest
        uint64 haveOnly = r.haveBits & ~r.attestBits;
        uint256 posters = 0;
        for (uint256 i = 0; haveOnly >> i != 0; ++i) {
            if ((haveOnly >> i) & 1 != 0) held[posters++] = r.haves[r.attempt][i];
        }
        uint256 attesters = r.attestBits.count();
        uint256 threshold = uint256(r.enrolled).holders();
        for (uint256 j = 0; staying >> j != 0; ++j) {
            if ((staying >> j) & 1 == 0) continue;
            uint256 holders = attesters;
            for (uint256 i = 0; i < posters; ++i) {
                holders += (held[i] >> j) & 1;
            }
            if (holders >= threshold) roster |= Thresholds.bit(j);
        }
    }
}

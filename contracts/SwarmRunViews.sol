// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {SwarmRegistry} from "./SwarmRegistry.sol";
import {Thresholds} from "./Thresholds.sol";

/// @title State and views of a run
/// @notice Views show the state as if every phase change that is due had happened: COMMIT ends in
/// block `commitDeadline + 1` though no transaction touched the contract. Bitmaps go by enrolment index.
abstract contract SwarmRunViews {
    using Thresholds for uint256;
    using Thresholds for uint64;

    uint8 internal constant COMMIT = 0;
    uint8 internal constant ATTEMPT = 1;
    uint8 internal constant SEALED = 2;
    uint8 internal constant VOID = 3;
    /// @dev Windows double per void round in a row, at most to sixteen times.
    uint256 private constant MAX_DOUBLINGS = 4;
    /// @dev What a setting in blocks is at most.
    uint256 private constant MAX_BLOCKS = 1 << 20;
    /// @dev Averages count in 1/256 block, so that rounding down costs no whole blocks.
    uint256 internal constant UNITS = 256;
    /// @dev A window is three times what is expected, within lo and hi.
    uint256 private constant EXPECTED_TIMES = 3;
    uint256 private constant WEIGHT_BITS = 32;
    uint256 private constant WEIGHTS_IN_WORD = 8;

    /// @notice The terms of a run, fixed for good. Windows are in blocks.
    struct Settings {
        address registry;
        bytes32 manifestHash;
        bytes32 initRoot; // 0: only the owner posts the genesis root
        uint64 lastRound; // the first seal at or after it finishes the run; 0: never
        uint32 minPeers; // 0: the default
        uint32 commitBlocks; // first guess: from a round's opening to its minPeers-th commit
        uint32 exchangeBlocks; // first guess: from an attempt's start to its seal
        uint32 lo; // least window; at least the censored blocks to be survived, plus one
        uint32 hi; // greatest window, before it doubles
        uint32 depth; // blocks after which a block counts as final
    }

    /// @notice The run as a whole.
    struct RunState {
        bytes32 genesisRoot;
        uint64 round; // the current round; rounds count from 1
        bool finished;
        bool stopped;
        uint64 lastSealedRound; // 0: none
        bytes32 lastRoot;
        uint64 consecutiveVoids;
        uint256 activeBits; // whom an early close of COMMIT waits for
        uint256 joinedBits;
        uint256 stopBits;
        uint256 liveBits;
        uint256 memberCount;
        uint64 commitAverage; // 1/256 block: from opening to the minPeers-th commit
        uint64 exchangeAverage; // 1/256 block: from an attempt's start to its seal
    }

    /// @notice One round. Block numbers are 0 where the event has not happened.
    struct RoundView {
        uint64 round;
        uint8 phase; // 0 COMMIT, 1 ATTEMPT, 2 SEALED, 3 VOID
        uint8 attempt;
        uint64 openedBlock;
        uint64 frozenBlock; // of the commit that reached minPeers
        uint64 commitDeadline; // last block in which a commit counts
        uint64 closedBlock; // in which COMMIT ended
        uint64 startedBlock; // in which this attempt began
        uint64 exchangeDeadline;
        uint64 lastPost; // nextAttempt is refused up to this block
        uint64 endedBlock;
        uint32 enrolled; // E: as it stands, and fixed from frozenBlock on
        uint32 minPeers; // likewise
        uint256 commitBits;
        uint256 roster; // of this attempt
        uint256 attestBits;
        uint256 haveBits;
        bytes32 base;
        bytes32 sealedRoot;
        bytes32 sealedAux;
        bytes32[] commitments; // in ascending index over commitBits
        uint32[] weights; // likewise
        bytes32[] attestRoots; // in ascending index over attestBits
        bytes32[] attestAux; // likewise
        uint256[] haves; // in ascending index over haveBits
    }

    /// @dev One (root, aux) and those who attest it.
    struct Candidate {
        bytes32 root;
        bytes32 aux;
        uint64 supporters;
    }

    /// @dev A round as stored; the fields mean what they mean in RoundView.
    struct Round {
        uint64 openedBlock;
        uint64 frozenBlock;
        uint64 commitDeadline;
        uint64 closedBlock;
        uint64 startedBlock;
        uint64 exchangeDeadline;
        uint64 lastPost;
        uint64 endedBlock;
        uint64 electorate; // live members at frozenBlock: who may still commit
        uint64 commitBits;
        uint64 roster;
        uint64 attestBits;
        uint64 haveBits;
        uint8 phase;
        uint8 attempt;
        uint32 enrolled;
        uint32 minPeers;
        bytes32 base;
        bytes32 sealedRoot;
        bytes32 sealedAux;
        mapping(uint256 index => bytes32) commitments;
        mapping(uint256 word => uint256) weights; // eight to a word
        mapping(uint256 attempt => Candidate[]) candidates; // at most one for each member
        mapping(uint256 attempt => mapping(uint256 index => uint64)) haves;
    }

    SwarmRegistry internal immutable _registry;
    bytes32 internal immutable _manifestHash;
    bytes32 internal immutable _initRoot;
    uint64 internal immutable _lastRound;
    uint32 internal immutable _minPeers;
    uint32 internal immutable _commitBlocks;
    uint32 internal immutable _exchangeBlocks;
    uint32 internal immutable _lo;
    uint32 internal immutable _hi;
    uint32 internal immutable _depth;

    bytes32 internal _genesisRoot;
    bytes32 internal _lastRoot;
    // one word: every transaction reads it
    uint64 internal _round;
    uint64 internal _lastSealedRound;
    uint64 internal _commitAverage;
    uint48 internal _consecutiveVoids; // what is left of the word, and more than there are blocks
    bool internal _finished;
    bool internal _stopped;
    // one word: COMMIT reads it to see whether it is over, a round's end writes it
    uint64 internal _recentCommitters; // of the round before
    uint64 internal _earlierCommitters; // of the round before that
    uint64 internal _joined;
    uint64 internal _exchangeAverage;
    uint64 internal _stopVotes;
    mapping(uint64 number => Round) internal _rounds;

    /// @notice A setting is out of range; the name says which.
    error BadSettings(string field);
    /// @notice No such round was opened yet.
    error UnknownRound(uint64 round, uint64 current);

    constructor(Settings memory s) {
        if (s.registry.code.length == 0) revert BadSettings("registry holds no contract");
        if (s.manifestHash == 0) revert BadSettings("manifestHash is zero");
        if (s.minPeers == 1 || s.minPeers > 64) revert BadSettings("minPeers is not 0 or 2 to 64");
        if (s.commitBlocks == 0) revert BadSettings("commitBlocks is zero");
        if (s.exchangeBlocks == 0) revert BadSettings("exchangeBlocks is zero");
        if (s.lo == 0) revert BadSettings("lo is zero");
        if (s.hi < s.lo) revert BadSettings("hi is below lo");
        if (s.commitBlocks > MAX_BLOCKS) revert BadSettings("commitBlocks is above 2^20");
        if (s.exchangeBlocks > MAX_BLOCKS) revert BadSettings("exchangeBlocks is above 2^20");
        if (s.hi > MAX_BLOCKS) revert BadSettings("hi is above 2^20"); // and so is no lo
        if (s.depth > MAX_BLOCKS) revert BadSettings("depth is above 2^20");
        _registry = SwarmRegistry(s.registry);
        _manifestHash = s.manifestHash;
        _initRoot = s.initRoot;
        _lastRound = s.lastRound;
        _minPeers = s.minPeers;
        _commitBlocks = s.commitBlocks;
        _exchangeBlocks = s.exchangeBlocks;
        _lo = s.lo;
        _hi = s.hi;
        _depth = s.depth;
        _commitAverage = uint64(UNITS * s.commitBlocks);
        _exchangeAverage = uint64(UNITS * s.exchangeBlocks);
    }

    /// @notice The terms the run was deployed with.
    function settings() external view returns (Settings memory) {
        return Settings(
            address(_registry),
            _manifestHash,
            _initRoot,
            _lastRound,
            _minPeers,
            _commitBlocks,
            _exchangeBlocks,
            _lo,
            _hi,
            _depth
        );
    }

    /// @notice The registry whose members take part.
    function registry() external view returns (address) {
        return address(_registry);
    }

    /// @notice The run and its current round, in one call.
    function snapshot() external view returns (RunState memory run, RoundView memory current) {
        uint64 live = uint64(_registry.liveBits());
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
            _registry.memberCount(),
            _commitAverage,
            _exchangeAverage
        );
        current = roundView(_round);
    }

    /// @notice The current round or one before it.
    function roundView(uint64 round) public view returns (RoundView memory v) {
        if (round == 0 || round > _round) revert UnknownRound(round, _round);
        Round storage r = _rounds[round];
        v.round = round;
        v.phase = r.phase;
        v.attempt = r.attempt;
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
        v.base = r.base;
        v.sealedRoot = r.sealedRoot;
        v.sealedAux = r.sealedAux;
        if (r.frozenBlock == 0) {
            uint256 enrolled = uint64(_registry.liveBits()).count();
            v.enrolled = uint32(enrolled);
            v.minPeers = uint32(enrolled.minPeers(_minPeers));
        } else {
            v.enrolled = r.enrolled;
            v.minPeers = r.minPeers;
        }
        if (_commitIsOver(r)) {
            v.phase = ATTEMPT;
            v.roster = r.commitBits;
            v.closedBlock = v.startedBlock = r.commitDeadline + 1;
            (v.exchangeDeadline, v.lastPost) = _exchangeWindow(v.startedBlock, 0);
        }
        _copyCommits(r, v);
        _copyPosts(r, v);
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

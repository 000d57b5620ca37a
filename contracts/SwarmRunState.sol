// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {SwarmRegistry} from "./SwarmRegistry.sol";

/// @title What a run keeps, and the terms it was deployed with
/// @notice Bitmaps go by enrolment index.
abstract contract SwarmRunState {
    uint8 internal constant COMMIT = 0;
    uint8 internal constant ATTEMPT = 1;
    uint8 internal constant SEALED = 2;
    uint8 internal constant VOID = 3;
    /// @dev What a setting in blocks is at most.
    uint256 private constant MAX_BLOCKS = 1 << 20;
    /// @dev Averages count in 1/256 block, so that rounding down costs no whole blocks.
    uint256 internal constant UNITS = 256;
    /// @dev The run's topology in which every member computes the whole merge.
    uint8 internal constant MESH = 0;
    uint8 private constant LAST_TOPOLOGY = 2;

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
        uint8 topology; // of attempt 0: 0 mesh, 1 sharded, 2 leader
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
        uint256 liveBits; // neither revoked nor excluded
        uint256 excludedBits; // by fault votes, from the run
        uint256 barredBits; // by fault votes, from reducing
        uint256 memberCount;
        uint64 commitAverage; // 1/256 block: from opening to the minPeers-th commit
        uint64 exchangeAverage; // 1/256 block: from an attempt's start to its seal
        uint64 meshUntil; // the first round that may be optimistic again
    }

    /// @notice One round. Block numbers are 0 where the event has not happened.
    struct RoundView {
        uint64 round;
        uint8 phase; // 0 COMMIT, 1 ATTEMPT, 2 SEALED, 3 VOID
        uint8 attempt;
        bool optimistic; // attempt 0 follows the topology
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
        uint256 objectBits; // in attempt 0, with a right or without
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
        uint64 objectBits;
        uint64 rightBits; // who used a right to object in this round that was not given back
        uint8 phase;
        uint8 attempt;
        bool optimistic;
        uint8 enrolled; // 64 at most
        uint8 minPeers; // likewise
        bytes32 base;
        bytes32 sealedRoot;
        bytes32 sealedAux;
        mapping(uint256 index => bytes32) commitments;
        mapping(uint256 word => uint256) weights; // eight to a word
        mapping(uint256 attempt => Candidate[]) candidates; // at most one for each member
        mapping(uint256 attempt => mapping(uint256 index => uint64)) haves;
    }

    /// @dev Votes for one (accused, kind, round).
    struct FaultVotes {
        uint64 voters;
        bool passed;
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
    uint8 internal immutable _topology;

    bytes32 internal _genesisRoot;
    bytes32 internal _lastRoot;
    // one word: every transaction reads it. 48 bits count more rounds and blocks than there will be
    uint48 internal _round;
    uint48 internal _lastSealedRound;
    uint48 internal _commitAverage;
    uint32 internal _consecutiveVoids; // each takes blocks, so there are fewer
    bool internal _finished;
    bool internal _stopped;
    uint64 internal _excluded;
    // one word: COMMIT reads it to see whether it is over, a round's end writes it
    uint64 internal _recentCommitters; // of the round before
    uint64 internal _earlierCommitters; // of the round before that
    uint64 internal _joined;
    uint64 internal _exchangeAverage;
    // one word: a round's end reads it, and its closing of COMMIT unless the run is a mesh
    uint64 internal _stopVotes;
    uint64 internal _barred;
    uint64 internal _meshUntil;
    uint64 internal _renewedRound; // objections in rounds up to it no longer count
    mapping(uint64 number => Round) internal _rounds;
    mapping(uint256 accused => mapping(uint8 kind => mapping(uint64 round => FaultVotes))) internal
        _faultVotes;

    /// @notice A setting is out of range; the name says which.
    error BadSettings(string field);
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
        if (s.topology > LAST_TOPOLOGY) revert BadSettings("topology is above 2");
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
        _topology = s.topology;
        _round = 1;
        _commitAverage = uint48(UNITS * s.commitBlocks);
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
            _depth,
            _topology
        );
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Thresholds} from "./Thresholds.sol";

/// @notice What the registry asks of a run that it notifies.
interface IAttachableRun {
    /// @notice The registry whose members take part in the run.
    function registry() external view returns (address);

    /// @notice Told after each enrolment and revocation.
    function rosterChanged() external;
}

/// @title The members of a consortium
/// @notice An invitation names an account and a peer key; the account enrols with a proof that it
/// holds the key. Members are named by their enrolment index (0 to 63), which is never reused. An owner
/// governs at first; once it has handed over, a quorum of the members does, by votes for single calls.
/// @dev The proof is an Ed25519 signature: too dear to check here, so every peer checks it.
contract SwarmRegistry is Ownable {
    using Thresholds for uint256;
    using Thresholds for uint64;

    /// @notice One key of a member.
    struct Key {
        bytes32 peerPk; // Ed25519 public key
        uint64 keyEpoch; // part of what the proof signs; rises with every rotation
        uint64 sinceBlock;
        bytes proof; // Ed25519 signature by the peer key, 64 bytes
    }

    /// @notice One enrolment.
    struct Member {
        address account; // sends the member's transactions
        uint64 enrolledBlock;
        uint64 revokedBlock; // 0: not revoked
        string addresses; // comma separated multiaddrs
        Key[] keys; // in the order in which they came; the last is the current one
    }

    /// @notice Members ever enrolled; their bitmaps fit 64 bits.
    uint256 public constant MAX_MEMBERS = 64;
    /// @notice Runs notified at a time; each makes an enrolment dearer.
    uint256 public constant MAX_RUNS = 8;
    /// @notice Bytes in an address list; it is stored, at 700 gas a byte.
    uint256 public constant MAX_ADDRESSES = 512;
    /// @notice Keys of one member, the first included; every peer verifies every proof.
    uint256 public constant MAX_KEYS = 16;
    /// @notice Bytes in an Ed25519 signature.
    uint256 public constant PROOF_BYTES = 64;

    Member[] private _members;
    address[] private _runs;
    uint64 private _live; // one bit for each member that is not revoked
    mapping(address account => bytes32 peerPk) private _invitations;
    mapping(address account => uint256) private _indexPlusOne;
    mapping(bytes32 peerPk => bool) private _keyTaken;
    mapping(bytes32 id => uint64) private _votes; // for a governed call, by the hash of its call data

    event Invited(address indexed account, bytes32 indexed peerPk);
    event Enrolled(
        uint256 indexed index,
        address indexed account,
        bytes32 indexed peerPk,
        uint64 keyEpoch,
        bytes proof,
        string addresses
    );
    event Rotated(
        uint256 indexed index, bytes32 indexed peerPk, uint64 keyEpoch, bytes proof
    );
    event Revoked(uint256 indexed index);
    event AddressesChanged(uint256 indexed index, string addresses);
    event RunAttached(address indexed run);
    event RunDetached(address indexed run);
    event HandedOver();
    /// @dev callData is what others send to vote for the same.
    event Voted(bytes32 indexed id, uint256 indexed index, bytes callData);
    event Retracted(bytes32 indexed id, uint256 indexed index);

    /// @notice An invitation needs an account and a key other than zero.
    error EmptyInvitation();
    /// @notice The account or the peer key stands in an enrolment, perhaps a revoked one.
    error AlreadyEnrolled();
    /// @notice The sender holds no invitation for this peer key.
    error NotInvited();
    /// @notice All places were given away.
    error TooManyMembers(uint256 limit);
    /// @notice The proof has another length than an Ed25519 signature.
    error BadProofLength(uint256 length, uint256 expected);
    /// @notice The address list is too long.
    error AddressesTooLong(uint256 length, uint256 limit);
    /// @notice The account never enrolled.
    error NotEnrolled(address account);
    /// @notice The member was revoked before.
    error AlreadyRevoked(uint256 index);
    /// @notice No member has this index.
    error UnknownIndex(uint256 index);
    /// @notice Only the owner or the member itself may revoke.
    error NotAllowed();
    /// @notice A peer key is never zero.
    error ZeroKey();
    /// @notice A new key has an epoch above the current key's.
    error EpochTooLow(uint64 current);
    /// @notice The member has had as many keys as one may have.
    error TooManyKeys(uint256 limit);
    /// @notice Members govern only if there are at least two that are not revoked.
    error TooFewMembers(uint256 live);
    /// @notice The sender has no vote for this call.
    error NoVote(bytes32 id);
    /// @notice The address holds no run of this registry.
    error NotARun(address run);
    /// @notice The run is attached already.
    error AlreadyAttached(address run);
    /// @notice The run is not attached.
    error NotAttached(address run);
    /// @notice Detach a run that has finished first.
    error TooManyRuns(uint256 limit);

    constructor() Ownable(msg.sender) {}

    /// @notice Lets an account enrol with a peer key. A later invitation of the account replaces it.
    /// @dev Governed.
    function invite(address account, bytes32 peerPk) external {
        _requireGovernor();
        if (account == address(0) || peerPk == 0) revert EmptyInvitation();
        _requireFree(account, peerPk);
        if (!_passes()) return;
        _invitations[account] = peerPk;
        emit Invited(account, peerPk);
    }

    /// @notice Enrols the sender under the peer key it was invited with.
    function enrol(
        bytes32 peerPk,
        uint64 keyEpoch,
        bytes calldata proof,
        string calldata addresses
    ) external {
        _requireFree(msg.sender, peerPk);
        if (peerPk == 0 || _invitations[msg.sender] != peerPk) revert NotInvited();
        uint256 index = _members.length;
        if (index == MAX_MEMBERS) revert TooManyMembers(MAX_MEMBERS);
        _requireShort(addresses);
        Member storage member = _members.push();
        member.account = msg.sender;
        member.enrolledBlock = uint64(block.number);
        member.addresses = addresses;
        _addKey(member, peerPk, keyEpoch, proof);
        _indexPlusOne[msg.sender] = index + 1;
        _live |= Thresholds.bit(index);
        delete _invitations[msg.sender];
        emit Enrolled(index, msg.sender, peerPk, keyEpoch, proof, addresses);
        _notifyRuns();
    }

    /// @notice Replaces the addresses at which the sender's node listens.
    function setAddresses(string calldata addresses) external {
        uint256 index = _liveIndex();
        _requireShort(addresses);
        _members[index].addresses = addresses;
        emit AddressesChanged(index, addresses);
    }

    /// @notice Replaces the sender's peer key. Index, account and addresses stay; runs are not told.
    function rotate(bytes32 peerPk, uint64 keyEpoch, bytes calldata proof) external {
        uint256 index = _liveIndex();
        if (peerPk == 0) revert ZeroKey();
        if (_keyTaken[peerPk]) revert AlreadyEnrolled();
        Member storage member = _members[index];
        uint256 count = member.keys.length;
        if (count == MAX_KEYS) revert TooManyKeys(MAX_KEYS);
        uint64 current = member.keys[count - 1].keyEpoch;
        if (keyEpoch <= current) revert EpochTooLow(current);
        _addKey(member, peerPk, keyEpoch, proof);
        emit Rotated(index, peerPk, keyEpoch, proof);
    }

    /// @notice Ends a membership for good. Attached runs recount in the same block.
    /// @dev Governed, unless it is the sender's own.
    function revoke(uint256 index) external {
        if (index >= _members.length) revert UnknownIndex(index);
        Member storage member = _members[index];
        bool own = msg.sender == member.account;
        if (!own) {
            if (owner() != address(0) && msg.sender != owner()) revert NotAllowed();
            _requireGovernor();
        }
        if (member.revokedBlock != 0) revert AlreadyRevoked(index);
        if (!own && !_passes()) return;
        member.revokedBlock = uint64(block.number);
        _live &= ~Thresholds.bit(index);
        emit Revoked(index);
        _notifyRuns();
    }

    /// @notice Notifies a run of enrolments and revocations from now on.
    /// @dev Governed. The run is trusted not to revert: a run that did would block both.
    function attachRun(address run) external {
        _requireGovernor();
        if (run.code.length == 0) revert NotARun(run);
        if (IAttachableRun(run).registry() != address(this)) revert NotARun(run);
        if (_runs.length == MAX_RUNS) revert TooManyRuns(MAX_RUNS);
        if (_placeOf(run) != _runs.length) revert AlreadyAttached(run);
        if (!_passes()) return;
        _runs.push(run);
        emit RunAttached(run);
    }

    /// @notice Stops notifying a run, to make room for another.
    /// @dev Governed.
    function detachRun(address run) external {
        _requireGovernor();
        uint256 place = _placeOf(run);
        if (place == _runs.length) revert NotAttached(run);
        if (!_passes()) return;
        _runs[place] = _runs[_runs.length - 1];
        _runs.pop();
        emit RunDetached(run);
    }

    /// @notice Takes back the sender's vote for the call whose call data has this hash.
    function retract(bytes32 id) external {
        uint256 index = _liveIndex();
        if (_votes[id] & Thresholds.bit(index) == 0) revert NoVote(id);
        _votes[id] &= ~Thresholds.bit(index);
        emit Retracted(id, index);
    }

    /// @notice Hands over to the members, for good: from now on each governed call takes a quorum of them.
    function renounceOwnership() public override onlyOwner {
        uint256 live = _live.count();
        if (live < 2) revert TooFewMembers(live);
        super.renounceOwnership();
        emit HandedOver();
    }

    /// @notice Every enrolment, in order of index, revoked ones included.
    function members() external view returns (Member[] memory) {
        return _members;
    }

    /// @notice Members ever enrolled.
    function memberCount() external view returns (uint256) {
        return _members.length;
    }

    /// @notice One bit by index for each member that is not revoked.
    function liveBits() external view returns (uint256) {
        return _live;
    }

    /// @notice Who voted for the call whose call data has this hash; revoked members do not count.
    function votes(bytes32 id) external view returns (uint256) {
        return _votes[id];
    }

    /// @notice The runs that are notified.
    function attachedRuns() external view returns (address[] memory) {
        return _runs;
    }

    /// @notice What a run asks before each transaction, in one call.
    function standing(address account) external view returns (uint256 index, uint256 live) {
        return (indexOf(account), _live);
    }

    /// @notice The index of an account that enrolled, even if it was revoked since.
    function indexOf(address account) public view returns (uint256) {
        uint256 plusOne = _indexPlusOne[account];
        if (plusOne == 0) revert NotEnrolled(account);
        return plusOne - 1;
    }

    function _notifyRuns() private {
        for (uint256 i = 0; i < _runs.length; ++i) {
            IAttachableRun(_runs[i]).rosterChanged();
        }
    }

    function _addKey(Member storage member, bytes32 peerPk, uint64 keyEpoch, bytes calldata proof)
        private
    {
        if (proof.length != PROOF_BYTES) revert BadProofLength(proof.length, PROOF_BYTES);
        member.keys.push(Key(peerPk, keyEpoch, uint64(block.number), proof));
        _keyTaken[peerPk] = true;
    }

    /// @dev Whether the governed call takes effect now: the owner's does; a member's is a vote for exactly
    /// this call data. Called last, so that what would be refused is refused as a vote.
    function _passes() private returns (bool) {
        if (owner() != address(0)) return true;
        bytes32 id = keccak256(msg.data);
        uint256 index = _liveIndex();
        uint64 cast = _votes[id] | Thresholds.bit(index);
        emit Voted(id, index, msg.data);
        if ((cast & _live).count() < _live.count().quorum()) {
            _votes[id] = cast;
            return false;
        }
        delete _votes[id];
        return true;
    }

    /// @dev Reverts unless the sender is the owner or, where there is none, a member that is not revoked.
    function _requireGovernor() private view {
        if (owner() == address(0)) _liveIndex();
        else _checkOwner();
    }

    function _liveIndex() private view returns (uint256 index) {
        index = indexOf(msg.sender);
        if (_live & Thresholds.bit(index) == 0) revert AlreadyRevoked(index);
    }

    /// @dev Place of a run in the list, or the list's length.
    function _placeOf(address run) private view returns (uint256 place) {
        while (place < _runs.length && _runs[place] != run) ++place;
    }

    function _requireFree(address account, bytes32 peerPk) private view {
        if (_indexPlusOne[account] != 0 || _keyTaken[peerPk]) revert AlreadyEnrolled();
    }

    function _requireShort(string calldata addresses) private pure {
        uint256 length = bytes(addresses).length;
        if (length > MAX_ADDRESSES) revert AddressesTooLong(length, MAX_ADDRESSES);
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

/// @notice What the registry asks of a run that it notifies.
interface IAttachableRun {
    /// @notice The registry whose members take part in the run.
    function registry() external view returns (address);

    /// @notice Told after each enrolment and revocation.
    function rosterChanged() external;
}

/// @title The members of a consortium
/// @notice An invitation names an account and a peer key; the account enrols with a proof that it
/// holds the key. Members are named by their enrolment index (0 to 63), which is never reused.
/// @dev The proof is an Ed25519 signature: too dear to check here, so every peer checks it.
contract SwarmRegistry is Ownable {
    /// @notice One enrolment.
    struct Member {
        address account; // sends the member's transactions
        bytes32 peerPk; // Ed25519 public key
        uint64 keyEpoch; // of the peer key, part of what the proof signs
        uint64 enrolledBlock;
        uint64 revokedBlock; // 0: not revoked
        bytes proof; // Ed25519 signature by the peer key, 64 bytes
        string addresses; // comma separated multiaddrs
    }

    /// @notice Members ever enrolled; their bitmaps fit 64 bits.
    uint256 public constant MAX_MEMBERS = 64;
    /// @notice Runs notified at a time; each makes an enrolment dearer.
    uint256 public constant MAX_RUNS = 8;
    /// @notice Bytes in an address list; it is stored, at 700 gas a byte.
    uint256 public constant MAX_ADDRESSES = 512;
    /// @notice Bytes in an Ed25519 signature.
    uint256 public constant PROOF_BYTES = 64;

    Member[] private _members;
    address[] private _runs;
    uint64 private _live; // one bit for each member that is not revoked
    mapping(address account => bytes32 peerPk) private _invitations;
    mapping(address account => uint256) private _indexPlusOne;
    mapping(bytes32 peerPk => bool) private _keyTaken;

    event Invited(address indexed account, bytes32 indexed peerPk);
    event Enrolled(
        uint256 indexed index,
        address indexed account,
        bytes32 indexed peerPk,
        uint64 keyEpoch,
        bytes proof,
        string addresses
    );
    event Revoked(uint256 indexed index);
    event AddressesChanged(uint256 indexed index, string addresses);
    event RunAttached(address indexed run);
    event RunDetached(address indexed run);

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
    function invite(address account, bytes32 peerPk) external onlyOwner {
        if (account == address(0) || peerPk == 0) revert EmptyInvitation();
        _requireFree(account, peerPk);
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
        if (proof.length != PROOF_BYTES) revert BadProofLength(proof.length, PROOF_BYTES);
        _requireShort(addresses);
        _members.push(
            Member(msg.sender, peerPk, keyEpoch, uint64(block.number), 0, proof, addresses)
        );
        _indexPlusOne[msg.sender] = index + 1;
        _keyTaken[peerPk] = true;
        _live |= uint64(1 << index);
        delete _invitations[msg.sender];
        emit Enrolled(index, msg.sender, peerPk, keyEpoch, proof, addresses);
        _notifyRuns();
    }

    /// @notice Replaces the addresses at which the sender's node listens.
    function setAddresses(string calldata addresses) external {
        uint256 index = indexOf(msg.sender);
        if (_members[index].revokedBlock != 0) revert AlreadyRevoked(index);
        _requireShort(addresses);
        _members[index].addresses = addresses;
        emit AddressesChanged(index, addresses);
    }

    /// @notice Ends a membership for good. Attached runs recount in the same block.
    function revoke(uint256 index) external {
        if (index >= _members.length) revert UnknownIndex(index);
        Member storage member = _members[index];
        if (msg.sender != owner() && msg.sender != member.account) revert NotAllowed();
        if (member.revokedBlock != 0) revert AlreadyRevoked(index);
        member.revokedBlock = uint64(block.number);
        _live &= ~uint64(1 << index);
        emit Revoked(index);
        _notifyRuns();
    }

    /// @notice Notifies a run of enrolments and revocations from now on.
    /// @dev The run is trusted not to revert: a run that did would block both.
    function attachRun(address run) external onlyOwner {
        if (run.code.length == 0) revert NotARun(run);
        if (IAttachableRun(run).registry() != address(this)) revert NotARun(run);
        if (_runs.length == MAX_RUNS) revert TooManyRuns(MAX_RUNS);
        for (uint256 i = 0; i < _runs.length; ++i) {
            if (_runs[i] == run) revert AlreadyAttached(run);
        }
        _runs.push(run);
        emit RunAttached(run);
    }

    /// @notice Stops notifying a run, to make room for another.
    function detachRun(address run) external onlyOwner {
        uint256 last = _runs.length;
        for (uint256 i = 0; i < last; ++i) {
            if (_runs[i] == run) {
                _runs[i] = _runs[last - 1];
                _runs.pop();
                emit RunDetached(run);
                return;
            }
        }
        revert NotAttached(run);
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

    function _requireFree(address account, bytes32 peerPk) private view {
        if (_indexPlusOne[account] != 0 || _keyTaken[peerPk]) revert AlreadyEnrolled();
    }

    function _requireShort(string calldata addresses) private pure {
        uint256 length = bytes(addresses).length;
        if (length > MAX_ADDRESSES) revert AddressesTooLong(length, MAX_ADDRESSES);
    }
}

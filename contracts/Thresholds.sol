// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title The sizes that decide a round
/// @notice Pure arithmetic on counts of members, all of them at most 64.
library Thresholds {
    /// @notice q(n) = ceil(2n/3): the honest alone reach every quorum.
    function quorum(uint256 n) internal pure returns (uint256) {
        return (2 * n + 2) / 3;
    }

    /// @notice f(n) = floor((n-1)/3): how many of n may be faulty.
    function faultyBound(uint256 n) internal pure returns (uint256) {
        return n == 0 ? 0 : (n - 1) / 3;
    }

    /// @notice The least number of commits of a round with `enrolled` live members.
    /// @dev Never below floor(3f/2) + 1, the least m with q(m) > f: the faulty cannot seal alone.
    /// @param ownerMinimum what the owner asked for; 0 for the default max(2, q(enrolled)).
    function minPeers(uint256 enrolled, uint256 ownerMinimum) internal pure returns (uint256) {
        uint256 wanted = ownerMinimum == 0 ? max(2, quorum(enrolled)) : ownerMinimum;
        return max(wanted, (3 * faultyBound(enrolled)) / 2 + 1);
    }

    /// @notice How many posters must hold an update that stays: one of them is honest.
    function holders(uint256 enrolled) internal pure returns (uint256) {
        return max(2, faultyBound(enrolled) + 1);
    }

    /// @notice The least roster of a further attempt after `commits` commits.
    function smallestRoster(uint256 minimum, uint256 commits) internal pure returns (uint256) {
        return max(minimum, quorum(commits));
    }

    /// @notice Set bits of a bitmap, by adding neighbouring fields of doubling width.
    function count(uint64 bits) internal pure returns (uint256) {
        uint256 x = bits;
        x = (x & 0x5555555555555555) + ((x >> 1) & 0x5555555555555555);
        x = (x & 0x3333333333333333) + ((x >> 2) & 0x3333333333333333);
        x = (x & 0x0f0f0f0f0f0f0f0f) + ((x >> 4) & 0x0f0f0f0f0f0f0f0f);
        x = (x & 0x00ff00ff00ff00ff) + ((x >> 8) & 0x00ff00ff00ff00ff);
        x = (x & 0x0000ffff0000ffff) + ((x >> 16) & 0x0000ffff0000ffff);
        return (x & 0xffffffff) + (x >> 32);
    }

    /// @notice The bitmap with one bit set.
    function bit(uint256 index) internal pure returns (uint64) {
        return uint64(1 << index);
    }

    /// @notice The larger of two numbers.
    function max(uint256 a, uint256 b) internal pure returns (uint256) {
        return a > b ? a : b;
    }
}

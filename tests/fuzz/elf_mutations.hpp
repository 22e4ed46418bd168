// Damaged copies of a good plugin: truncated, with bits flipped, with hostile numbers. The same for a file
// and a seed, each time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace perch::fuzz {

/// A run of bytes with one meaning, such as the program headers.
struct Region {
  std::string name;
  std::uint64_t offset, size;
};

/// One change: `bytes` replace what is at `offset`; with `cut` the file ends there.
struct Mutation {
  std::string kind;  ///< "program headers: a bit", "truncated" …
  std::uint64_t offset = 0;
  std::string bytes;
  bool cut = false;
};

std::string apply(std::string file, const Mutation& mutation);

/// Headers, dynamic section, relocations, symbols, hash tables, versions and notes of a file that is whole.
std::vector<Region> regions_of(const std::string& file);

/// Cut at each boundary of a segment or section, and one byte before and behind it.
std::vector<Mutation> truncations(const std::string& file);
/// Every class, byte order, type and machine that there is, and numbers that a header cannot have.
std::vector<Mutation> other_identities(const std::string& file);
/// Notes whose sizes overflow: every note of the file, its owner's and its text's.
std::vector<Mutation> hostile_notes(const std::string& file);
/// `count` bits in each region, chosen by `seed`; all of them where a region has fewer.
std::vector<Mutation> flipped_bits(const std::string& file, std::size_t count, std::uint32_t seed);
/// `count` numbers of 4 or 8 bytes in each region, replaced by such as overflow.
std::vector<Mutation> hostile_numbers(const std::string& file, std::size_t count, std::uint32_t seed);

/// Without those that may exchange one good target for another: a symbol's name, a relocation's symbol,
/// single bits of its addend. Such a file is whole and calls the wrong function, as one with damaged code
/// does.
std::vector<Mutation> without_exchanged_targets(const std::string& file, std::vector<Mutation> mutations);

}  // namespace perch::fuzz

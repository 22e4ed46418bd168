#include "instances/pinned_versions.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "base/units.hpp"

namespace perch::instances {

std::vector<PinnedVersion> pinned_versions(const std::vector<tree::RetainedVersion>& retained,
                                           std::vector<PinHolder> holders) {
  std::map<tree::Version, PinnedVersion> versions;
  for (const tree::RetainedVersion& each : retained) {
    versions[each.version].version = each.version;
    versions[each.version].bytes = each.bytes;
  }
  for (PinHolder& holder : holders) {
    PinnedVersion& pinned = versions[holder.version];
    pinned.version = holder.version;
    pinned.held_for = std::max(pinned.held_for, holder.held_for);
    pinned.holders.push_back(std::move(holder));
  }
  std::vector<PinnedVersion> sorted;
  for (auto& [version, pinned] : versions) sorted.push_back(std::move(pinned));
  return sorted;
}

namespace {

bool is_held_by(const PinnedVersion& version, const std::string& reader) {
  return std::any_of(version.holders.begin(), version.holders.end(),
                     [&reader](const PinHolder& holder) { return holder.reader == reader; });
}

/// "(version 17 for 12s: current step)" of the reader's costliest pin.
std::string costliest_text(const std::vector<PinnedVersion>& versions, const std::string& reader) {
  const PinnedVersion* costliest = nullptr;
  for (const PinnedVersion& version : versions) {
    if (is_held_by(version, reader) && (costliest == nullptr || version.bytes > costliest->bytes))
      costliest = &version;
  }
  const auto holder =
      std::find_if(costliest->holders.begin(), costliest->holders.end(),
                   [&reader](const PinHolder& candidate) { return candidate.reader == reader; });
  return "(version " + std::to_string(costliest->version) + " for " + format_duration(holder->held_for) +
         ": " + holder->what + ")";
}

}  // namespace

std::uint64_t retained_bytes(const std::vector<PinnedVersion>& versions, const std::string& reader) {
  std::uint64_t bytes = 0;
  for (const PinnedVersion& version : versions) {
    if (is_held_by(version, reader)) bytes += version.bytes;
  }
  return bytes;
}

std::string who_retains(const std::vector<PinnedVersion>& versions) {
  constexpr std::size_t named_max = 5;
  std::map<std::string, std::uint64_t> by_reader;
  for (const PinnedVersion& version : versions) {
    for (const PinHolder& holder : version.holders)
      by_reader.try_emplace(holder.reader, retained_bytes(versions, holder.reader));
  }
  std::vector<std::pair<std::string, std::uint64_t>> most(by_reader.begin(), by_reader.end());
  std::erase_if(most, [](const auto& reader) { return reader.second == 0; });
  std::stable_sort(most.begin(), most.end(),
                   [](const auto& left, const auto& right) { return left.second > right.second; });
  std::string text;
  for (std::size_t i = 0; i < std::min(most.size(), named_max); ++i) {
    text += (text.empty() ? "reader " : ", reader ") + most[i].first + " retains " +
            format_size(most[i].second) + " " + costliest_text(versions, most[i].first);
  }
  if (most.size() > named_max) text += ", and " + std::to_string(most.size() - named_max) + " more readers";
  return text;
}

}  // namespace perch::instances

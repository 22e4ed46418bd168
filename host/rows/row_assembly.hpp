// RowAssembly: from the members of a row, whatever format it came in, to records in a batch.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "rows/mapping.hpp"
#include "rows/row_decoder.hpp"

namespace perch::rows {

/// For the source's thread; shared by its streams.
class RowAssembly {
 public:
  /// Both outlive this.
  RowAssembly(const Mapping& mapping, Stamps& stamps) : mapping_(mapping), stamps_(stamps) {
    for (const Mapping::Feed& feed : mapping.feeds()) {
      keys_.emplace_back(feed.table->key().size());
      fed_by_.push_back(0);
    }
  }

  /// `Members` gives:
  ///   bool matches(const Mapping::Condition&)
  ///   bool is_missing(const Mapping::Target&): then its fallback is taken
  ///   bool store(const Mapping::Target&, std::byte* out): false when the value does not fit, which it
  ///   reported Step missing(const Mapping::Target&) and Step nan_in_key(): reports it
  /// Of feeds into one table the first that matches takes the row. The row's records are left open on
  /// anything but `row`.
  template <class Members>
  Step assemble(Members& members, RowBatch& batch);

 private:
  template <class Members>
  Step assemble_feed(std::uint32_t feed, Members& members, RowBatch& batch);
  bool is_fed(std::uint32_t feed) const noexcept;
  void stamp(const Mapping::Stamp& stamp, std::byte* out) const noexcept;

  const Mapping& mapping_;
  Stamps& stamps_;
  std::vector<std::vector<std::byte>> keys_;  // by feed: a key record, padding zero
  std::vector<std::uint64_t> fed_by_;         // by feed: the row that it took last
  std::uint64_t row_ = 0;
};

template <class Members>
Step RowAssembly::assemble(Members& members, RowBatch& batch) {
  ++row_;
  bool taken = false;
  for (std::uint32_t feed = 0; feed < mapping_.feeds().size(); ++feed) {
    bool matches = !is_fed(feed);
    for (const Mapping::Condition& condition : mapping_.feeds()[feed].when)
      matches = matches && members.matches(condition);
    if (!matches) continue;
    if (const Step step = assemble_feed(feed, members, batch); step != Step::row) return step;
    fed_by_[feed] = row_;
    taken = true;
  }
  if (!taken) return Step::skipped;
  stamps_.taken();
  return Step::row;
}

template <class Members>
Step RowAssembly::assemble_feed(std::uint32_t index, Members& members, RowBatch& batch) {
  const Mapping::Feed& feed = mapping_.feeds()[index];
  const RowBatch::Open record = batch.open(index);
  std::byte* const key = keys_[index].data();
  for (const Mapping::Target& target : feed.targets) {
    std::byte* const out = (target.in_key ? key : record.value) + target.field->offset;
    if (members.is_missing(target)) {
      if (target.fallback.empty()) return members.missing(target);
      std::memcpy(out, target.fallback.data(), target.fallback.size());
    } else if (!members.store(target, out)) {
      return Step::rejected;
    }
  }
  for (const Mapping::Stamp& one : feed.stamps)
    stamp(one, (one.in_key ? key : record.value) + one.field->offset);
  return feed.table->codec().encode(key, record.key) ? Step::row : members.nan_in_key();
}

/// Whether another feed into its table has taken the row.
inline bool RowAssembly::is_fed(std::uint32_t feed) const noexcept {
  for (std::uint32_t before = 0; before < feed; ++before) {
    if (fed_by_[before] == row_ && mapping_.feeds()[before].table == mapping_.feeds()[feed].table)
      return true;
  }
  return false;
}

inline void RowAssembly::stamp(const Mapping::Stamp& stamp, std::byte* out) const noexcept {
  const std::uint64_t value = stamp.origin == Origin::sequence
                                  ? stamps_.sequence()
                                  : static_cast<std::uint64_t>(stamps_.arrival_ns());
  std::memcpy(out, &value, sizeof value);
}

}  // namespace perch::rows

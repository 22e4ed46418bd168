#include "tree/store.hpp"

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"
#include "tree/allocator.hpp"
#include "tree/arena.hpp"
#include "tree/check.hpp"
#include "tree/table_tree.hpp"

namespace perch::tree {
namespace {

/// Whether so much waits that it is worth a look at the pins. A look costs a fence, from 0.1 µs without
/// membarrier to 10 µs with it beside a running reader: it may cost each block some nanoseconds. Sooner is
/// better, for what is freed is reused while it is in cache. Bytes: large rows, and small arenas, do not wait
/// for so many blocks.
bool is_worth_a_look(const Reclaimer& reclaimer, std::uint64_t arena_bytes) {
  constexpr std::int64_t ns_a_block = 4;
  const auto blocks =
      static_cast<std::uint64_t>(std::clamp<std::int64_t>(reclaimer.look_ns() / ns_a_block, 64, 1024));
  const std::uint64_t bytes = std::min(arena_bytes / 128, std::uint64_t{4} << 20);
  return reclaimer.waiting() >= blocks || reclaimer.waiting_bytes() >= bytes;
}

/// Commits that may come between two questions for room, and take a record each that a pin may hold. Records
/// that only wait for a look do not count: a commit that is short of memory looks first.
constexpr std::uint32_t records_kept = 66;

/// Room is looked for this many upserts ahead, as long as there is plenty.
constexpr std::uint32_t upserts_at_once = 64;

/// Memory that only erasing may use: evicting copies nodes too.
std::uint64_t erase_reserve_bytes(std::uint64_t arena_bytes) {
  return std::clamp<std::uint64_t>(arena_bytes / 16, slab_bytes, 64 * slab_bytes);
}

std::uint32_t record_units(std::size_t tables, std::size_t sources) {
  return units_of(sizeof(VersionRecord) + tables * sizeof(TableRoot) + sources * sizeof(SourcePosition));
}

void merge_need(std::vector<Allocator::Need>& needs, Allocator::Need need) {
  for (Allocator::Need& known : needs) {
    if (known.units == need.units) {
      known.blocks += need.blocks;
      return;
    }
  }
  needs.push_back(need);
}

}  // namespace

struct Store::Parts {
  explicit Parts(std::unique_ptr<Arena> memory)
      : arena(std::move(memory)),
        allocator(*arena),
        context{arena->writable(), allocator, reclaimer},
        reads(arena->readable(), arena->control()) {}

  void publish_first_version();
  Ref write_record(std::int64_t commit_time_ns, std::span<const SourcePosition> positions);
  void publish_stats();
  void estimate_needs();
  std::uint32_t block_units_for(std::uint32_t record_units) const;
  bool can_allocate(const std::vector<Allocator::Need>& needs);
  std::uint64_t reclaim(bool everything);

  std::unique_ptr<Arena> arena;
  Allocator allocator;
  Reclaimer reclaimer;
  BuildContext context;
  ReadSide reads;
  std::vector<std::unique_ptr<TableTree>> tables;

  Ref record = 0;                        // of the published version
  std::uint32_t record_size = 0;         // of its block, in units
  std::uint32_t record_block_units = 0;  // of the next one
  std::size_t source_count = 0;          // of the last commit

  std::vector<Allocator::Need> upsert_needs;        // one upsert into each table, at the heights below
  std::vector<Allocator::Need> many_upserts_needs;  // upserts_at_once of them, each with a commit
  std::vector<Allocator::Need> erase_needs;
  std::uint32_t upserts_certain = 0;  // that has_room need not look into; a commit takes one
  std::vector<Allocator::Need> scratch;

  struct {
    std::atomic<std::uint64_t> live{0}, retained{0}, free{0};
  } stats;
};

// ---- Construction
// ---------------------------------------------------------------------------------------------------

Result<std::unique_ptr<Store>> Store::create(const StoreOptions& options) {
  auto arena = Arena::create(options.arena_bytes, options.commit_memory, options.huge_pages);
  if (!arena) return fail(arena.error());
  auto parts = std::make_unique<Parts>(std::move(*arena));
  parts->publish_first_version();
  return std::unique_ptr<Store>(new Store(std::move(parts)));
}

Store::Store(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Store::~Store() = default;

void Store::Parts::publish_first_version() {
  record_size = record_units(0, 0);
  record = allocator.allocate(record_size);
  PERCH_ASSERT(record != 0, "a new arena has room for a record");
  *reinterpret_cast<VersionRecord*>(address(context.base, record)) = VersionRecord{0, 0, 0, 0};
  // Relaxed: nobody reads yet.
  arena->control()->published.store(pack_word(0, record), std::memory_order_relaxed);
  publish_stats();
}

TableIndex Store::add_table(const TableShape& shape) {
  Parts& parts = *parts_;
  PERCH_ASSERT(parts.tables.size() < tables_max, "more tables than the arena's control page holds");
  PERCH_ASSERT(shape.key_words >= 1 && shape.key_words <= key_words_max, "a key of 1 to 8 words");
  PERCH_ASSERT(shape.value_bytes >= 1 && shape.value_bytes <= value_bytes_max,
               "a value of 1 to value_bytes_max bytes");
  const Geometry geometry = make_geometry(shape);
  PERCH_ASSERT(geometry.leaf_rows >= 3 && geometry.inner_children >= 3, "nodes of three or more");
  PERCH_ASSERT(geometry.leaf_rows <= fan_out_max && geometry.inner_children <= fan_out_max,
               "a search's bits suffice");
  PERCH_ASSERT(geometry.leaf_units <= slab_units && geometry.inner_units <= slab_units, "a node fits a slab");
  const auto index = static_cast<TableIndex>(parts.tables.size());
  parts.arena->control()->geometry[index] = geometry;  // published with the next version
  parts.tables.push_back(std::make_unique<TableTree>(parts.context, geometry));
  parts.context.needs_changed = true;
  return index;
}

// ---- Writing
// ----------------------------------------------------------------------------------------------------------

/// A record takes a block of a node's size, the smallest that is large enough: in a full arena, where hardly
/// a slab is empty, blocks of a size of its own might not be had when that size changes.
std::uint32_t Store::Parts::block_units_for(std::uint32_t record_units) const {
  std::uint32_t best = UINT32_MAX;
  for (const auto& table : tables) {
    const Geometry& geometry = table->geometry();
    for (const std::uint32_t units : {geometry.leaf_units, geometry.inner_units}) {
      if (units >= record_units) best = std::min(best, units);
    }
  }
  return best != UINT32_MAX ? best : record_units;
}

void Store::Parts::estimate_needs() {
  if (!context.needs_changed) return;
  context.needs_changed = false;
  upserts_certain = 0;
  record_block_units = block_units_for(record_units(tables.size(), source_count));
  const Allocator::Need records{record_block_units, records_kept};
  upsert_needs.assign(1, records);
  erase_needs.assign(1, records);
  for (const auto& table : tables) {
    scratch.clear();
    table->add_upsert_needs(scratch);
    for (const Allocator::Need& need : scratch) merge_need(upsert_needs, need);
    scratch.clear();
    table->add_erase_needs(scratch);
    for (const Allocator::Need& need : scratch) merge_need(erase_needs, need);
  }
  // Counted in blocks of each size, not in whole slabs: after erasing here and there, memory is free in many
  // slabs and hardly one of them is empty.
  const std::uint64_t reserve_bytes = erase_reserve_bytes(arena->bytes()) / upsert_needs.size();
  many_upserts_needs = upsert_needs;
  for (std::size_t i = 0; i < upsert_needs.size(); ++i) {
    const auto reserve = static_cast<std::uint32_t>(reserve_bytes / (upsert_needs[i].units * unit_bytes));
    upsert_needs[i].blocks += reserve;
    many_upserts_needs[i].blocks = many_upserts_needs[i].blocks * upserts_at_once + reserve;
  }
}

/// Before it says no, whatever waits for a look gets it.
bool Store::Parts::can_allocate(const std::vector<Allocator::Need>& needs) {
  while (!allocator.can_allocate(needs)) {
    if (!reclaimer.has_work(context.building - 1) || reclaim(false) == 0) return false;
  }
  return true;
}

bool Store::has_room() {
  Parts& parts = *parts_;
  if (parts.upserts_certain > 0 && !parts.context.needs_changed) {
    --parts.upserts_certain;
    return true;
  }
  parts.estimate_needs();
  if (parts.allocator.can_allocate_as_it_is(parts.many_upserts_needs)) {
    parts.upserts_certain = upserts_at_once - 1;
    return true;
  }
  return parts.can_allocate(parts.upsert_needs);
}

bool Store::has_room_to_erase() {
  parts_->upserts_certain = 0;
  parts_->estimate_needs();
  return parts_->can_allocate(parts_->erase_needs);
}

Placed Store::upsert(TableIndex table, const std::uint64_t* key) {
  return parts_->tables[table]->upsert(key);
}
bool Store::erase(TableIndex table, const std::uint64_t* key) { return parts_->tables[table]->erase(key); }
std::uint64_t Store::erase_range(TableIndex table, Bound low, Bound high) {
  return parts_->tables[table]->erase_range(low, high);
}
std::uint64_t Store::erase_first(TableIndex table, std::uint64_t rows, Bound high) {
  return parts_->tables[table]->erase_first(rows, high);
}
void Store::warm(TableIndex table, const std::uint64_t* keys, std::uint32_t count) const {
  parts_->tables[table]->warm(keys, count);
}
const std::byte* Store::find(TableIndex table, const std::uint64_t* key) const {
  return parts_->tables[table]->find(key);
}
std::uint64_t Store::rows(TableIndex table) const { return parts_->tables[table]->root().rows; }

// ---- Publishing
// ---------------------------------------------------------------------------------------------------------

Ref Store::Parts::write_record(std::int64_t commit_time_ns, std::span<const SourcePosition> positions) {
  PERCH_ASSERT(positions.size() <= sources_max, "more sources than a version record holds");
  if (positions.size() != source_count) {
    source_count = positions.size();
    context.needs_changed = true;
  }
  estimate_needs();
  Ref ref = allocator.allocate(record_block_units);
  if (ref == 0) {
    reclaim(true);
    ref = allocator.allocate(record_block_units);
  }
  PERCH_ASSERT(ref != 0, "the reserve for erasing includes the record");
  std::byte* const start = address(context.base, ref);
  *reinterpret_cast<VersionRecord*>(start) =
      VersionRecord{context.building, commit_time_ns, static_cast<std::uint32_t>(tables.size()),
                    static_cast<std::uint32_t>(positions.size())};
  auto* const roots = reinterpret_cast<TableRoot*>(start + sizeof(VersionRecord));
  for (std::size_t i = 0; i < tables.size(); ++i) roots[i] = tables[i]->root();
  if (!positions.empty()) std::memcpy(roots + tables.size(), positions.data(), positions.size_bytes());
  return ref;
}

Version Store::commit(std::int64_t commit_time_ns, std::span<const SourcePosition> positions) {
  Parts& parts = *parts_;
  const Version version = parts.context.building;
  if (parts.upserts_certain > 0) --parts.upserts_certain;
  const Ref record = parts.write_record(commit_time_ns, positions);
  ControlPage& control = *parts.arena->control();
  Pins::publish(control.published, pack_word(version, record));
  control.published_version.store(
      version, std::memory_order_release);  // after the word: see ReadSide::published_version
  parts.reads.wake_sleepers();

  parts.reclaimer.drop({version - 1, version, parts.record, parts.record_size});
  parts.record = record;
  parts.record_size = parts.record_block_units;
  parts.context.building = version + 1;
  if (is_worth_a_look(parts.reclaimer, parts.arena->bytes())) {
    parts.reclaim(false);
  }
  parts.publish_stats();
  return version;
}

std::uint64_t Store::Parts::reclaim(bool everything) {
  upserts_certain = 0;  // slabs may change hands
  const std::uint64_t judged =
      reclaimer.run(context.building - 1, reads, everything,
                    [this](Ref ref, std::uint32_t units) { allocator.release(ref, units); });
  reclaimer.publish_accounting();
  return judged;
}

void Store::reclaim_all() {
  parts_->reclaim(true);
  parts_->publish_stats();
}

bool Store::reclaim_some() {
  Parts& parts = *parts_;
  if (parts.reclaimer.retained_bytes() == 0) return false;
  parts.reclaim(false);
  parts.publish_stats();
  return parts.reclaimer.has_work(parts.context.building - 1);
}

Version Store::published_version() const { return parts_->reads.published_version(); }
ReadSide& Store::reads() { return parts_->reads; }
Result<UniqueFd> Store::open_read_only() const { return parts_->arena->open_read_only(); }

// ---- Accounting
// ----------------------------------------------------------------------------------------------------------

void Store::Parts::publish_stats() {
  const std::uint64_t retained = reclaimer.retained_bytes();
  // Relaxed: numbers for people, each right by itself.
  stats.live.store(allocator.allocated_bytes() - retained, std::memory_order_relaxed);
  stats.retained.store(retained, std::memory_order_relaxed);
  stats.free.store(allocator.free_bytes(), std::memory_order_relaxed);
}

MemoryStats Store::stats() const {
  const Parts& parts = *parts_;
  MemoryStats stats;
  stats.reserved_bytes = parts.arena->bytes();
  stats.committed_bytes = parts.arena->committed_bytes();
  stats.huge_bytes = parts.arena->huge_bytes();
  stats.live_bytes = parts.stats.live.load(std::memory_order_relaxed);
  stats.retained_bytes = parts.stats.retained.load(std::memory_order_relaxed);
  stats.free_bytes = parts.stats.free.load(std::memory_order_relaxed);
  stats.commit_error = parts.arena->commit_error();
  return stats;
}

std::vector<RetainedVersion> Store::retained_versions() const {
  return parts_->reclaimer.retained_versions();
}

std::string Store::check() const {
  const Parts& parts = *parts_;
  // What must be allocated: the trees being built, the published record, whatever was dropped; nothing twice.
  ReachedBlocks reached;
  for (const auto& table : parts.tables) {
    const std::string problem =
        check_tree(parts.context.base, table->geometry(), table->root(), parts.context.building, reached);
    if (!problem.empty()) return problem;
  }
  if (!reached.emplace(parts.record, parts.record_size).second) return "the version record is a node";
  std::string problem;
  parts.reclaimer.for_each([&](const DroppedBlock& block) {
    if (block.birth >= block.death) problem = "a dropped block that no version could see";
    if (!reached.emplace(block.ref, block.units).second) problem = "a block both dropped and reachable";
  });
  if (!problem.empty()) return problem;
  parts.allocator.for_each_allocated([&](Ref ref, std::uint32_t units) {
    const auto found = reached.find(ref);
    if (found == reached.end()) {
      problem = "a lost block: allocated, but neither reachable nor dropped (" + std::to_string(ref) + ")";
    } else {
      if (found->second != units) problem = "a block of another size than its node";
      reached.erase(found);
    }
  });
  if (problem.empty() && !reached.empty()) problem = "a free block is reachable";
  if (!problem.empty()) return problem;

  // The published version: its own walk, since it may hold nodes that the one being built has dropped.
  const auto* const record =
      reinterpret_cast<const VersionRecord*>(address(parts.context.base, parts.record));
  ReachedBlocks published;
  for (std::uint32_t i = 0; i < record->table_count && problem.empty(); ++i) {
    problem = check_tree(parts.context.base, parts.tables[i]->geometry(), record->tables()[i],
                         record->version, published);
  }
  return problem;
}

}  // namespace perch::tree

// arrivals: notes how old the newest row is when on_commit runs. For perch_bench's event_to_reader.
#include "arrivals.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <perch/plugin.hpp>

#include <cstdlib>
#include <stdexcept>

namespace {

struct Key {
  std::uint64_t id;
};
PERCH_LAYOUT(Key, id)

struct Value {
  std::int64_t sent_ns;  // by CLOCK_MONOTONIC
};
PERCH_LAYOUT(Value, sent_ns)

using Table = perch::Table<"ticks", Key, Value>;
inline constexpr Table table;

class Arrivals : public perch::Reader {
 public:
  static constexpr perch::Info info{.id = "arrivals", .version = "1.0.0"};
  using Tables = perch::Tables<Table>;

  Arrivals(perch::Host&, const perch::Config&) {
    const char* const file = std::getenv("PERCH_BENCH_ARRIVALS");
    const int descriptor = file ? ::open(file, O_RDWR | O_CLOEXEC) : -1;
    if (descriptor < 0) throw std::runtime_error("PERCH_BENCH_ARRIVALS names no file");
    void* const memory =
        ::mmap(nullptr, sizeof(ArrivalNotes), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    ::close(descriptor);
    if (memory == MAP_FAILED) throw std::runtime_error("the notes cannot be mapped");
    notes_ = static_cast<ArrivalNotes*>(memory);
  }
  ~Arrivals() override { ::munmap(notes_, sizeof(ArrivalNotes)); }

  void on_commit(const perch::Step& step) override {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    const Value* const row = step.current().get(table, Key{0});
    if (row == nullptr) return;
    const std::uint64_t count = notes_->count.load(std::memory_order_relaxed);
    if (count == ArrivalNotes::capacity) return;
    notes_->latency_ns[count] = now.tv_sec * std::int64_t{1'000'000'000} + now.tv_nsec - row->sent_ns;
    notes_->count.store(count + 1, std::memory_order_release);
  }

 private:
  ArrivalNotes* notes_ = nullptr;
};

}  // namespace

PERCH_PLUGIN(Arrivals)

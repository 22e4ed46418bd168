#include "check/damaged_states.hpp"

#include <algorithm>
#include <cstring>

namespace perch::check {
namespace {

using Take = std::function<bool(const std::string&, const std::string&)>;

constexpr std::size_t every_length_max = 256;  // of longer states each length up to here, and some more
constexpr std::size_t lengths_sampled = 200;
constexpr std::size_t flips_in_order_max = 512;
constexpr std::size_t flips_sampled = 500;
constexpr std::size_t numbers_at_max = 128;  // places that are overwritten with numbers
constexpr int garbage_count = 200;

std::string at_byte(std::size_t at, std::size_t size) {
  return "at byte " + std::to_string(at) + " of " + std::to_string(size);
}

bool truncate(const std::string& state, SampleValues& random, const Take& take) {
  const auto cut = [&](std::size_t size) {
    return take(state.substr(0, size),
                "cut to " + std::to_string(size) + " of " + std::to_string(state.size()) + " bytes");
  };
  for (std::size_t size = 0; size < std::min(state.size(), every_length_max); ++size) {
    if (!cut(size)) return false;
  }
  for (std::size_t i = 0; state.size() > every_length_max && i < lengths_sampled; ++i) {
    if (!cut(random.below(state.size()))) return false;
  }
  return state.empty() || cut(state.size() - 1);
}

bool extend(const std::string& state, SampleValues& random, const Take& take) {
  for (const std::size_t more : {std::size_t{1}, std::size_t{8}, std::size_t{4096}}) {
    const std::string what = std::to_string(more) + " bytes longer, ";
    if (!take(state + std::string(more, '\0'), what + "zeros") ||
        !take(state + random.bytes(more), what + "random")) {
      return false;
    }
  }
  return take(state + state, "twice in a row");
}

bool flip_bits(const std::string& state, SampleValues& random, const Take& take) {
  const std::size_t bits = state.size() * 8;
  const auto flip = [&](std::size_t bit) {
    std::string damaged = state;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    return take(damaged, "bit " + std::to_string(bit % 8) + " flipped " + at_byte(bit / 8, state.size()));
  };
  for (std::size_t bit = 0; bit < std::min(bits, flips_in_order_max); ++bit) {
    if (!flip(bit)) return false;
  }
  for (std::size_t i = 0; bits > flips_in_order_max && i < flips_sampled; ++i) {
    if (!flip(random.below(bits))) return false;
  }
  return true;
}

/// Counts and sizes are what a reader of a state believes most easily.
template <class Number>
bool overwrite_with(const std::string& state, Number number, const Take& take) {
  const std::size_t places = std::min(state.size() / sizeof number, numbers_at_max);
  for (std::size_t place = 0; place < places; ++place) {
    std::string damaged = state;
    std::memcpy(damaged.data() + place * sizeof number, &number, sizeof number);
    if (!take(damaged,
              "the number " + std::to_string(number) + " " + at_byte(place * sizeof number, state.size()))) {
      return false;
    }
  }
  return true;
}

bool overwrite_numbers(const std::string& state, const Take& take) {
  for (const std::uint64_t number : {UINT64_MAX, std::uint64_t{INT64_MAX}, std::uint64_t{1} << 62,
                                     std::uint64_t{1} << 40, std::uint64_t{1} << 32, std::uint64_t{0}}) {
    if (!overwrite_with(state, number, take)) return false;
  }
  for (const std::uint32_t number :
       {UINT32_MAX, std::uint32_t{INT32_MAX}, std::uint32_t{1} << 30, std::uint32_t{0}}) {
    if (!overwrite_with(state, number, take)) return false;
  }
  return true;
}

bool make_garbage(SampleValues& random, const Take& take) {
  for (int i = 0; i < garbage_count; ++i) {
    const std::size_t size = random.below(i % 4 == 0 ? 8192 : 128) + 1;
    if (!take(random.bytes(size), std::to_string(size) + " random bytes")) return false;
  }
  const std::size_t large = std::size_t{1} << 20;
  return take(std::string(large, '\0'), "1 MiB of zeros") &&
         take(std::string(large, '\xff'), "1 MiB of 0xff") && take("{\"not\":\"a state\"}", "a JSON text");
}

}  // namespace

void for_each_damaged_state(const std::string& state, SampleValues& random, const Take& take) {
  static_cast<void>(truncate(state, random, take) && extend(state, random, take) &&
                    overwrite_numbers(state, take) && make_garbage(random, take) &&
                    flip_bits(state, random, take));
}

}  // namespace perch::check

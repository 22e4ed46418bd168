#include "perch/state.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>

namespace state_test {

perch_state_sink sink_into(std::string& bytes) {
  return {sizeof(perch_state_sink), 0, &bytes,
          [](void* context, const void* data, std::size_t size) -> perch_result {
            static_cast<std::string*>(context)->append(static_cast<const char*>(data), size);
            return PERCH_OK;
          }};
}

TEST_CASE("a state reads as it was written") {
  std::string bytes;
  const perch_state_sink sink = sink_into(bytes);
  const std::string long_text(200'000, 'x');
  perch::StateWriter out(&sink);
  out.put(std::uint32_t{7});
  out.put_string("symbol");
  out.put(2.5);
  out.put_string(long_text);
  out.put_string("");
  out.flush();

  perch::StateReader in(bytes.data(), bytes.size());
  CHECK(in.get<std::uint32_t>() == 7);
  CHECK(in.get_string() == "symbol");
  CHECK(in.get<double>() == 2.5);
  CHECK(in.get_string() == long_text);
  CHECK(in.get_string().empty());
  CHECK(in.bytes_left() == 0);
  CHECK_THROWS_AS(in.get<std::uint8_t>(), std::out_of_range);
}

TEST_CASE("a state that ends early, anywhere, is an error and not a read beyond its end") {
  std::string bytes;
  const perch_state_sink sink = sink_into(bytes);
  perch::StateWriter out(&sink);
  out.put(std::uint64_t{1});
  out.put_string("eight888");
  out.flush();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const std::string cut(bytes, 0, size);  // a copy of its own, for the sanitizer to watch
    perch::StateReader in(cut.data(), cut.size());
    CHECK_THROWS_AS(
        [&] {
          in.get<std::uint64_t>();
          in.get_string();
        }(),
        std::out_of_range);
  }
  const std::uint64_t huge = ~std::uint64_t{0};
  perch::StateReader in(&huge, sizeof huge);
  CHECK_THROWS_AS(in.get_string(), std::out_of_range);
}

TEST_CASE("a host that refuses the state fails the save") {
  const perch_state_sink sink{sizeof(perch_state_sink), 0, nullptr,
                              [](void*, const void*, std::size_t) -> perch_result { return PERCH_FAILED; }};
  perch::StateWriter out(&sink);
  out.put(1);
  CHECK_THROWS_AS(out.flush(), std::length_error);
}

}  // namespace state_test

#include "base/nearest_name.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using perch::nearest_name;

TEST_CASE("the nearest name is the one with the fewest slips") {
  const std::vector<std::string> names{"trades", "bars", "max_rows", "max_delay"};
  CHECK(nearest_name("trade", names) == "trades");
  CHECK(nearest_name("tardes", names) == "trades");
  CHECK(nearest_name("max_row", names) == "max_rows");
  CHECK(nearest_name("maxdelay", names) == "max_delay");
  CHECK(nearest_name("bras", names) == "bars");
}

TEST_CASE("a name that is like nothing gets no suggestion") {
  const std::vector<std::string> names{"trades", "bars"};
  CHECK(nearest_name("isolation", names).empty());
  CHECK(nearest_name("trades", {}).empty());
  CHECK(nearest_name(std::string(100'000, 't'), names).empty());
}

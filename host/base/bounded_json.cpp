#include "base/bounded_json.hpp"

#include <set>
#include <utility>
#include <vector>

#include "base/text.hpp"

namespace perch {

using Json = nlohmann::json;

namespace {

/// Takes everything, but to a certain depth.
class DepthCheck : public nlohmann::json_sax<Json> {
 public:
  explicit DepthCheck(int depth_max) : depth_max_(depth_max) {}

  bool start_object(std::size_t) override { return ++depth_ <= depth_max_; }
  bool start_array(std::size_t) override { return ++depth_ <= depth_max_; }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(std::int64_t) override { return true; }
  bool number_unsigned(std::uint64_t) override { return true; }
  bool number_float(double, const std::string&) override { return true; }
  bool string(std::string&) override { return true; }
  bool binary(Json::binary_t&) override { return true; }
  bool key(std::string&) override { return true; }
  bool parse_error(std::size_t, const std::string&, const Json::exception&) override { return false; }

 private:
  bool leave() {
    --depth_;
    return true;
  }

  const int depth_max_;
  int depth_ = 0;
};

}  // namespace

bool is_bounded_json(std::string_view text, int depth_max) {
  DepthCheck check(depth_max);
  return Json::sax_parse(text, &check);
}

tl::expected<Json, JsonRefusal> parse_bounded(std::string_view text, int depth_max, JsonNames names) {
  using Event = Json::parse_event_t;
  constexpr std::size_t quoted_bytes_max = 250;  // a name or a token may be the whole text
  std::vector<std::set<std::string>> seen;       // names in the objects that are open
  const auto check = [&](int around, Event event, Json& parsed) {
    if ((event == Event::object_start || event == Event::array_start) && around >= depth_max)
      throw JsonRefusal{true, "is nested deeper than " + std::to_string(depth_max) + " levels"};
    if (names == JsonNames::any) return true;
    if (event == Event::object_start) seen.emplace_back();
    if (event == Event::object_end) seen.pop_back();
    if (event == Event::key && !seen.back().insert(parsed.get<std::string>()).second)
      throw JsonRefusal{false, "has " + clean_text(parsed.dump(), quoted_bytes_max) + " twice in one object"};
    return true;
  };
  try {
    return Json::parse(text, check);
  } catch (JsonRefusal& refusal) {
    return tl::make_unexpected(std::move(refusal));
  } catch (const Json::exception& error) {
    return tl::make_unexpected(
        JsonRefusal{false, "is not JSON: " + std::string(error.what()).substr(0, quoted_bytes_max)});
  }
}

}  // namespace perch

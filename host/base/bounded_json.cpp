#include "base/bounded_json.hpp"

#include <algorithm>

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

Json parse_bounded(std::string_view text, int depth_max) {
  int deepest = 0;
  Json json = Json::parse(
      text,
      [&deepest, depth_max](int around, Json::parse_event_t event, Json&) {
        const bool begins =
            event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
        if (begins) deepest = std::max(deepest, around + 1);
        return deepest <= depth_max;  // what is deeper is dropped, not built
      },
      /*allow_exceptions=*/false);
  return deepest > depth_max ? Json(Json::value_t::discarded) : json;
}

}  // namespace perch

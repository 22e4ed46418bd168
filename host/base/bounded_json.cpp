#include "base/bounded_json.hpp"

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

struct TooDeep {};

}  // namespace

bool is_bounded_json(std::string_view text, int depth_max) {
  DepthCheck check(depth_max);
  return Json::sax_parse(text, &check);
}

tl::expected<Json, JsonRefusal> parse_bounded(std::string_view text, int depth_max) {
  try {
    return Json::parse(text, [depth_max](int around, Json::parse_event_t event, Json&) {
      const bool begins =
          event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
      if (begins && around >= depth_max) throw TooDeep{};
      return true;
    });
  } catch (const TooDeep&) {
    return tl::make_unexpected(
        JsonRefusal{true, "is nested deeper than " + std::to_string(depth_max) + " levels"});
  } catch (const Json::exception& error) {
    constexpr std::size_t reason_bytes_max =
        300;  // the library quotes the token, which may be the whole text
    return tl::make_unexpected(
        JsonRefusal{false, "is not JSON: " + std::string(error.what()).substr(0, reason_bytes_max)});
  }
}

}  // namespace perch

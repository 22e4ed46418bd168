#include "cli/row_reader.hpp"

#include "tables/row_query.hpp"

namespace perch::cli {
namespace {

Outcome<Json> parsed(const Result<std::string>& answer) {
  if (!answer) return end_with(answer.error());
  return Json::parse(*answer);
}

}  // namespace

Outcome<RowReader> RowReader::open(const std::string& socket, const std::string& table, Deadline deadline) {
  auto client = Client::connect(socket, deadline);
  if (!client) return end_with(client.error());
  RowReader reader(std::move(*client));
  auto layout = reader.client_.call("table.layout", {{"table", table}}, deadline);
  if (!layout) return end_with(layout.error());
  reader.layout_ = std::move(*layout);
  auto host = client::ConnectedHost::connect(socket, "perch", deadline);
  if (!host) {
    if (host.error().error.kind == ErrorKind::refused) return reader;
    return end_with(host.error());
  }
  reader.table_ = (*host)->catalog().find(table);
  if (!reader.table_) return reader;  // another host by now; the requests tell
  const auto pinned = (*host)->pin();
  if (!pinned) return end_with(pinned.error());
  reader.snapshot_ = *pinned;
  reader.host_ = std::move(*host);
  return reader;
}

Outcome<Json> RowReader::get(const Json& key, Deadline deadline) {
  if (host_) return parsed(tables::get_rows(*table_, snapshot_->view, nlohmann::json(key)));
  return client_.call("table.get", {{"table", layout_.at("table")}, {"key", key}}, deadline);
}

Outcome<Json> RowReader::scan(const Json& params, Deadline deadline) {
  if (!host_) {
    Json request = params;
    request["table"] = layout_.at("table");
    return client_.call("table.scan", request, deadline);
  }
  const nlohmann::json given(params);
  const auto object = [&given](const char* name) { return given.contains(name) ? &given.at(name) : nullptr; };
  const tables::ScanRequest request{
      {object("from"), object("to"), object("prefix"), given.value("from_exclusive", false),
       given.value("to_exclusive", false)},
      given.value("reverse", false),
      given.value("limit", std::uint64_t{100})};
  return parsed(tables::scan_rows(*table_, snapshot_->view, request));
}

}  // namespace perch::cli

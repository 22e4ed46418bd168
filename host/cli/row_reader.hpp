// RowReader: rows for a command, read by this process from the live tree; where the host does not let it map
// that (another user's process), through the control socket.
#pragma once

#include <memory>

#include "cli/outcome.hpp"
#include "client/connected_host.hpp"

namespace perch::cli {

/// Sees one version throughout where it reads by itself; through the socket each request sees its own.
class RowReader {
 public:
  static Outcome<RowReader> open(const std::string& socket, const std::string& table, Deadline deadline);

  /// As table.layout tells it.
  const Json& layout() const noexcept { return layout_; }
  /// As table.get and table.scan answer.
  Outcome<Json> get(const Json& key, Deadline deadline);
  Outcome<Json> scan(const Json& params, Deadline deadline);

 private:
  explicit RowReader(Client client) : client_(std::move(client)) {}

  Client client_;
  Json layout_;
  tables::TablePtr table_;
  std::unique_ptr<client::ConnectedHost> host_;  // null: through the socket
  const perch_snapshot* snapshot_ = nullptr;
};

}  // namespace perch::cli

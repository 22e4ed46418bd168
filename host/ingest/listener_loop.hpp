// ListenerLoop: many connections to one socket, each a stream of its own.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "base/rate_limit.hpp"
#include "ingest/input_loop.hpp"

namespace perch::ingest {

/// One thread for all connections, told by epoll(7) which of them have bytes. A connection that sends half a
/// row and hangs costs its descriptor and a small buffer, and holds nobody up; one that sends what cannot be
/// read is closed, and its row in the reject log tells why.
class ListenerLoop : public InputLoop {
 public:
  /// A connection is read so many times before the others have their turn.
  static constexpr int reads_per_turn = 4;

  /// `socket`: empty: open() makes one.
  ListenerLoop(const SourceSpec& spec, ListeningSocket socket);
  Result<void> open() override;
  void run(RowIntake& intake) override;
  void take_over() override;
  Result<ListeningSocket> copy_socket() const override { return socket_.copy(); }

 private:
  struct Connection {
    UniqueFd socket;
    std::unique_ptr<rows::RowDecoder> decoder;
    StreamPosition position;
  };
  using Connections = std::list<Connection>;
  enum class Turn { idle, more, over };

  Result<ListeningSocket> listen_tcp() const;
  bool watch(int descriptor, void* what);
  void accept_all(RowIntake& intake);
  void pause_accepting(RowIntake& intake, const std::string& why);
  void accept_again_when_due();
  void add(RowIntake& intake, UniqueFd socket);
  bool serve(RowIntake& intake, int timeout_ms);
  Turn read(RowIntake& intake, Connection& connection);
  void close(RowIntake& intake, Connection& connection);
  void look_at_lag(RowIntake& intake);

  const SourceSpec& spec_;
  ListeningSocket socket_;
  const bool is_handed_on_;  // another source had it
  UniqueFd epoll_;
  Connections connections_;
  LagTimer lag_timer_;
  std::int64_t accepts_from_ns_ = 0;  // the system had no more descriptors; 0: it accepts
  RateLimit refused_limit_;
};

/// "host:port", "[::1]:port", ":port" (every address). Errors say how to write it.
struct TcpAddress {
  std::string host;
  std::string port;
};
Result<TcpAddress> parse_tcp_address(const std::string& text);

}  // namespace perch::ingest
